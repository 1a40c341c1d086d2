"""What the two pictures of a series hold: ticks as they are, ticks since the first, shares, gaps, at most four CPUs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from labkit.errors import LabkitError
from labkit.settings import REPOSITORY
from labkit.sources.recording import ReplaySource
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.workshop.pictures.burn import counters_and_rates, raw_counters


def series(busy: dict[str, list[int]]) -> list[Snapshot]:
    """Busy ticks of 100 in each second -> snapshots, the first before the first second."""
    length = len(next(iter(busy.values())))
    return [
        Snapshot(
            "lab",
            1_000_000 + 1000 * second,
            tuple(
                CpuTimes(name, user=5_000 + sum(values[:second]), nice=0, system=70,
                         idle=90_000 + 100 * second - sum(values[:second]))
                for name, values in busy.items()
            ),
        )
        for second in range(length + 1)
    ]  # fmt: skip


def steps(figure: Figure) -> list[StepPatch]:
    return [patch for axes in figure.axes for patch in axes.patches if isinstance(patch, StepPatch)]


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_the_upper_panel_counts_from_0_and_the_lower_ones_say_how_steeply() -> None:
    figure = counters_and_rates(series({"cpu": [50, 60, 0], "cpu0": [0, 20, 0], "cpu1": [100, 100, 0]}))
    top = figure.axes[0]
    assert [line.get_label() for line in top.get_lines()] == ["cpu0", "cpu1"], "without the total line"
    assert [list(line.get_ydata()) for line in top.get_lines()] == [[0, 0, 20, 20], [0, 100, 200, 200]]
    assert [list(patch.get_data().values) for patch in steps(figure)] == [[0, 20, 0], [100, 100, 0]]
    assert [axes.get_ylabel() for axes in figure.axes[1:]] == ["cpu0", "cpu1"]


def test_a_cpu_that_is_away_or_starts_over_has_a_gap() -> None:
    snapshots = series({"cpu": [0] * 5, "cpu0": [0] * 5, "cpu1": [100] * 5})
    snapshots[2] = replace(snapshots[2], cpus=snapshots[2].cpus[:2])
    snapshots[4] = replace(snapshots[4], cpus=(*snapshots[4].cpus[:2], snapshots[4].cpus[2]._replace(idle=0)))
    _, cpu1 = steps(counters_and_rates(snapshots))
    assert np.isnan(cpu1.get_data().values).tolist() == [False, True, True, True, False]


def test_an_interval_is_as_wide_as_it_lasted() -> None:
    snapshots = series({"cpu": [0] * 9, "cpu0": [0, *[100] * 7, 0]})
    (cpu0,) = steps(counters_and_rates([*snapshots[:2], *snapshots[7:]]))
    assert list(cpu0.get_data().edges) == [0, 1, 7, 8, 9]
    assert list(cpu0.get_data().values) == [0, 100, 100, 0]


def test_of_many_cpus_the_busiest_four_are_drawn_and_the_picture_says_so() -> None:
    busy = {f"cpu{number}": [number] for number in range(12)}
    figure = counters_and_rates(series({"cpu": [6]} | busy))
    assert [axes.get_ylabel() for axes in figure.axes[1:]] == ["cpu8", "cpu9", "cpu10", "cpu11"]
    assert "the busiest 4 of 12 CPUs" in texts(figure)


def test_the_recording_is_drawn_and_its_text_is_inside_the_picture() -> None:
    figure = counters_and_rates(list(ReplaySource(REPOSITORY / "labkit" / "recordings" / "two_cpus.gz")))
    assert "two-cpus: what is counted\n" in texts(figure)
    for text in figure.findobj(Text):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= figure.bbox.x1
            assert box.y1 <= figure.bbox.y1


def test_raw_counters_begin_at_nought_and_say_how_little_of_them_is_new() -> None:
    (axes,) = (figure := raw_counters({"cpu0": [900, 900, 1000], "cpu1": [0, 0, 0]}, "user")).axes
    assert [list(line.get_ydata()) for line in axes.get_lines()] == [[900, 900, 1000], [0, 0, 0]]
    assert axes.get_ylim()[0] == 0
    said = texts(figure)
    assert "cpu0: 900 at first, 1,000 at last; 10.0 % is new" in said
    assert "cpu1: 0 at first, 0 at last; nothing is new" in said
    assert "user (ticks)" in said


def test_of_many_raw_counters_the_four_that_rose_most_are_drawn_and_the_picture_says_so() -> None:
    figure = raw_counters({f"cpu{number}": [1000 - number, 1000 + number] for number in range(12)}, "system")
    assert [line.get_label().split(":")[0] for line in figure.axes[0].get_lines()] == ["cpu8", "cpu9", "cpu10", "cpu11"]
    assert "4 of 12 CPUs, those that rose most" in texts(figure)


@pytest.mark.parametrize("ticks", [{}, {"cpu0": [5]}])
def test_one_raw_reading_is_a_clear_error(ticks: dict[str, list[int]]) -> None:
    with pytest.raises(LabkitError, match="Two readings"):
        raw_counters(ticks, "user")


def test_one_snapshot_is_a_clear_error() -> None:
    with pytest.raises(LabkitError, match="two readings"):
        counters_and_rates(series({"cpu": [1], "cpu0": [1]})[:1])
