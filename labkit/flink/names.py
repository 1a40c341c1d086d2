"""The names of the two jobs: in Flink's list, as consumer groups, as folders of their state."""

ENRICHMENT = "enrichment"
PARQUET = "parquet"
JOBS = (ENRICHMENT, PARQUET)
