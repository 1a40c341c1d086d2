"""The lab"s own processes: start, stop, health, containers, doctor, reset."""

__all__ = [
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
    "status",
    "supervisor",
]
