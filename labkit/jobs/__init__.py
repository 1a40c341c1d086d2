"""Flink jobs by name: submit, drain, stop, bring back."""

__all__ = ["failure", "recovery", "reset", "running_jobs", "stop", "submit"]
