"""The folders of Parquet files: read them, and make many files few."""

__all__ = ["compact", "folder", "merge", "read"]
