"""supervisord: what it is told of each service, and how it is asked."""

__all__ = ["configuration", "control", "kafka", "processes", "rpc", "taskmanager"]
