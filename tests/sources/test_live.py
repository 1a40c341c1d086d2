"""Live snapshots come on a fixed grid, end when they should, and can be read from a file as well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice, repeat
from pathlib import Path

import pytest
from typer.testing import CliRunner

import labkit.sources.live
from labkit.cli.main import app
from labkit.errors import BadInput
from labkit.sources.live import live_snapshots, read_snapshot, read_text
from labkit.sources.recording import read_recording
from labkit.streams.procstat.snapshot import Snapshot, parse_stat
from labkit.streams.procstat.stream import PROCSTAT

FIXTURE = Path(__file__).parents[1] / "fixtures" / "proc_stat" / "linux_6_18_2_cpus.txt"
INTERVAL_S = 0.05
GOES_ON = threading.Event()


def live(
    limit_s: float | None = None, stop: threading.Event = GOES_ON, interval_s: float = INTERVAL_S
) -> Iterator[Snapshot]:
    return live_snapshots("host", interval_s, stop, limit_s, replace(PROCSTAT, reads=str(FIXTURE)))


def test_the_kernel_of_this_machine_is_read_with_the_time_of_now() -> None:
    before = time.time() * 1000
    snapshot = read_snapshot("host")
    assert (snapshot.hostname, snapshot.cpus[0].id) == ("host", "cpu")
    assert before - 1 <= snapshot.timestamp <= time.time() * 1000
    assert f"btime {snapshot.btime}" in Path("/proc/stat").read_text()


def test_a_file_can_take_the_place_of_proc_stat() -> None:
    (snapshot,) = islice(live(), 1)
    assert snapshot == parse_stat(FIXTURE.read_text(), "host", snapshot.timestamp)


def test_a_system_without_proc_stat_is_told_so_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        next(iter(live_snapshots("host", 1, GOES_ON, stream=replace(PROCSTAT, reads=str(tmp_path / "stat")))))
    assert str(tmp_path / "stat") in str(caught.value)
    assert "this is Linux, so a container may hide it" in str(caught.value)
    assert "\n" not in str(caught.value)


class Clock(threading.Event):
    """The clock of `labkit.sources.live`, and the event that is waited on: time passes where it is told to.

    However busy the machine is, the timestamps are the same to the millisecond.
    """

    def __init__(self, late_s: float = 0) -> None:
        super().__init__()
        self.ns = 0
        self.late_s = late_s
        self.waits: list[float] = []

    def time_ns(self) -> int:
        """Half a millisecond beside the whole ones, so that a rounded fraction changes no timestamp."""
        return 1_700_000_000_000_500_000 + self.ns

    def monotonic(self) -> float:
        return self.ns / 1e9

    def sleep(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)

    def wait(self, timeout: float | None = None) -> bool:
        """Wakes up `late_s` too late from the second wait, as on a busy machine."""
        assert timeout is not None
        self.waits.append(timeout)
        self.sleep(timeout + (self.late_s if len(self.waits) == 2 else 0))
        return self.is_set()


def ticks(monkeypatch: pytest.MonkeyPatch, clock: Clock, limit_s: float, work_s: Iterable[float]) -> list[int]:
    """Milliseconds from the first reading to each; between them there is work for as long as `work_s` says."""
    monkeypatch.setattr(labkit.sources.live, "time", clock)
    stamps = []
    for snapshot, seconds in zip(live(limit_s, clock), work_s, strict=False):
        stamps.append(snapshot.timestamp)
        clock.sleep(seconds)
    return [stamp - stamps[0] for stamp in stamps]


@pytest.mark.parametrize("work_ms", [0, 1, 25, 49])
def test_ticks_do_not_drift_however_long_the_work_between_them_takes(
    monkeypatch: pytest.MonkeyPatch, work_ms: int
) -> None:
    assert ticks(monkeypatch, Clock(), 1.0, repeat(work_ms / 1000)) == list(range(0, 1001, 50))


def test_ticks_that_were_missed_are_not_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    work_s = chain([0, 0.52], repeat(0))
    assert ticks(monkeypatch, Clock(), 0.8, work_s) == [0, 50, *range(600, 801, 50)]


def test_after_a_tick_that_came_late_the_next_one_waits_for_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen on a busy machine: two readings in one millisecond, of which the second was rejected as a repetition."""
    clock = Clock(late_s=0.075)
    assert ticks(monkeypatch, clock, 0.4, repeat(0)) == [0, 50, 175, *range(200, 401, 50)]
    assert all(wait > 0 for wait in clock.waits)


@pytest.mark.parametrize(("limit_s", "expected"), [(0.005, [0]), (0.225, [0, 50, 100, 150, 200])])
def test_nothing_comes_after_the_limit(monkeypatch: pytest.MonkeyPatch, limit_s: float, expected: list[int]) -> None:
    clock = Clock()
    begin = clock.monotonic()
    assert ticks(monkeypatch, clock, limit_s, repeat(0)) == expected
    assert clock.monotonic() - begin <= limit_s, "it does not wait for a tick that will not come"


def test_the_grid_holds_on_the_real_clock() -> None:
    """As many as the machine lets through, each at a time of its own, none before its place on the grid."""
    begin = time.time_ns() // 1_000_000
    stamps = [snapshot.timestamp for snapshot in live(limit_s=10 * INTERVAL_S)]
    assert 1 <= len(stamps) <= 11
    assert stamps == sorted(set(stamps))
    assert all(stamp >= begin + place * INTERVAL_S * 1000 - 2 for place, stamp in enumerate(stamps))


def test_the_event_ends_it_at_once_even_in_a_long_interval() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    begin = time.monotonic()
    assert len(list(live(stop=stop, interval_s=3600))) == 1
    assert time.monotonic() - begin < 2


def test_nothing_comes_where_the_event_is_set_before() -> None:
    stop = threading.Event()
    stop.set()
    assert list(live(stop=stop)) == []


def test_a_reading_that_cannot_be_read_is_left_out_said_once_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "stat"
    good = FIXTURE.read_text()
    texts = [good, "cpu  1 2 3 4\n", "cpu  1 2 3 4\n", good + "procs_blocked 18446744073709551615\n", good]

    def written(*_: object) -> Iterator[None]:
        for text in texts:
            file.write_text(text)
            yield

    monkeypatch.setattr(labkit.sources.live, "ticks", written)
    said: list[str] = []
    source = live_snapshots("host", 1, GOES_ON, stream=replace(PROCSTAT, reads=str(file)), say=said.append)
    assert [snapshot.procs_blocked for snapshot in source] == [0, 2**63 - 1, 0]
    assert said[0].endswith(": there is no btime line. This reading is left out.")
    assert said[1].endswith("procs_blocked counts as 2**63 - 1 there.")
    assert said[2:] == ["2 readings were left out; in 1 something was passed over."]


def refuse(file: Path) -> None:
    """Whoever reads it now gets an error; root may read what nobody may."""
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("spoil", [lambda file: file.write_text(""), Path.unlink, refuse])
def test_a_file_that_is_empty_away_or_refused_for_some_readings_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object]
) -> None:
    file = tmp_path / "stat"

    def written(*_: object) -> Iterator[None]:
        for is_there in (True, False, False, True):
            if file.is_dir():
                file.rmdir()
            file.write_text(FIXTURE.read_text())
            if not is_there:
                spoil(file)
            yield

    monkeypatch.setattr(labkit.sources.live, "ticks", written)
    said: list[str] = []
    source = live_snapshots("host", 1, GOES_ON, stream=replace(PROCSTAT, reads=str(file)), say=said.append)
    assert len(list(source)) == 2
    assert str(file) in said[0]
    assert said[0].endswith("This reading is left out.")
    assert said[1:] == ["2 readings were left out; in 0 something was passed over."]


def test_a_recording_leaves_out_a_reading_that_cannot_be_had_and_is_not_begun_without_a_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = read_text("host")
    refused = BadInput("/proc/stat is empty.", "Look at it.")

    def read(*_: object) -> object:
        if isinstance(found := next(readings), BadInput):
            raise found
        return found

    monkeypatch.setattr(labkit.sources.live, "ticks", lambda *_: range(4))
    monkeypatch.setattr(labkit.sources.live, "read_text", read)
    readings = iter([now, refused, refused, now])
    done = CliRunner().invoke(app, ["record", str(tmp_path / "mine.gz")])
    assert done.exit_code == 0
    assert list(read_recording(tmp_path / "mine.gz")) == [now, now]
    assert "\n2 readings are in " in done.stdout
    assert "/proc/stat is empty. This reading is left out.\n2 readings were left out; in 0 something" in done.stderr
    readings = iter([refused])
    done = CliRunner().invoke(app, ["record", str(tmp_path / "none.gz")])
    assert done.exception is refused
    assert [file.name for file in tmp_path.iterdir()] == ["mine.gz"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.mkdir, r"is there and cannot be read: Is a directory\. Type: ls -l "),
        (Path.touch, "is empty: this container hides .* Ask whoever runs this container"),
        (lambda _: None, "this is Linux, so a container may hide it. Ask whoever runs this container"),
    ],
)
def test_what_is_so_is_said_where_the_file_cannot_be_read(tmp_path: Path, make, words: str) -> None:
    make(tmp_path / "stat")
    with pytest.raises(BadInput, match=words):
        read_snapshot("host", replace(PROCSTAT, reads=str(tmp_path / "stat")))


def test_another_system_is_told_where_the_lab_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(BadInput, match=r"only Linux has it\. Run the lab on Linux, WSL2 included"):
        read_snapshot("host", replace(PROCSTAT, reads=str(tmp_path / "stat")))
