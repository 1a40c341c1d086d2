"""Tables and plots of the rows."""

__all__ = ["paper", "plots", "tables"]
