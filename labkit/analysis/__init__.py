"""Tables and plots of the rows."""

__all__ = ["plots", "tables"]
