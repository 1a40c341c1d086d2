"""Flink jobs by name: submit, drain, stop, bring back."""

__all__ = ["failure", "origin", "partitions", "recovery", "reset", "rows", "running_jobs", "stop", "submit"]
