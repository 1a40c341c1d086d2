"""The live view: the newest interval of each host, from the end of the metrics topic."""

__all__ = ["latest", "other", "poll", "view"]
