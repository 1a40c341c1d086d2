"""The engine, the Parquet job, and the way to the cluster."""

__all__ = [
    "engine",
    "enrichment",
    "environment",
    "gateway",
    "home",
    "jvm",
    "parquet_job",
    "rest",
    "root_cause",
    "stale_code",
    "tables",
]
