"""What several packages need and none has for itself: locks, limits, disks, ports, signals, HTTP, waiting."""

__all__ = [
    "disk_space",
    "exchange",
    "limits",
    "locks",
    "own_http",
    "ports",
    "printable",
    "repository",
    "scratch",
    "signals",
    "waiting",
]
