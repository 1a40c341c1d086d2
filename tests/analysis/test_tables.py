"""The numbers of `labkit.analysis.tables`, beside the same numbers worked out another way."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from labkit.analysis.tables import busiest_cpu, coarsen, gaps, grid, one_host, summary
from labkit.errors import BadInput, LabkitError
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS

START = pd.Timestamp("2025-11-22T13:00:00Z")
STEADY = [(second, 1) for second in range(1, 11)]


def rows(spans: list[tuple[float, float]], cpus: int = 2, host: str = "web-1") -> pd.DataFrame:
    """Intervals that ended so many seconds after START and lasted so many -> rows with random shares."""
    random = np.random.default_rng(len(spans))
    records = []
    for end, length in spans:
        for cpu_id in ["cpu", *(f"cpu{number}" for number in range(cpus))]:
            ticks = random.integers(0, 50, 8)
            shares = [float(tick * 100.0 / ticks.sum()) for tick in ticks]
            busy = float((ticks.sum() - ticks[3]) * 100.0 / ticks.sum())
            ts = START + pd.Timedelta(seconds=end)
            records.append([host, ts, int(length * 1000), cpu_id, *shares, busy])
    return pd.DataFrame(records, columns=["hostname", "ts", "time_delta_ms", "cpu_id", *UTILIZATION_COLUMNS])


def seconds(moments: pd.Series | pd.Index) -> list[float]:
    return [(moment - START).total_seconds() for moment in moments]


def test_the_summary_is_what_sql_says() -> None:
    frame = pd.concat([rows([(1, 1), (11, 10), (12, 1)], cpus=11), rows(STEADY, host="db-1")])
    expected = duckdb.sql("""
        SELECT hostname, cpu_id, count(*) AS intervals,
               sum(total_busy_pct * time_delta_ms) / sum(time_delta_ms) AS mean_busy_pct,
               max(total_busy_pct) AS peak_busy_pct, epoch_ms(arg_max(ts, total_busy_pct)) AS peak_ms
        FROM frame GROUP BY hostname, cpu_id
        ORDER BY hostname, any_value(try_cast(substr(cpu_id, 4) AS INTEGER)) NULLS FIRST
    """).fetchall()
    result = summary(frame)
    found = result.assign(peak_ms=result.pop("peak_at").astype("int64") // 1_000_000).to_numpy().tolist()
    assert [row[:3] + row[4:] for row in found] == [[*row[:3], *row[4:]] for row in expected]
    assert [row[3] for row in found] == pytest.approx([row[3] for row in expected])


def test_an_interval_ten_times_as_long_counts_ten_times() -> None:
    frame = rows([(1, 1), (11, 10)], cpus=1)
    frame["total_busy_pct"] = np.where(frame["time_delta_ms"] == 10_000, 90.0, 2.0)
    assert list(summary(frame)["mean_busy_pct"]) == pytest.approx([82.0, 82.0])


def test_the_busiest_cpu_is_never_the_total_line() -> None:
    frame = rows(STEADY, cpus=3)
    frame["total_busy_pct"] = frame["cpu_id"].map({"cpu": 99.0, "cpu0": 10.0, "cpu1": 50.0, "cpu2": 20.0})
    assert busiest_cpu(frame)[["hostname", "cpu_id", "mean_busy_pct"]].tolist() == ["web-1", "cpu1", 50.0]


def test_steady_intervals_have_no_gap() -> None:
    assert gaps(rows(STEADY)).empty
    assert gaps(rows([(1, 1)])).empty


def test_time_that_no_interval_covers_is_a_gap() -> None:
    pauses = gaps(rows([(1, 1), (2, 1), (182, 1), (183, 1)]))
    assert (seconds(pauses["start"]), seconds(pauses["end"])) == ([2], [181])


def test_an_interval_much_longer_than_usual_is_a_gap() -> None:
    pauses = gaps(rows([*STEADY, (13, 3), (14, 1), (194, 180), (195, 1)]))
    assert (seconds(pauses["start"]), seconds(pauses["end"])) == ([14], [194])


def test_the_order_of_rows_does_not_matter_to_gaps_and_grid() -> None:
    frame = rows([(1, 1), (2, 1), (182, 1), (183, 1)])
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(gaps(shuffled), gaps(frame))
    pd.testing.assert_frame_equal(grid(shuffled), grid(frame))


def test_the_grid_holds_each_number_in_its_place_and_nan_in_a_pause() -> None:
    frame = rows([*STEADY, (190, 180), (191, 1), (201, 1)], cpus=11)
    matrix = grid(frame, "user_pct")
    assert list(matrix) == ["cpu", *(f"cpu{number}" for number in range(11))]
    assert seconds(matrix.index.left) == [*range(10), 10, 190, 191, 200]
    assert seconds(matrix.index.right) == [*range(1, 11), 190, 191, 200, 201]
    assert list(matrix.isna().all(axis=1)) == [*[False] * 10, True, False, True, False]
    for row in frame[frame["time_delta_ms"] == 1000].itertuples():
        assert matrix.loc[row.ts, row.cpu_id] == row.user_pct


def test_a_cpu_left_out_of_an_interval_is_nan_there_alone() -> None:
    frame = rows(STEADY)
    left_out = (frame["cpu_id"] == "cpu1") & (frame["ts"] == START + pd.Timedelta(seconds=4))
    matrix = grid(frame[~left_out])
    assert matrix.isna().sum().to_dict() == {"cpu": 0, "cpu0": 0, "cpu1": 1}
    assert matrix["cpu1"].isna().iloc[3]


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_times_without_a_zone_are_utc_and_other_zones_the_same_moment(zone: str | None) -> None:
    frame = rows([(1, 1), (2, 1), (9, 1)])
    other = frame.assign(ts=frame["ts"].dt.tz_convert(zone))
    pd.testing.assert_frame_equal(grid(other), grid(frame))
    pd.testing.assert_frame_equal(summary(other), summary(frame))


def test_a_coarser_grid_keeps_means_pauses_and_edges() -> None:
    matrix = grid(rows([(second, 1) for second in (*range(1, 61), *range(100, 161))]))
    coarse = coarsen(matrix, 20)
    assert len(coarse) < 25
    assert coarse.isna().all(axis=1).sum() == 1
    pause = coarse.index[coarse.isna().all(axis=1)][0]
    assert seconds([pause.left, pause.right]) == [60, 99]
    assert (coarse.index[0].left, coarse.index[-1].right) == (matrix.index[0].left, matrix.index[-1].right)
    lengths = (coarse.index.right - coarse.index.left).total_seconds()
    weighted = coarse.mul(lengths, axis=0).sum() / 121
    assert weighted.to_numpy() == pytest.approx(matrix.mean().to_numpy())
    assert coarsen(matrix, 1000) is matrix


def test_one_host_is_the_one_asked_for_or_the_one_with_most_rows() -> None:
    frame = pd.concat([rows(STEADY[:3], host="web-1"), rows(STEADY, host="db-1")])
    assert set(one_host(frame)["hostname"]) == {"db-1"}
    assert set(one_host(frame, "web-1")["hostname"]) == {"web-1"}
    with pytest.raises(BadInput, match="no host x here, only db-1, web-1"):
        one_host(frame, "x")


def test_two_hosts_are_never_mixed_in_one_grid() -> None:
    with pytest.raises(BadInput, match="rows of 2 hosts"):
        grid(pd.concat([rows(STEADY), rows(STEADY, host="db-1")]))


def test_no_rows_is_a_clear_error() -> None:
    nothing = rows(STEADY).iloc[:0]
    for look in (one_host, gaps, grid, busiest_cpu):
        with pytest.raises(LabkitError, match="no rows"):
            look(nothing)


def test_nothing_changes_the_rows_it_is_given() -> None:
    frame = rows([*STEADY, (190, 180)])
    before = frame.copy()
    for look in (summary, busiest_cpu, gaps, grid, one_host):
        look(frame)
    pd.testing.assert_frame_equal(frame, before)
