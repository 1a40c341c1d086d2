"""A stream of one's own: parts as dataclasses or named tuples, a schema that fits, panels of lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from labkit.analysis.plots import stream_picture
from labkit.errors import BadInput
from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.settings import REPOSITORY
from labkit.streams.records import from_record, missing_field, to_record
from labkit.streams.registry import STREAMS
from labkit.streams.rules import Comparison, Verdict
from labkit.streams.shape import shape_of
from labkit.streams.stream import Band, Panel, Plot, Stream


class Named(NamedTuple):
    interface: str
    rx_bytes: int


@dataclass(frozen=True)
class Classed:
    interface: str
    rx_bytes: int


@dataclass(frozen=True)
class OfNamed:
    hostname: str
    timestamp: int
    interfaces: tuple[Named, ...]


@dataclass(frozen=True)
class OfClassed:
    hostname: str
    timestamp: int
    interfaces: tuple[Classed, ...]


@dataclass(frozen=True)
class Rates:
    interface: str
    rx: float
    tx: float


@dataclass(frozen=True)
class Result:
    hostname: str
    timestamp: int
    time_delta_ms: int
    interfaces: tuple[Rates, ...]


SNAPSHOTS: list[Any] = [
    OfNamed("vm", 1_000, (Named("lo", 1), Named("eth0", 2))),
    OfClassed("vm", 1_000, (Classed("lo", 1), Classed("eth0", 2))),
]
ITEM = {"type": "record", "name": "Interface", "fields": [
    {"name": "interface", "type": "string"}, {"name": "rx_bytes", "type": "long"},
]}  # fmt: skip
SCHEMA: dict[str, Any] = {"type": "record", "name": "NetSnapshot", "fields": [
    {"name": "hostname", "type": "string"}, {"name": "timestamp", "type": "long"},
    {"name": "interfaces", "type": {"type": "array", "items": ITEM}},
]}  # fmt: skip
RX, TX = Band("received", ("rx",), "#000000"), Band("sent", ("tx",), "#000000")


def net(snapshot: type, *panels: Panel) -> Stream:
    return Stream(
        "net", "/proc/net/dev", "net.avsc", snapshot, Result,
        parse=lambda text, hostname, timestamp: None,
        compare=lambda state, now: Comparison(Verdict.FIRST, now, None),
        plot=Plot("network", RX, panels),
    )  # fmt: skip


@pytest.mark.parametrize("snapshot", SNAPSHOTS, ids=lambda one: type(one).__name__)
def test_parts_of_a_snapshot_are_written_and_read_back(snapshot: Any) -> None:
    parts = [{"interface": "lo", "rx_bytes": 1}, {"interface": "eth0", "rx_bytes": 2}]
    assert to_record(snapshot) == {"hostname": "vm", "timestamp": 1_000, "interfaces": parts}
    assert from_record(type(snapshot), to_record(snapshot)) == snapshot
    codec = SnapshotCodec(net(type(snapshot)), SCHEMA, {1: SCHEMA}.get)
    assert codec.decode(codec.encode(snapshot, 1)) == snapshot


@pytest.mark.parametrize("stream", STREAMS.values(), ids=lambda stream: stream.name)
@pytest.mark.parametrize("lacking", ["timestamp", "hostname"])
def test_a_schema_that_lacks_a_field_is_named_with_it(stream: Stream, lacking: str, tmp_path: Path) -> None:
    schema = json.loads((REPOSITORY / "schemas" / stream.schema_file).read_text())
    assert missing_field(stream.snapshot, schema) == ""
    schema["fields"] = [field for field in schema["fields"] if field["name"] != lacking]
    (tmp_path / stream.schema_file).write_text(json.dumps(schema))
    with pytest.raises(BadInput, match=f"has no field {lacking}, which {stream.snapshot.__name__} has"):
        read_schema(tmp_path, stream)


@pytest.mark.parametrize("text", [None, "", "{", '"long"', '{"type": "long"}'])
def test_a_file_that_is_no_schema_of_a_record_is_one_sentence(text: str | None, tmp_path: Path) -> None:
    stream = STREAMS["procstat"]
    if text is not None:
        (tmp_path / stream.schema_file).write_text(text)
    with pytest.raises(BadInput, match=stream.schema_file) as caught:
        read_schema(tmp_path, stream)
    assert "\n" not in str(caught.value)


def test_a_field_that_lacks_in_a_part_is_named_too() -> None:
    without = {**SCHEMA, "fields": [*SCHEMA["fields"][:2], {"name": "interfaces", "type": {
        "type": "array", "items": {**ITEM, "fields": ITEM["fields"][:1]},
    }}]}  # fmt: skip
    for snapshot in SNAPSHOTS:
        assert missing_field(type(snapshot), SCHEMA) == ""
        assert missing_field(type(snapshot), without) == "interfaces.rx_bytes"


def picture_of(stream: Stream, rows: list[tuple[Any, ...]]) -> Figure:
    frame = pd.DataFrame(rows, columns=[column.name for column in stream.shape.columns])
    frame["ts"] = pd.to_datetime(frame["ts"], unit="ms", utc=True)
    return stream_picture(frame, stream)


def test_a_part_has_its_colour_in_every_panel_and_only_what_has_no_data_is_hatched() -> None:
    stream = net(OfClassed, Panel("received", "B/s", "lines", (RX,)), Panel("sent", "B/s", "lines", (TX,)))
    names = [f"eth{number}" for number in range(8)]
    seconds = [number for number in range(1, 20) if not 8 <= number <= 11]
    rows = [
        row
        for second in seconds
        for row in stream.shape.rows(
            # What receives most sends least.
            Result("vm", second * 1000, 1000, tuple(Rates(name, 100.0 - at, at) for at, name in enumerate(names)))
        )
    ]
    figure = picture_of(stream, rows)
    panels = [[patch for patch in axes.patches if isinstance(patch, StepPatch)] for axes in figure.axes]
    legend = {text.get_text(): patch for text, patch in zip(
        figure.legends[0].get_texts(), figure.legends[0].get_patches(), strict=True)}  # fmt: skip
    assert [*legend] == [*names[:6], "pause or no data"]
    for direction, lines in enumerate(panels):
        for at, line in enumerate(lines):
            value = at if direction else 100.0 - at
            assert line.get_data().values[0] == value
            assert to_hex(line.get_edgecolor()) == to_hex(legend[names[at]].get_facecolor())
        assert not figure.axes[direction].patch.get_hatch()
        (hatched,) = [patch for patch in figure.axes[direction].patches if patch.get_hatch()]
        assert hatched.get_width() * 86_400 == pytest.approx(4)


def test_a_panel_of_lines_for_parts_has_one_band() -> None:
    with pytest.raises(TypeError, match="one band"):
        net(OfClassed, Panel("both", "B/s", "lines", (RX, TX)))
    one_each = replace(net(OfClassed), plot=Plot("network", RX, (Panel("received", "B/s", "lines", (RX,)),)))
    assert one_each.plot.panels[0].bands == (RX,)


def test_a_part_that_comes_and_goes_hatches_nothing_and_idle_ones_take_no_place_in_the_legend() -> None:
    stream = net(OfClassed, Panel("received", "B/s", "lines", (RX,)))
    rows = []
    for second in range(1, 10):
        veth = [Rates("veth", 9.0, 1.0)] if 3 <= second <= 5 else []
        parts = (Rates("idle", 0.0, 0.0), *veth, Rates("lo", 5.0, 1.0))
        rows += stream.shape.rows(Result("vm", second * 1000, 1000, parts))
    figure = picture_of(stream, rows)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["veth", "lo"]
    assert not [patch for patch in figure.axes[0].patches if patch.get_hatch()]


class NamedRate(NamedTuple):
    """A part of a snapshot could be this; one of a result could not."""

    name: str
    rate: float


@dataclass(frozen=True)
class OfNamedRates:
    hostname: str
    timestamp: int
    time_delta_ms: int
    rates: tuple[NamedRate, ...]


def test_a_result_whose_part_is_no_dataclass_is_named() -> None:
    with pytest.raises(TypeError, match="NamedRate is no dataclass, as a result and its parts have to be"):
        shape_of(OfNamedRates)
