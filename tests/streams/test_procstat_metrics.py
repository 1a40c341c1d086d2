"""Invariants 1 to 5, 7, 8 and 9, as far as pure functions go: two snapshots in, shares out."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import astuple, replace
from fractions import Fraction

import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.flink.engine.batch import enrich
from labkit.settings import REPOSITORY
from labkit.streams.procstat import columnar
from labkit.streams.procstat.columns import empty, of_snapshots
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS, CpuUtilization, LastGood, compare, cpu_utilization
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.streams.rules import FORGET_AFTER_MS, Comparison, Verdict
from tests.support.strategies import ANY_TICKS, REAL_TICKS, cpu_times, grown, recordings, snapshots, steps

COLUMNS = CpuTimes._fields[1:9]  # the eight that make up the total; guest and guest_nice are inside
ZERO = CpuTimes("cpu0", 0, 0, 0, 0)
#: Any reading, then one second of a two-core machine: user 30 %, system 10 %, idle 60 %.
START = CpuTimes("cpu0", 4705, 150, 1120, 16250, 520, 3, 17, 5)
SECOND = START._replace(user=START.user + 60, system=START.system + 20, idle=START.idle + 120)


def snapshot(timestamp: int, *cpus: CpuTimes, btime: int = 1_000) -> Snapshot:
    return Snapshot("host", timestamp, cpus, btime=btime)


def named(cpu: CpuTimes, *ids: str) -> tuple[CpuTimes, ...]:
    return tuple(cpu._replace(id=cpu_id) for cpu_id in ids)


def kept(snapshot: Snapshot) -> LastGood:
    """What the next one is compared with."""
    return LastGood(snapshot.timestamp, snapshot.btime, snapshot.cpus)


def ids_of(comparison: Comparison) -> list[str]:
    assert comparison.result is not None
    return [cpu.cpu_id for cpu in comparison.result.cpu_metrics]


def stream(recording: Iterable[Snapshot]) -> Iterator[Comparison]:
    """Each snapshot beside the last good one of its host, as the job keeps them."""
    kept: dict[str, Snapshot] = {}
    for now in recording:
        comparison = compare(kept.get(now.hostname), now)
        kept[now.hostname] = comparison.next_state
        yield comparison


# 1. Shares


def test_a_share_is_the_part_of_the_ticks_that_passed() -> None:
    assert cpu_utilization(START, SECOND) == CpuUtilization("cpu0", 30.0, 0.0, 10.0, 60.0, 0.0, 0.0, 0.0, 0.0, 40.0)


@given(cpu_times(REAL_TICKS), cpu_times(REAL_TICKS))
def test_shares_lie_between_0_and_100_and_sum_to_100(before, after) -> None:
    if shares := cpu_utilization(before, after):
        *parts, busy = astuple(shares)[1:]
        assert all(0 <= share <= 100 for share in (*parts, busy))
        assert math.isclose(sum(parts), 100, rel_tol=0, abs_tol=1e-9)
        assert math.isclose(shares.idle_pct + busy, 100, rel_tol=0, abs_tol=1e-9)


@given(cpu_times(ANY_TICKS), cpu_times(ANY_TICKS))
def test_shares_sum_to_100_even_for_counters_that_jump_by_up_to_2_to_the_63(before, after) -> None:
    if shares := cpu_utilization(before, after):
        *parts, busy = astuple(shares)[1:]
        assert all(0 <= share <= 100 + 1e-9 for share in (*parts, busy))
        assert math.isclose(sum(parts), 100, rel_tol=0, abs_tol=1e-9)


@given(cpu_times(REAL_TICKS), steps)
def test_a_share_is_delta_times_100_divided_by_total_rounded_once(before, ticks) -> None:
    shares = cpu_utilization(before, grown(before, ticks))
    assert shares is not None
    total, idle = sum(ticks[:8]), ticks[3]
    exact = [Fraction(delta * 100, total) for delta in (*ticks[:8], total - idle)]
    assert astuple(shares)[1:] == tuple(map(float, exact))


def test_iowait_is_busy_and_only_idle_is_not() -> None:
    shares = cpu_utilization(ZERO, ZERO._replace(iowait=30, idle=70))
    assert shares is not None
    assert (shares.iowait_pct, shares.idle_pct, shares.total_busy_pct) == (30.0, 70.0, 30.0)


# 2. Guests


@given(cpu_times(REAL_TICKS), cpu_times(REAL_TICKS), st.lists(REAL_TICKS, min_size=4, max_size=4))
def test_guest_time_is_inside_user_and_never_added_twice(before, after, guests) -> None:
    without = cpu_utilization(before, after)
    before = before._replace(guest=guests[0], guest_nice=guests[1])
    after = after._replace(guest=guests[2], guest_nice=guests[3])
    assert cpu_utilization(before, after) == without


# 3. Counters that step back


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in ("user", "idle")])
def test_a_counter_that_steps_back_counts_as_0(column: str) -> None:
    before = ZERO._replace(**{column: 2**63})
    after = ZERO._replace(user=25, idle=75)
    assert cpu_utilization(before, after) == cpu_utilization(ZERO, after)


@pytest.mark.parametrize("fall", [1, 299])
def test_idle_that_falls_by_less_than_300_ticks_counts_as_0(fall: int) -> None:
    shares = cpu_utilization(ZERO._replace(idle=1_000), ZERO._replace(user=50, idle=1_000 - fall))
    assert shares is not None
    assert (shares.user_pct, shares.idle_pct) == (100.0, 0.0)


@pytest.mark.parametrize("fall", [300, 301, 1_000])
def test_a_cpu_whose_idle_falls_by_300_ticks_or_more_starts_over_alone(fall: int) -> None:
    restarted = ZERO._replace(id="cpu1", user=50, idle=1_000 - fall)
    before = snapshot(1_000, *named(START, "cpu", "cpu0"), restarted._replace(user=0, idle=1_000))
    now = snapshot(2_000, *named(SECOND, "cpu", "cpu0"), restarted)
    then = snapshot(3_000, *named(SECOND, "cpu", "cpu0"), restarted._replace(user=60))
    first, second = compare(before, now), compare(now, then)
    assert (first.verdict, ids_of(first)) == (Verdict.GOOD, ["cpu", "cpu0"])
    assert "cpu1" in ids_of(second)


@pytest.mark.parametrize("after", [START, START._replace(user=0), START._replace(guest=7)])
def test_a_cpu_whose_total_is_0_is_left_out_of_that_interval(after: CpuTimes) -> None:
    other, other_later = START._replace(id="cpu1"), SECOND._replace(id="cpu1")
    assert ids_of(compare(snapshot(1_000, START, other), snapshot(2_000, after, other_later))) == ["cpu1"]


def waits(*readings: int) -> list[Snapshot]:
    """Once a second, the iowait of cpu0 as read, beside 100 ticks of user; cpu1 works as it did in `SECOND`."""
    return [
        snapshot(
            second * 1_000,
            ZERO._replace(user=100 * second, iowait=iowait),
            grown(START, [60 * second, 0, 20 * second, 120 * second, 0, 0, 0, 0, 0, 0])._replace(id="cpu1"),
        )
        for second, iowait in enumerate(readings)
    ]


def on_columns(recording: Iterable[Snapshot]) -> list[bytes]:
    """The same recording as one batch: the records that come of it."""
    _, intervals = columnar.compare_all(empty(), of_snapshots(recording))
    return columnar.json_lines(intervals).splitlines()


def waited(recording: list[Snapshot]) -> list[int | None]:
    """New ticks of cpu0's iowait beside 100 of user, in each interval; None where it is not in it. On columns, too."""
    results = [comparison.result for comparison in stream(recording) if comparison.result]
    assert on_columns(recording) == [orjson.dumps(result) for result in results]
    by_name = [{cpu.cpu_id: cpu for cpu in result.cpu_metrics} for result in results]
    found = [cpus.get("cpu0") for cpus in by_name]
    return [None if cpu is None else round(100 * cpu.iowait_pct / cpu.user_pct) for cpu in found]


@pytest.mark.parametrize(
    ("readings", "new"),
    [
        ((100, 90, 100, 110), [0, 0, 10]),
        ((100, 90, 95, 105), [0, 0, 5]),
        ((100, 90, 80, 99, 100, 101), [0, 0, 0, 0, 1]),
        ((100, 0, 100, 200, 150, 210), [0, 0, 100, 0, 10]),
        ((100, 110, 110, 130), [10, 0, 20]),
    ],
)
def test_iowait_that_falls_and_comes_back_is_not_new(readings: tuple[int, ...], new: list[int]) -> None:
    assert waited(waits(*readings)) == new


def test_iowait_that_falls_leaves_the_other_cpus_untouched() -> None:
    usual = cpu_utilization(START, SECOND)
    shares = [one.result.cpu_metrics[1] for one in stream(waits(100, 90, 100, 110)) if one.result]
    assert {replace(share, cpu_id="cpu0") for share in shares} == {usual}


def test_only_of_iowait_the_highest_is_kept() -> None:
    for column in COLUMNS:
        first, low, back = (
            snapshot(at, ZERO._replace(**{column: ticks})) for at, ticks in ((1, 100), (2, 90), (3, 97))
        )
        kept_of = compare(compare(first, low).next_state, back).next_state.cpus[0]
        assert getattr(kept_of, column) == (100 if column == "iowait" else 97), column


def test_iowait_of_a_rejected_snapshot_does_not_raise_the_highest() -> None:
    first, second, third, fourth = waits(100, 90, 105, 108)
    late = replace(first, cpus=(first.cpus[0]._replace(iowait=5_000), first.cpus[1]))
    assert waited([first, second, late, second, late, third, fourth]) == [0, 5, 3]


@pytest.mark.parametrize("fall", [300, 5_000])
def test_a_cpu_that_starts_over_begins_with_the_iowait_that_it_has_then(fall: int) -> None:
    recording = waits(400, 350, 10, 25)
    idle = [fall, fall, 0, 0]
    recording = [
        replace(one, cpus=(one.cpus[0]._replace(idle=ticks), one.cpus[1]))
        for one, ticks in zip(recording, idle, strict=True)
    ]
    assert waited(recording) == [0, None, 15]


def test_after_a_reboot_a_long_silence_or_its_own_absence_iowait_begins_anew() -> None:
    before, low, now, after = waits(400, 350, 10, 25)
    rebooted = [before, low, replace(now, btime=5_000), replace(after, btime=5_000)]
    later = FORGET_AFTER_MS + 60_000
    silent = [before, low, replace(now, timestamp=later), replace(after, timestamp=later + 1_000)]
    assert waited(rebooted) == waited(silent) == [0, 15]
    away = [before, low, replace(low, timestamp=1_500, cpus=low.cpus[1:]), now, after]
    assert waited(away) == [0, None, None, 15]


def test_a_clock_adjustment_keeps_the_highest_iowait() -> None:
    recording = [replace(one, btime=1_000 + second % 2) for second, one in enumerate(waits(100, 90, 100, 110))]
    assert waited(recording) == [0, 0, 10]


@given(st.lists(st.integers(0, 50), min_size=2, max_size=12))
def test_new_iowait_adds_up_to_what_was_reached_above_the_first_reading(readings: list[int]) -> None:
    assert sum(new or 0 for new in waited(waits(*readings))) == max(readings) - readings[0]


@pytest.mark.parametrize("saved", ["columns", "last_good"])
def test_state_that_was_saved_before_the_highest_was_kept_is_gone_on_from(saved: str) -> None:
    """It was read as 100, then 90; the 90 was kept."""
    state = pickle.loads((REPOSITORY / "tests" / "fixtures" / "host_state" / f"{saved}.pickle").read_bytes())
    cpus = tuple(CpuTimes(name, 300, 0, 0, 1_300, 95) for name in ("cpu", "cpu0"))
    now = Snapshot("web", 1_764_000_003_000, cpus, btime=1_763_000_000)
    if saved == "columns":
        _, intervals = enrich(columnar, state, of_snapshots([now]), 1_764_000_003.0, 60)
        (metrics,) = (orjson.loads(line) for line in columnar.json_lines(intervals).splitlines())
    else:
        metrics = orjson.loads(orjson.dumps(compare(state, now).result))
    assert metrics["time_delta_ms"] == 1_000
    assert [cpu["iowait_pct"] for cpu in metrics["cpu_metrics"]] == [100 * 5 / 205] * 2


# 4. Reboots


@pytest.mark.parametrize("moved", [-1, 0, 1])
def test_btime_that_moves_by_a_second_is_a_clock_adjustment(moved: int) -> None:
    now = snapshot(2_000, SECOND, btime=1_000 + moved)
    assert compare(snapshot(1_000, START), now).verdict is Verdict.GOOD


@pytest.mark.parametrize("moved", [-5_000, -2, 2, 5_000])
@pytest.mark.parametrize("timestamp", [500, 1_000, 2_000])
def test_btime_that_moves_by_more_is_a_reboot_even_at_an_older_time(moved: int, timestamp: int) -> None:
    before, now = snapshot(1_000, START), snapshot(timestamp, ZERO, btime=1_000 + moved)
    assert compare(before, now) == Comparison(Verdict.REBOOT, kept(now), None)
    after = compare(now, snapshot(timestamp + 700, ZERO._replace(idle=70), btime=now.btime))
    assert after.result is not None
    assert after.result.time_delta_ms == 700


# 5. CPUs are names


@given(snapshots(timestamp=1_000), steps, st.randoms(use_true_random=False))
def test_cpus_are_matched_by_name_and_stay_in_the_order_of_the_new_snapshot(before, ticks, random) -> None:
    grown_by = {cpu.id: [tick * place for tick in ticks] for place, cpu in enumerate(before.cpus, start=1)}
    cpus = [grown(cpu, grown_by[cpu.id]) for cpu in before.cpus]
    random.shuffle(cpus)
    now = replace(before, timestamp=2_000, cpus=tuple(cpus))
    metrics = compare(before, now).result
    assert metrics is not None
    alone = {cpu.id: cpu_utilization(ZERO, CpuTimes(cpu.id, *grown_by[cpu.id])) for cpu in cpus}
    assert metrics.cpu_metrics == tuple(alone[cpu.id] for cpu in cpus)


def test_a_cpu_that_disappears_and_comes_back_leaves_the_others_untouched() -> None:
    online = [("cpu", "cpu0", "cpu1", "cpu2"), ("cpu", "cpu0", "cpu2"), ("cpu", "cpu0", "cpu1", "cpu2")]
    cpu, recording = START, []
    for second, ids in enumerate((*online, online[-1])):
        recording.append(snapshot(second * 1_000, *named(cpu, *ids)))
        cpu = grown(cpu, [60, 0, 20, 120, 0, 0, 0, 0, 0, 0])
    gone, back, after = list(stream(recording))[1:]
    assert ids_of(gone) == ids_of(back) == ["cpu", "cpu0", "cpu2"]
    assert ids_of(after) == ["cpu", "cpu0", "cpu1", "cpu2"]
    usual = cpu_utilization(START, SECOND)
    for comparison in (gone, back, after):
        assert {replace(share, cpu_id="cpu0") for share in comparison.result.cpu_metrics} == {usual}


# 7. What is emitted, and what is not


@given(snapshots())
def test_the_first_snapshot_of_a_host_emits_nothing(first) -> None:
    assert compare(None, first) == Comparison(Verdict.FIRST, kept(first), None)


@pytest.mark.parametrize("timestamp", [1_000, 999, 0])
def test_a_repeated_or_older_snapshot_is_rejected_and_the_next_is_compared_with_the_last_good(
    timestamp: int,
) -> None:
    good, late = snapshot(1_000, START), snapshot(timestamp, SECOND._replace(user=9_999))
    rejected = compare(good, late)
    assert rejected == Comparison(Verdict.REJECTED, good, None)
    now = snapshot(1_001, SECOND)
    assert compare(rejected.next_state, now) == compare(good, now)
    assert compare(good, now).result.time_delta_ms == 1


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-1, 1)), min_size=1, max_size=12))
def test_intervals_follow_each_other_and_never_overlap(readings) -> None:
    comparisons = list(stream(snapshot(time, START, btime=1_000 + moved) for time, moved in readings))
    end = None
    for comparison in comparisons:
        if comparison.verdict in (Verdict.FIRST, Verdict.REBOOT):
            end = comparison.next_state.timestamp
        elif comparison.verdict is Verdict.GOOD:
            assert comparison.result.timestamp - comparison.result.time_delta_ms == end
            end = comparison.result.timestamp
            assert comparison.result.time_delta_ms > 0
        else:
            assert comparison.result is None


# 8. Pauses


@pytest.mark.parametrize("pause_ms", [1, 1_000, 3_600_000])
def test_an_interval_across_a_pause_has_its_true_time_delta_ms(pause_ms: int) -> None:
    metrics = compare(snapshot(1_000, START), snapshot(1_000 + pause_ms, SECOND)).result
    assert metrics is not None
    assert (metrics.timestamp, metrics.time_delta_ms) == (1_000 + pause_ms, pause_ms)


@pytest.mark.parametrize("pause_ms", [FORGET_AFTER_MS - 86_400_000, FORGET_AFTER_MS])
def test_a_host_that_was_silent_for_up_to_30_days_goes_on(pause_ms: int) -> None:
    assert FORGET_AFTER_MS == 30 * 24 * 3600 * 1000
    metrics = compare(snapshot(1_000, START), snapshot(1_000 + pause_ms, SECOND)).result
    assert metrics is not None
    assert metrics.time_delta_ms == pause_ms


def test_a_host_that_was_silent_for_longer_is_a_new_one() -> None:
    now = snapshot(1_000 + FORGET_AFTER_MS + 1, SECOND)
    assert compare(snapshot(1_000, START), now) == Comparison(Verdict.FIRST, kept(now), None)


# 9. The same by another way


def by_pandas(recording: list[Snapshot]) -> list[dict]:
    """The records of a recording in the order of its times, calculated column by column over all of it."""
    readings = pd.DataFrame(
        [(now.hostname, now.timestamp, now.btime) for now in recording], columns=["hostname", "timestamp", "btime"]
    )
    of_host = readings.groupby("hostname")
    readings["number"] = of_host.cumcount()
    readings["time_delta_ms"] = of_host["timestamp"].diff().where(of_host["btime"].diff().abs() <= 1)
    cpus = pd.DataFrame(
        {"reading": reading, "hostname": now.hostname, **cpu._asdict()}
        for reading, now in enumerate(recording)
        for cpu in now.cpus
    ).join(readings[["number", "time_delta_ms"]], on="reading")
    of_cpu = cpus.groupby(["hostname", "id"])
    begins = cpus["time_delta_ms"].isna() | (of_cpu["number"].diff() != 1) | (of_cpu["idle"].diff() <= -300)
    cpus["run"] = begins.groupby([cpus["hostname"], cpus["id"]]).cumsum()
    of_run = ["hostname", "id", "run"]
    cpus["iowait"] = cpus.groupby(of_run)["iowait"].cummax()
    ticks = cpus.groupby(of_run)[list(COLUMNS)].diff().clip(lower=0)
    total = ticks.sum(axis=1)
    shares = ticks.mul(100.0).div(total, axis=0).add_suffix("_pct")
    shares.insert(0, "cpu_id", cpus["id"])
    shares["total_busy_pct"] = (total - ticks["idle"]).mul(100.0).div(total)
    measured = {reading: tuple(rows.to_dict("records")) for reading, rows in shares[total > 0].groupby(cpus["reading"])}
    return [
        {
            "hostname": reading.hostname,
            "timestamp": reading.timestamp,
            "time_delta_ms": reading.time_delta_ms,
            "cpu_metrics": measured.get(reading.Index, ()),
        }
        for reading in readings.dropna().itertuples()
    ]


@st.composite
def unsteady(draw: st.DrawFn) -> list[Snapshot]:
    """Two hosts whose clocks go forward, and nothing else is certain: counters fall, CPUs go, hosts start anew."""
    recording = []
    for place in range(draw(st.integers(2, 15))):
        ids = draw(st.lists(st.sampled_from(["cpu", "cpu0", "cpu1"]), unique=True, min_size=1))
        ticks = [draw(st.lists(st.integers(0, 400), min_size=10, max_size=10)) for _ in ids]
        cpus = tuple(CpuTimes(cpu_id, *counters) for cpu_id, counters in zip(ids, ticks, strict=True))
        btime = draw(st.sampled_from([1_000] * 6 + [1_001, 1_002]))
        recording.append(Snapshot(draw(st.sampled_from(["a", "b"])), place * 500, cpus, btime=btime))
    return recording


@settings(max_examples=100)
@given(recordings() | unsteady())
def test_the_result_equals_a_plain_pandas_calculation_record_for_record(recording) -> None:
    records = [got.result.as_record() for got in stream(recording) if got.result]
    assert records == by_pandas(recording)
    assert on_columns(recording) == [orjson.dumps(record) for record in records]
    for record in records:
        for cpu in record["cpu_metrics"]:
            assert all(0 <= cpu[name] <= 100 for name in UTILIZATION_COLUMNS)
            assert math.isclose(sum(cpu[name] for name in UTILIZATION_COLUMNS[:-1]), 100, rel_tol=0, abs_tol=1e-9)
        assert all(tuple(cpu) == ("cpu_id", *UTILIZATION_COLUMNS) for cpu in record["cpu_metrics"])
