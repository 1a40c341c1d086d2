"""labkit: the streaming lab behind the notebooks, which also runs headless.

Each package is one noun; imports between them go down only (tests/test_architecture.py has the order):
cli, workshop, pipeline, chaos, dead_letters, lab, jobs, settings, watch, ledger, analysis, setup, flink, parquet,
sources, kafka, streams, system, errors. Read it from `streams` up, as the data flows.
"""

__version__ = "0.1.0"
