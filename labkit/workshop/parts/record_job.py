"""The enrichment record at a time, as lesson 05 builds it: what lessons 20 and 22 and the benchmark compare with.

    raw Kafka record ─▶ Decode ─▶ key by hostname ─▶ Enrich (ValueState) ─▶ procstat_metrics (JSON)
                          └────────▶ procstat_dead_letters (the bytes as they came, and why)

The lab's own job (`labkit.flink.enrichment`) gives the same records, many at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from pyflink.common import Row, Time, Types
from pyflink.datastream import KeyedProcessFunction, ProcessFunction, RuntimeContext
from pyflink.datastream.state import StateTtlConfig, ValueStateDescriptor

from labkit.flink.environment import remote_environment
from labkit.flink.tables import Delivery, add_sinks, create_tables, dead_letter
from labkit.kafka.avro import DeserializationError, SnapshotCodec, read_schema
from labkit.kafka.registry import Registry
from labkit.settings import Settings
from labkit.streams.names import ENRICHMENT
from labkit.streams.procstat.metrics import compare
from labkit.streams.procstat.stream import PROCSTAT

__all__ = ["build"]


class Decode(ProcessFunction):
    """Raw record (key, value, partition, offset, headers) -> (hostname, Snapshot), or a dead letter."""

    def __init__(self, settings: Settings) -> None:
        self._schema = read_schema(settings.schema_dir, PROCSTAT)
        self._registry = Registry.of(settings.flow)
        self._topic = settings.snapshots_topic

    def open(self, runtime_context: RuntimeContext) -> None:
        """One codec, and one registry client, for each worker."""
        self._codec = SnapshotCodec(PROCSTAT, self._schema, self._registry.wait_for_schema)

    def process_element(self, value: Row, ctx: ProcessFunction.Context) -> Iterator[Any]:
        """Decode one record."""
        key, data, partition, offset, headers = value
        try:
            snapshot = self._codec.decode(data, headers or {})
        except DeserializationError as reason:
            yield dead_letter(
                key, data, headers or {}, reason=reason, kind=reason.kind,
                topic=self._topic, partition=partition, offset=offset,
            )  # fmt: skip
        else:
            yield snapshot.hostname, snapshot


class Enrich(KeyedProcessFunction):
    """(hostname, Snapshot) -> (hostname, JSON of the interval, timestamp), by `compare`."""

    def __init__(self, keep_for_s: int) -> None:
        self._keep_for_s = keep_for_s

    def open(self, runtime_context: RuntimeContext) -> None:
        """The last good snapshot of the current host, kept and checkpointed by Flink.

        A host that was not heard of for that long (by the wall clock, a day more than `compare` goes by) is dropped:
        state grows with the hosts of a month, not with all that there ever were.
        """
        descriptor = ValueStateDescriptor("last good snapshot", Types.PICKLED_BYTE_ARRAY())
        # What is due but still there may be returned: `compare` does not go by it. Else PyFlink keeps no cache, and
        # asks the JVM for every value, one by one.
        kept_for = StateTtlConfig.new_builder(Time.seconds(self._keep_for_s)).return_expired_if_not_cleaned_up()
        descriptor.enable_time_to_live(kept_for.cleanup_full_snapshot().build())
        self._last_good = runtime_context.get_state(descriptor)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Compare one snapshot with the last good one of its host."""
        _, now = value
        _, next_state, metrics = compare(self._last_good.value(), now)
        self._last_good.update(next_state)
        if metrics is not None:
            yield Row(metrics.hostname, orjson.dumps(metrics), metrics.timestamp)


def build(settings: Settings, resume_from: Path | None) -> Any:
    """The job, ready to execute on the lab's cluster."""
    env, tables = remote_environment(
        settings.cluster,
        settings.job_name(ENRICHMENT),
        parallelism=settings.enrichment_parallelism,
        resume_from=resume_from,
    )
    create_tables(tables, settings.flow, Delivery(settings.delivery, settings.transaction_timeout_s))
    text, data = Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())
    raw = tables.to_data_stream(tables.from_path("snapshots"))
    decoded = raw.process(Decode(settings), Types.TUPLE([text, Types.PICKLED_BYTE_ARRAY()])).uid("decode")
    by_host = decoded.key_by(lambda pair: pair[0], text)
    metric = Types.ROW_NAMED(["key", "value", "ts"], [text, data, Types.LONG()])  # hostname, JSON, ms
    metrics = by_host.process(Enrich(settings.host_state_s), metric).uid("enrich")
    add_sinks(tables, metrics, decoded)
    return env
