"""/proc/stat: ticks of CPUs, and what the CPUs did between two readings, in percent."""

__all__ = ["columnar", "columns", "intervals", "json_lines", "metrics", "snapshot", "stream"]
