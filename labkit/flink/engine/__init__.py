"""What the enrichment does with a batch of records, without Flink: decode, compare, write."""

__all__ = ["batch", "batch_decoder", "record_batch", "scalar", "trial"]
