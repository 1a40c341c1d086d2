"""Parts that a lesson builds by hand, for those that use them afterwards; and the data of some."""

__all__ = [
    "busy_job", "disorder", "record_job", "silence", "sleep", "time_job", "two_streams", "window_job",
]  # fmt: skip
