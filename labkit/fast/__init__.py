"""The enrichment in batches: the rules of `labkit.metrics`, on columns instead of objects, for speed."""
