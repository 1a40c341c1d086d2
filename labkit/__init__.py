"""labkit: the streaming lab behind the notebooks, which also runs headless.

Read it in the order in which the data flows: procfs, sources, avro_codec, registry, producer;
metrics; flink/; parquet_io, analysis, plots. settings and cli are around it, ops/ runs the services.
"""

__version__ = "0.1.0"
