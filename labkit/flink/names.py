"""The names of the two jobs; `Settings.job_name` makes Flink's names of them."""

ENRICHMENT = "enrichment"
PARQUET = "parquet"
JOBS = (ENRICHMENT, PARQUET)
