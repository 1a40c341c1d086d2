"""A stream that has rules on columns, too: they are those of its `compare`, on any stream of snapshots."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.flink.engine.batch import enrich, rules_of
from labkit.flink.engine.batch_decoder import batch_decoder
from labkit.flink.engine.scalar import ScalarRules
from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.settings import REPOSITORY
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.registry import STREAMS
from labkit.streams.stream import Columnar, Stream
from tests.support.strategies import snapshots

COLUMNAR = [stream for stream in STREAMS.values() if stream.columnar is not None]
#: What may come, of each stream that has both.
ANY = {"procstat": snapshots()}


def test_every_stream_with_rules_on_columns_is_held_to_its_compare() -> None:
    assert sorted(ANY) == sorted(stream.name for stream in COLUMNAR)


def records(stream: Stream, rules: Columnar, found: list[Snapshot]) -> list[dict[str, object]]:
    schema = read_schema(REPOSITORY / "schemas", stream)
    codec = SnapshotCodec(stream, schema, {1: schema}.get)
    decoder = batch_decoder(schema, codec, rules)
    known, lines = None, []
    for batch in (found[:3], found[3:]):
        _, columns, reasons = decoder.decode([codec.encode(one, 1) for one in batch])
        assert reasons == {}
        known, results = enrich(rules, known, columns, wall_s=0.0, keep_for_s=float("inf"))
        lines += rules.json_lines(results).splitlines()
    return [orjson.loads(line) for line in lines]


def test_numbers_at_every_length_that_avro_has_are_read_on_columns_of_procstat() -> None:
    """A snapshot whose length is worked out wrongly would be taken for unsound even when written anew."""
    at_edges = sorted(
        {2**bits + step for bits in range(63) for step in (-2, -1, 0, 1) if 2**bits + step >= 0} | {2**63 - 1}
    )
    found = [Snapshot("host", 1_000, (CpuTimes("cpu", *[0] * 10),), btime=0, ctxt=edge) for edge in at_edges]
    schema = read_schema(REPOSITORY / "schemas", PROCSTAT)
    codec = SnapshotCodec(PROCSTAT, schema, {1: schema}.get)
    assert PROCSTAT.columnar is not None
    _, columns, reasons = batch_decoder(schema, codec, PROCSTAT.columnar()).decode(
        [codec.encode(one, 1) for one in found]
    )
    assert (len(columns), reasons) == (len(at_edges), {})


@pytest.mark.parametrize("stream", COLUMNAR, ids=lambda stream: stream.name)
@given(data=st.data())
def test_the_two_ways_of_the_engine_give_the_same(stream: Stream, data: st.DataObject) -> None:
    found = data.draw(st.lists(ANY[stream.name], max_size=8))
    schema = read_schema(REPOSITORY / "schemas", stream)
    ways = rules_of(stream, schema), ScalarRules(stream, schema)
    by_column, by_record = (records(stream, rules, found) for rules in ways)
    assert json.dumps(by_column) == json.dumps(by_record)
