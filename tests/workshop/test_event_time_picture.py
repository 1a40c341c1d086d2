"""The picture of event time: what is late, where a window closes, and what the title counts."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from labkit.errors import LabkitError
from labkit.workshop.pictures.event_time import (
    NO_WATERMARK,
    Closed,
    Seen,
    event_time,
    is_late,
    partition_clocks,
    still_open,
)

SIZE, ZERO = 10_000, 1_795_168_800_000


def seen(*records: tuple[str, float], bound_s: float = 5) -> list[Seen]:
    """(host, second of its event time) in the order in which they came, each with the watermark before it."""
    watermark, found = NO_WATERMARK, []
    for host, second in records:
        one = Seen(host, ZERO + round(1000 * second), watermark)
        found.append(one)
        watermark = max(watermark, one.timestamp - round(1000 * bound_s))
    return found


RECORDS = seen(("a", 0), ("a", 4), ("b", 8), ("a", 14.998), ("b", 5), ("a", 16), ("b", 9), ("b", 12), ("a", 21))
#: The first window closes at the record of second 16, which brings the watermark to 11.
FIRST = Closed(ZERO, ZERO + SIZE, 4, ZERO + 11_000)


def marks(figure: Figure, marker: str) -> list[tuple[float, float]]:
    found = [line for line in figure.axes[0].lines if line.get_marker() == marker]
    return sorted(
        (float(x), float(y)) for line in found for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    )


def boxes(figure: Figure) -> list[tuple[float, float, float, float]]:
    """(left, bottom, right, top) of each window's bar."""
    rectangles = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [(*box.get_xy(), box.get_x() + box.get_width(), box.get_y() + box.get_height()) for box in rectangles]


def title(figure: Figure) -> str:
    return str(figure.axes[0].get_title(loc="left"))


@pytest.mark.parametrize(
    ("second", "watermark", "late"),
    [(9.999, 9.998, False), (9.999, 9.999, True), (0, 9.999, True), (0, 9.998, False), (10, 19.998, False),
     (10, 19.999, True), (5, 5, False)],
)  # fmt: skip
def test_late_is_what_comes_when_the_watermark_has_come_to_its_windows_last_millisecond(
    second: float, watermark: float, late: bool
) -> None:
    assert is_late(Seen("a", ZERO + round(1000 * second), ZERO + round(1000 * watermark)), SIZE) is late


def test_before_there_is_a_watermark_nothing_is_late() -> None:
    assert not is_late(Seen("a", 0), SIZE)


def test_records_in_time_and_late_ones_have_marks_of_their_own() -> None:
    figure = event_time(RECORDS, [FIRST], SIZE)
    assert marks(figure, "x") == [(6, 9)]
    assert marks(figure, "o") == [(0, 0), (1, 4), (3, 14.998), (5, 16), (8, 21)]
    assert marks(figure, "s") == [(2, 8), (4, 5), (7, 12)]


def test_a_window_is_a_bar_up_to_where_it_closed_or_to_the_edge() -> None:
    figure = event_time(RECORDS, [FIRST], SIZE)
    edge = len(RECORDS) + 0.5
    assert boxes(figure) == [(-0.5, 0, 5.5, 10), (2.5, 10, edge, 20), (7.5, 20, edge, 30)]
    assert {"4"} <= {text.get_text() for text in figure.axes[0].texts}


def test_the_title_counts_windows_late_records_and_those_that_wait() -> None:
    assert title(event_time(RECORDS, [FIRST], SIZE)) == (
        "1 window closed; 1 of 9 records came too late; 4 wait in open windows"
    )
    assert title(event_time(RECORDS[:2], [], SIZE)) == (
        "0 windows closed; none of 2 records came too late; 2 wait in open windows"
    )


def test_what_came_in_is_windowed_or_late_or_waits() -> None:
    late = sum(is_late(one, SIZE) for one in RECORDS)
    assert len(RECORDS) == FIRST.count + late + still_open(RECORDS, [FIRST], SIZE)


def test_a_job_without_a_watermark_has_no_line_and_no_bar_that_closes() -> None:
    figure = event_time([Seen("a", ZERO), Seen("a", ZERO + 50_000)], [], SIZE)
    assert "watermark" not in {line.get_label() for line in figure.axes[0].lines}
    assert {right for _, _, right, _ in boxes(figure)} == {2.5}


def test_without_a_record_it_says_so() -> None:
    with pytest.raises(LabkitError, match="at least one record"):
        event_time([], [], SIZE)


def clocks(*seconds: float | None, at: float | None = None, limit: float | None = None) -> Figure:
    """Watermarks of partitions 0, 1, … in seconds, and that of the job."""
    marks = {number: NO_WATERMARK if one is None else ZERO + 1000 * one for number, one in enumerate(seconds)}
    watermark = NO_WATERMARK if at is None else ZERO + 1000 * at
    return partition_clocks(marks, watermark, ZERO, {0: "host-000"}, None if limit is None else ZERO + 1000 * limit)


def bars(figure: Figure) -> list[tuple[float, str | None]]:
    """(how far it goes, its hatching) of each partition that has a bar."""
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [(patch.get_width(), patch.get_hatch()) for patch in patches]


def lines(figure: Figure) -> dict[str, float]:
    """{what a vertical line is: where it stands}"""
    return {str(line.get_label()): float(line.get_xdata()[0]) for line in figure.axes[0].lines}


def test_each_partition_is_a_bar_up_to_its_watermark_and_the_jobs_is_a_line_through_all() -> None:
    figure = clocks(34, 14, at=14)
    assert bars(figure) == [(34, None), (14, None)]
    assert lines(figure) == {"watermark of the job": 14}
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["partition 0\nhost-000", "partition 1"]
    assert title(figure) == "The watermark is second 14, that of partition 1"


def test_a_partition_behind_the_watermark_was_not_waited_for_and_one_beyond_the_limit_is_held_back() -> None:
    assert bars(clocks(44, 14, 44, at=44)) == [(44, None), (14, "//"), (44, None)]
    figure = clocks(24, 24.001, 14, at=14, limit=24)
    assert bars(figure) == [(24, None), (24.001, "xx"), (14, None)]
    assert lines(figure) == {"watermark of the job": 14, "limit": 24}
    assert title(clocks(44, 14, 44, at=44)) == "The watermark is second 44, that of partitions 0, 2"


def test_a_partition_without_a_record_has_no_bar_and_the_title_names_it() -> None:
    figure = clocks(None, 34)
    assert bars(figure) == [(34, None)]
    assert lines(figure) == {}
    assert "no record yet" in {text.get_text() for text in figure.axes[0].texts}
    assert title(figure) == "There is no watermark yet: nothing has come from partition 0"
    assert title(clocks(None, 3, None, None)).endswith("from partitions 0, 2 and 3")


def test_without_a_partition_it_says_so() -> None:
    with pytest.raises(LabkitError, match="at least one"):
        partition_clocks({}, NO_WATERMARK, ZERO)
