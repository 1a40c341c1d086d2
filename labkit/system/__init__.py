"""What several packages need and is nobody"s idea: locks, ports, disk space, signals, scratch folders, waiting."""

__all__ = ["disk_space", "exchange", "locks", "ports", "printable", "scratch", "signals", "waiting"]
