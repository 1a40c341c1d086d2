"""/proc/meminfo: what is read, what comes out of two readings, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.settings import REPOSITORY
from labkit.streams.meminfo import MEMINFO, MemorySnapshot, compare, parse_meminfo
from labkit.streams.parsing import ReadingError
from labkit.streams.rules import FORGET_AFTER_MS, Verdict

FOLDER = Path(__file__).parents[1] / "fixtures" / "proc_meminfo"
TEXT = "MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  600 kB\nSwapTotal:  200 kB\nSwapFree:  50 kB\n"


def reading(text: str = TEXT, timestamp: int = 1_000) -> MemorySnapshot:
    return parse_meminfo(text, "lab", timestamp)


def test_a_real_file_is_read_and_its_parts_add_up() -> None:
    snapshot = parse_meminfo((FOLDER / "linux_6_18_24_gib.txt").read_text(), "lab", 5_000)
    assert snapshot.mem_total_kib > snapshot.mem_available_kib > 0
    result = compare(4_000, snapshot).result
    assert result is not None
    assert result.used_kib + result.cache_kib + result.free_kib == result.total_kib


def test_used_is_what_cannot_be_had_and_values_are_kib() -> None:
    verdict, state, result = compare(0, reading())
    assert (verdict, state) == (Verdict.GOOD, 1_000)
    assert result is not None
    assert (result.total_kib, result.used_kib, result.cache_kib, result.free_kib) == (1000, 400, 500, 100)
    assert (result.used_pct, result.cache_pct, result.free_pct) == (40.0, 50.0, 10.0)
    assert (result.swap_used_kib, result.swap_used_pct, result.time_delta_ms) == (150, 75.0, 1_000)


def test_a_kernel_without_memavailable_is_said_and_not_guessed() -> None:
    with pytest.raises(ReadingError, match=r"there is no MemAvailable line, this kernel is older than 3\.14"):
        parse_meminfo((FOLDER / "linux_3_13_no_available.txt").read_text(), "lab", 0)


def test_a_kernel_without_swap_uses_none() -> None:
    result = compare(0, reading("MemTotal: 10 kB\nMemFree: 1 kB\nMemAvailable: 5 kB\n")).result
    assert result is not None
    assert (result.swap_total_kib, result.swap_used_pct) == (0, 0.0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no MemTotal line"),
        (TEXT.rstrip(), "ends in the middle of a line"),
        (TEXT.replace("100 kB", "-100 kB"), "line 2, column 2: '-100' is not a count"),
        (TEXT.replace("100 kB", "100 MB"), "line 2, column 3: MemFree is not in kB"),
        (TEXT.replace("600 kB", "1600 kB"), "more memory is free or available than there is"),
        (TEXT.replace("  50 kB", "  500 kB"), "more swap is free than there is"),
        (TEXT.replace("1000 kB", f"{2**64} kB"), "does not fit into 63 bits"),
    ],
)
def test_what_is_no_meminfo_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(ReadingError, match=why):
        reading(text)


def test_a_host_follows_the_same_rules_of_time_as_every_stream() -> None:
    assert compare(None, reading()) == (Verdict.FIRST, 1_000, None)
    assert compare(1_000, reading()) == (Verdict.REJECTED, 1_000, None)
    assert compare(2_000, reading()) == (Verdict.REJECTED, 2_000, None)
    late = reading(timestamp=1_000 + FORGET_AFTER_MS + 1)
    assert compare(1_000, late) == (Verdict.FIRST, late.timestamp, None)


@st.composite
def snapshots(draw: st.DrawFn) -> MemorySnapshot:
    total = draw(st.integers(1, 2**50))
    free, available = draw(st.integers(0, total)), draw(st.integers(0, total))
    swap = draw(st.integers(0, 2**40))
    return MemorySnapshot(
        draw(st.sampled_from("ab")), draw(st.integers(0, 5_000)), total, free, available,
        swap_total_kib=swap, swap_free_kib=draw(st.integers(0, swap)),
    )  # fmt: skip


@given(snapshots())
def test_every_percentage_is_in_0_to_100_and_the_three_add_up_to_100(snapshot: MemorySnapshot) -> None:
    result = compare(-1, snapshot).result
    assert result is not None
    shares = (result.used_pct, result.cache_pct, result.free_pct)
    assert all(0 <= share <= 100 for share in (*shares, result.swap_used_pct))
    assert abs(sum(shares) - 100) <= 1e-9


@given(snapshots(), st.integers(0, 2**32 - 1))
def test_what_is_written_is_read_back(snapshot: MemorySnapshot, schema_id: int) -> None:
    schema = read_schema(REPOSITORY / "schemas", MEMINFO)
    codec = SnapshotCodec(MEMINFO, schema, {schema_id: schema}.get)
    assert codec.decode(codec.encode(snapshot, schema_id)) == snapshot
