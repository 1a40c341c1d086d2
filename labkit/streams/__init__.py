"""What flows. Pure: text to a snapshot, two snapshots to a result; no I/O."""

__all__ = ["arrow", "meminfo", "names", "parsing", "procstat", "records", "registry", "rules", "shape", "stream"]
