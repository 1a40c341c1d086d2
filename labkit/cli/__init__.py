"""The command line `labkit`: one module a family of commands."""

__all__ = ["main"]
