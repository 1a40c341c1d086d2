"""The lab's own processes: start, stop, health, containers, doctor, reset."""

__all__ = [
    "account",
    "code",
    "containers",
    "doctor",
    "jupyter",
    "kafka_tools",
    "ownership",
    "producers",
    "reset",
    "run_state",
    "services",
    "start",
    "status",
    "supervisor",
]
