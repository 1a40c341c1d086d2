"""Live snapshots come on a fixed grid, end when they should, and can be read from a file as well."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from labkit.errors import BadInput
from labkit.procfs import Snapshot, parse_stat
from labkit.sources import PROC_STAT, live_snapshots, read_snapshot

FIXTURE = Path(__file__).parents[1] / "fixtures" / "proc_stat" / "linux_6_18_2_cpus.txt"
INTERVAL_S = 0.05
GOES_ON = threading.Event()


def live(
    limit_s: float | None = None, stop: threading.Event = GOES_ON, interval_s: float = INTERVAL_S
) -> Iterator[Snapshot]:
    return live_snapshots("host", interval_s, stop, limit_s, FIXTURE)


def lateness_ms(snapshots: list[Snapshot]) -> list[float]:
    """How far each timestamp is from the nearest place on the grid of the first."""
    grid_ms = INTERVAL_S * 1000
    since = [snapshot.timestamp - snapshots[0].timestamp for snapshot in snapshots]
    return [abs(ms - round(ms / grid_ms) * grid_ms) for ms in since]


def test_the_kernel_of_this_machine_is_read_with_the_time_of_now() -> None:
    before = time.time() * 1000
    snapshot = read_snapshot("host")
    assert (snapshot.hostname, snapshot.cpus[0].id) == ("host", "cpu")
    assert before - 1 <= snapshot.timestamp <= time.time() * 1000
    assert f"btime {snapshot.btime}" in PROC_STAT.read_text()


def test_a_file_can_take_the_place_of_proc_stat() -> None:
    (snapshot,) = islice(live(), 1)
    assert snapshot == parse_stat(FIXTURE.read_text(), "host", snapshot.timestamp)


def test_a_system_without_proc_stat_is_told_so_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        next(iter(live_snapshots("host", 1, GOES_ON, path=tmp_path / "stat")))
    assert str(tmp_path / "stat") in str(caught.value)
    assert "docker compose" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ticks_do_not_drift_however_long_the_work_between_them_takes() -> None:
    snapshots = []
    for snapshot in live(limit_s=1.0):
        snapshots.append(snapshot)
        time.sleep(INTERVAL_S / 2)
    assert 17 <= len(snapshots) <= 21, "1 s has 21 places on the grid, 14 where ticks drift"
    assert statistics.median(lateness_ms(snapshots)) < 8


def test_ticks_that_were_missed_are_not_made_up_for() -> None:
    snapshots = []
    for snapshot in live(limit_s=0.8):
        snapshots.append(snapshot)
        if len(snapshots) == 2:
            time.sleep(0.5)
    assert len(snapshots) <= 9, "0.8 s has 17 places on the grid, half a second was slept through"
    assert statistics.median(lateness_ms(snapshots)) < 8


class Sleepy(threading.Event):
    """Wakes up late, as on a busy machine: after two intervals and a half instead of one."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        return super().wait(timeout + (1.5 * INTERVAL_S if len(self.waits) == 2 else 0))


def test_after_a_tick_that_came_late_the_next_one_waits_for_its_own_time() -> None:
    """Seen on a busy machine: two readings in one millisecond, of which the second was rejected as a repetition."""
    stop = Sleepy()
    stamps = [snapshot.timestamp for snapshot in live(limit_s=10 * INTERVAL_S, stop=stop)]
    assert all(wait > 0 for wait in stop.waits)
    assert stamps == sorted(set(stamps))
    assert len(stamps) <= 10, "10 intervals have 11 places, one of which was slept through"


@pytest.mark.parametrize("limit_s", [INTERVAL_S / 10, 4.5 * INTERVAL_S])
def test_nothing_comes_after_the_limit(limit_s: float) -> None:
    begin = time.monotonic()
    places = 1 + int(limit_s / INTERVAL_S)
    assert 1 <= len(list(live(limit_s))) <= places
    assert time.monotonic() - begin < limit_s + 0.5


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
