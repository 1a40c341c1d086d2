"""The compose lab: the first process of each container, its health check, and the way in from the host."""

__all__ = ["compose", "entry", "health"]
