"""The engine, the Parquet job, and the way to the cluster."""

__all__ = [
    "batch",
    "batch_decoder",
    "enrichment",
    "environment",
    "gateway",
    "home",
    "parquet_job",
    "record_batch",
    "rest",
    "root_cause",
    "scalar",
    "stale_code",
    "tables",
    "trial",
]
