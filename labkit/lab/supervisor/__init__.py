"""supervisord: what it is told of each service, and how it is asked."""

__all__ = ["configuration", "control", "environment", "kafka", "launch", "processes", "program", "rpc"]
