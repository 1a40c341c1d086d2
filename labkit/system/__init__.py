"""What several packages need and none has for itself: locks, ports, disk space, signals, folders, HTTP, waiting."""

__all__ = [
    "disk_space",
    "environment",
    "exchange",
    "locks",
    "own_http",
    "ports",
    "printable",
    "repository",
    "scratch",
    "signals",
    "waiting",
]
