"""Faults on purpose: kill, freeze, fill the disk, burn a CPU; and what came of it."""

__all__ = ["burn", "faults", "make_recordings"]
