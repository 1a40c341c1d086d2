"""The side-by-side measures what it says, and its programs in Python go by the rules of `compare`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.side_by_side import report
from benchmarks.side_by_side.code_lines import code_lines
from benchmarks.side_by_side.measure import Sample, figures
from benchmarks.side_by_side.picture import draw
from benchmarks.side_by_side.programs import PROGRAMS
from benchmarks.side_by_side.rules import RULES, broken_values
from benchmarks.side_by_side.running import HERE
from labkit.kafka.avro import DeserializationError, SnapshotCodec, read_schema
from labkit.settings import Settings
from labkit.streams.procstat.metrics import compare
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.rules import FORGET_AFTER_MS, Comparison
from tests.support.strategies import REAL_TICKS, cpu_times

sys.path.append(str(HERE / "common"))
import procstat

SCHEMA = read_schema(Settings().schema_dir, PROCSTAT)
CODEC = SnapshotCodec(PROCSTAT, SCHEMA, lambda _: SCHEMA)


class Decoder(procstat.Decoder):
    """With the schema at hand instead of a registry's."""

    def _schema(self, schema_id: int):
        return SCHEMA


def plain(snapshot: Snapshot) -> procstat.Snapshot:
    return Decoder("").decode(CODEC.encode(snapshot, 1))


@st.composite
def any_snapshot(draw: st.DrawFn) -> Snapshot:
    """Around each border of the rules: reboots, late and forgotten snapshots, counters that step back."""
    ids = draw(st.lists(st.sampled_from(["cpu", "cpu0", "cpu1", "cpu2"]), unique=True, min_size=1))
    ticks = st.integers(0, 700) | REAL_TICKS
    cpus = tuple(draw(cpu_times(ticks, cpu_id)) for cpu_id in ids)
    at = draw(st.sampled_from([1_000, 2_000, 3_000, 1_000 + FORGET_AFTER_MS, 1_001 + FORGET_AFTER_MS]))
    return Snapshot("host", at, cpus, btime=draw(st.integers(1_000, 1_003)))


@given(st.lists(any_snapshot(), min_size=2, max_size=6))
def test_the_shared_code_of_the_programs_gives_the_records_of_compare(recording: list[Snapshot]) -> None:
    ours: Snapshot | None = None
    theirs: procstat.Snapshot | None = None
    for now in recording:
        expected: Comparison = compare(ours, now)
        theirs, record = procstat.compare(theirs, plain(now))
        ours = expected.next_state
        wanted = expected.result and expected.result.as_record()
        assert json.dumps(record) == json.dumps(wanted)
        assert theirs[1] == ours.timestamp


GOOD = CODEC.encode(Snapshot("host", 1_000, (CpuTimes("cpu", 1, 2, 3, 4),), btime=1), 1)
BROKEN = broken_values(GOOD, lambda snapshot: CODEC.encode(snapshot, 1))


@pytest.mark.parametrize("what", sorted(BROKEN.keys() - {"unknown schema id"}))
def test_the_shared_code_of_the_programs_refuses_what_the_job_refuses(what: str) -> None:
    with pytest.raises(DeserializationError):
        CODEC.decode(BROKEN[what])
    with pytest.raises(procstat.Unreadable):
        Decoder("").decode(BROKEN[what])


@pytest.mark.parametrize("rule", RULES)
def test_the_trial_of_each_rule_gives_the_same_by_the_shared_code(rule: str) -> None:
    """And each has a record to lose: a program that writes nothing keeps no rule."""
    ours, theirs, records = None, None, 0
    for now in RULES[rule]:
        _, ours, metrics = compare(ours, now)
        theirs, record = procstat.compare(theirs, plain(now))
        assert json.dumps(record) == json.dumps(metrics and metrics.as_record())
        records += metrics is not None
    assert records


def test_steady_is_between_a_fifth_and_nine_tenths_of_the_records() -> None:
    """Ten seconds of nothing, 100 records/s for 2 s, 400/s for 7 s on one core, 100/s for 10 s."""
    samples = [Sample(at, 0, 10 << 20, 0.0) for at in range(11)]
    samples += [Sample(10.5 + step, 50 + 100 * step, 20 << 20, 2.0) for step in range(2)]
    samples += [Sample(12 + step, 200 + 400 * step, 30 << 20, 3.0 + step) for step in range(8)]
    samples += [Sample(20 + step, 3000 + 100 * (step + 1), 25 << 20, 20.0) for step in range(10)]
    found = figures(samples, 3000)
    assert found.start_up_s == 10.5
    assert found.steady_per_s == pytest.approx(400)
    assert found.steady_s == pytest.approx(5.25)
    assert found.cpu_ms_a_snapshot == pytest.approx(1000 / 400)
    assert found.cores == pytest.approx(1.0)
    assert found.peak_mib == 30


def test_lines_of_code_are_counted_without_blanks_comments_and_docstrings(tmp_path: Path) -> None:
    python, sql = tmp_path / "a.py", tmp_path / "a.sql"
    python.write_text('"""What\nit is."""\n\n# why\ndef f():\n    """Says."""\n    return (\n        1)  # one\n')
    sql.write_text("-- what it is\nSET 'a' = 'b';\n\nSELECT 1\nFROM t;\n")
    java = tmp_path / "a.java"
    java.write_text("/** What it is\n * for. */\nclass A {\n    // why\n    int a = 1; // one\n\n}\n")
    assert (code_lines(python), code_lines(sql), code_lines(java)) == (3, 3, 3)


@pytest.mark.parametrize("file", sorted(HERE.glob("*/requirements.txt")), ids=lambda file: file.parent.name)
def test_every_requirement_of_a_program_is_pinned_with_its_hash(file: Path) -> None:
    entries = re.split(r"\n(?=\S)", file.read_text().strip())
    assert [entry for entry in entries if not re.match(r"[A-Za-z0-9._-]+==\S+.*--hash=sha256:", entry, re.DOTALL)] == []


def test_every_program_has_its_files_and_its_environment() -> None:
    assert [file for one in PROGRAMS for file in one.files if not file.exists()] == []
    named = {one.environment for one in PROGRAMS} - {""}
    assert {file.parent.name for file in HERE.glob("*/requirements.txt")} == named


def run(rate: float, **more: object) -> dict[str, object]:
    return {"steady_per_s": rate, "start_up_s": 2.5, "peak_mib": 100.4, "cpu_ms_a_snapshot": 0.25,
            "others_busy_pct": 3.0, "disordered": 0, **more}  # fmt: skip


def program(name: str, *repeats: dict[str, object], promise: str = "exactly once") -> dict[str, object]:
    rules = {"a rule": name != "slow", "another": True}
    return {"name": name, "title": name, "processes": 2, "promise": promise, "lines": 42, "rules": rules,
            "repeats": list(repeats)}  # fmt: skip


RESULTS = {
    "when": "2026-01-02", "snapshots": 1000, "hosts": 200, "records": 800, "checkpoint_s": 10.0,
    "machine": {"cpu": "a CPU", "cores": 2, "memory_gib": 8, "kernel": "6.1", "python": "3.11.7"},
    "programs": [
        program("slow", run(1000.0), run(1200.0), run(900.0, disordered=3)),
        program("fast", run(5000.0), run(4000.0), run(6000.0), promise="at least once"),
        program("wrong", run(9000.0), run(9000.0, failed="('host-000', 1000) has other values"), run(9000.0)),
    ],
}  # fmt: skip


def test_the_table_has_the_fastest_first_and_no_figures_of_a_program_that_was_wrong_once() -> None:
    _, _, first, second, last = report.table(RESULTS).splitlines()
    assert first.startswith("| fast | **5,000** (4,000 – 6,000) | 2.5 | 100 | 0.250 | at least once")
    assert second.startswith("| slow | **1,000** (900 – 1,200) |")
    assert last.startswith("| wrong | failed in 1 of 3 runs: ('host-000', 1000) has other values |")
    assert "9,000" not in last


def test_the_page_gets_the_results_between_its_markers_and_nothing_else_changes() -> None:
    page = report.PAGE.read_text()
    once = report.with_results(page, RESULTS, "p.png")
    assert report.with_results(once, RESULTS, "p.png") == once
    before, after = page.split(report.BEGIN)[0], page.split(report.END)[1]
    assert once.startswith(before)
    assert once.endswith(after)
    assert "| a rule | ✗ | ✓ | ✓ |" in once
    assert "| fast | **5,000**" in once


def test_the_picture_has_a_bar_for_each_program_that_was_right_with_the_fastest_on_top() -> None:
    figure = draw(RESULTS)
    (axes,), (legend,) = figure.axes, figure.legends
    assert [label.get_text() for label in axes.get_yticklabels()] == ["slow", "fast"]
    assert [bar.get_width() for bar in axes.patches] == [1000.0, 5000.0]
    assert [text.get_text() for text in legend.get_texts()] == ["at least once", "exactly once"]
    assert len(axes.containers) == 4, "two bars, each with a line from the slowest run to the fastest"


def test_a_single_run_has_no_such_line() -> None:
    (axes,) = draw(RESULTS | {"programs": [program("once", run(1000.0))]}).axes
    assert len(axes.containers) == 1


@pytest.mark.parametrize(
    ("snapshots", "busy", "doubts"),
    [
        (600_000, 3.0, []),
        (20_000, 3.0, ["do not compare"]),
        (600_000, 80.0, ["do not rely on these"]),
        (20_000, 80.0, ["do not compare", "do not rely on these"]),
    ],
)
def test_what_makes_figures_doubtful_is_said_with_them(snapshots: int, busy: float, doubts: list[str]) -> None:
    programs = [program("one", run(1000.0, others_busy_pct=busy))]
    said = report.conditions(RESULTS | {"snapshots": snapshots, "programs": programs})
    assert [words for words in ("do not compare", "do not rely on these") if words in said] == doubts
    assert "1 repeat, in rounds" in said
