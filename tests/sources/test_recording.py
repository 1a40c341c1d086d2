"""A recording is text that anybody can read; what is replayed is what was recorded, at any speed."""

from __future__ import annotations

import gzip
import json
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import BadInput
from labkit.settings import REPOSITORY
from labkit.sources.live import live_readings, live_snapshots
from labkit.sources.recording import Reading, ReplaySource, read_recording, write_recording
from labkit.streams.procstat.snapshot import parse_stat
from tests.support.feeds import shares_by_pandas

RECORDINGS = REPOSITORY / "labkit" / "recordings"
STAT = (REPOSITORY / "tests" / "fixtures" / "proc_stat" / "linux_6_18_2_cpus.txt").read_text()
READINGS = [Reading(1_764_000_000_000 + 1000 * second, "a host", STAT) for second in range(3)]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "three.gz"
    assert write_recording(path, READINGS) == 3
    return path


def test_a_recording_is_proc_stat_as_read_below_a_line_with_time_and_host(recording: Path) -> None:
    text = gzip.decompress(recording.read_bytes()).decode()
    assert text == "".join(f"# {timestamp} a host\n{STAT}" for timestamp, _, _ in READINGS)
    assert list(read_recording(recording)) == READINGS


def test_the_same_readings_make_the_same_file(recording: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.gz"
    write_recording(again, READINGS)
    assert again.read_bytes() == recording.read_bytes()


@given(st.lists(st.tuples(st.integers(0, 10**13), st.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True))))
def test_whatever_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, heads) -> None:
    path = tmp_path_factory.mktemp("recording") / "any.gz"
    readings = [Reading(timestamp, host, STAT) for timestamp, host in heads]
    assert write_recording(path, readings) == len(readings)
    assert list(read_recording(path)) == readings


def test_a_replay_gives_the_snapshots_exactly_as_they_were(recording: Path) -> None:
    assert list(ReplaySource(recording)) == [parse_stat(text, host, time_ms) for time_ms, host, text in READINGS]


def test_shifted_to_now_the_intervals_stay_and_btime_moves_along(recording: Path) -> None:
    before = time.time()
    shifted, plain = list(ReplaySource(recording, as_now=True)), list(ReplaySource(recording))
    shift_ms = shifted[0].timestamp - plain[0].timestamp
    assert {now.timestamp - then.timestamp for now, then in zip(shifted, plain, strict=True)} == {shift_ms}
    assert {now.btime - then.btime for now, then in zip(shifted, plain, strict=True)} == {shift_ms / 1000}
    assert abs(shifted[0].timestamp / 1000 - before) < 5
    assert [now.cpus for now in shifted] == [then.cpus for then in plain]


def test_at_ten_times_the_speed_two_seconds_take_a_fifth_of_a_second_at_least(recording: Path) -> None:
    begin = time.monotonic()
    assert len(list(ReplaySource(recording, speed=10))) == 3
    assert time.monotonic() - begin >= 0.2


def test_a_replay_ends_when_it_is_told_to(recording: Path) -> None:
    stop = threading.Event()
    source = iter(ReplaySource(recording, speed=0.001, stop=stop))
    next(source)
    threading.Timer(0.1, stop.set).start()
    assert list(source) == []


def test_what_is_recorded_live_is_what_a_live_source_would_have_given(tmp_path: Path) -> None:
    path = tmp_path / "live.gz"
    assert write_recording(path, live_readings("here", 0.05, threading.Event(), limit_s=0.2)) == 5
    replayed = list(ReplaySource(path))
    live = next(iter(live_snapshots("here", 1, threading.Event())))
    assert [snapshot.hostname for snapshot in replayed] == ["here"] * 5
    assert [cpu.id for cpu in replayed[0].cpus] == [cpu.id for cpu in live.cpus]
    assert all(one.timestamp < two.timestamp for one, two in pairwise(replayed))


def test_a_file_that_is_there_is_never_written_over(recording: Path, tmp_path: Path) -> None:
    before = recording.read_bytes()
    with pytest.raises(BadInput, match=r"is there already; nothing was written"):
        write_recording(recording, READINGS)
    assert recording.read_bytes() == before
    with pytest.raises(BadInput, match="cannot be written"):
        write_recording(tmp_path / "no" / "folder.gz", READINGS)


def packed(text: str) -> bytes:
    return gzip.compress(text.encode())


WRONG = {
    "no such file": (None, "cannot be read"),
    "not packed": (b"# 1 host\ncpu 1 2 3 4\n", "no whole gzip file"),
    "cut off": (packed(f"# 1 host\n{STAT}" * 50)[:-40], "no whole gzip file"),
    "not text": (gzip.compress(b"# 1 host\n\xff\xfe\n"), "no whole gzip file of text"),
    "empty": (packed(""), "has no reading"),
    "no head": (packed(STAT), "line 1: a recording has `# time_ms hostname`"),
    "a head without a host": (packed(f"# 1764000000000\n{STAT}"), "line 1"),
    "a garbled reading": (packed(f"# 1 host\n{STAT}# 2 host\ncpu 1 x 3 4\nbtime 1\n"), "reading 2: /proc/stat line 1"),
    "a last line that is cut off": (packed(f"# 1 host\n{STAT[:-4]}"), "line"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_recording_is_one_sentence_that_names_file_and_place(name: str, tmp_path: Path) -> None:
    content, words = WRONG[name]
    path = tmp_path / "wrong.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        list(ReplaySource(path))
    assert words in caught.value.what
    assert str(path) in caught.value.what
    assert "\n" not in str(caught.value)


def test_the_real_recording_is_what_its_side_file_says_and_nothing_else_happens_in_it() -> None:
    file = RECORDINGS / "two_cpus.gz"
    about = json.loads(file.with_suffix(".json").read_text())
    snapshots = list(ReplaySource(file))
    assert {snapshot.hostname for snapshot in snapshots} == {about["hostname"]}
    assert (len(snapshots), snapshots[0].timestamp) == (about["readings"], about["first_ms"])
    steps = {after.timestamp - before.timestamp for before, after in pairwise(snapshots)}
    assert all(abs(step - about["interval_s"] * 1000) < 50 for step in steps)
    assert all([cpu.id for cpu in snapshot.cpus] == about["cpus"] for snapshot in snapshots)
    shares = shares_by_pandas(snapshots)
    for cpu_id in about["cpus"][1:]:
        quiet = shares[shares["cpu_id"] == cpu_id]
        for burn in about["burns"]:
            mine = burn["cpu_id"] == cpu_id
            inside = (quiet["ts"] > burn["from_ms"] - 2000) & (quiet["ts"] <= burn["until_ms"] + 3000)
            quiet = quiet[~(inside & mine)]
        assert len(quiet) > 400
        assert quiet["total_busy_pct"].mean() < 5, "something else kept the CPU busy"
