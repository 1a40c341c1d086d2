"""The engine, the Parquet job, and the way to the cluster."""

__all__ = [
    "engine",
    "enrichment",
    "environment",
    "gateway",
    "home",
    "jvm",
    "jvm_threads",
    "parquet_job",
    "rest",
    "root_cause",
    "stale_code",
    "tables",
]
