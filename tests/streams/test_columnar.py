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
from labkit.streams.procstat.snapshot import Snapshot
from labkit.streams.registry import STREAMS
from labkit.streams.stream import Stream
from tests.support.strategies import snapshots

COLUMNAR = [stream for stream in STREAMS.values() if stream.columnar is not None]
#: What may come, of each stream that has both.
ANY = {"procstat": snapshots()}


def test_every_stream_with_rules_on_columns_is_held_to_its_compare() -> None:
    assert sorted(ANY) == sorted(stream.name for stream in COLUMNAR)


def records(stream: Stream, rules: object, found: list[Snapshot]) -> list[dict[str, object]]:
    schema = read_schema(REPOSITORY / "schemas", stream)
    codec = SnapshotCodec(stream, schema, {1: schema}.get)
    columnar = None if isinstance(rules, ScalarRules) else stream.columnar and stream.columnar()
    decoder = batch_decoder(schema, codec, columnar)
    known, lines = None, []
    for batch in (found[:3], found[3:]):
        _, columns, reasons = decoder.decode([codec.encode(one, 1) for one in batch])
        assert reasons == {}
        known, results = enrich(rules, known, columns, wall_s=0.0, keep_for_s=float("inf"))  # type: ignore[arg-type]
        lines += rules.json_lines(results).splitlines()  # type: ignore[attr-defined]
    return [orjson.loads(line) for line in lines]


@pytest.mark.parametrize("stream", COLUMNAR, ids=lambda stream: stream.name)
@given(data=st.data())
def test_the_two_ways_of_the_engine_give_the_same(stream: Stream, data: st.DataObject) -> None:
    found = data.draw(st.lists(ANY[stream.name], max_size=8))
    by_column, by_record = (records(stream, rules, found) for rules in (rules_of(stream), ScalarRules(stream)))
    assert json.dumps(by_column) == json.dumps(by_record)
