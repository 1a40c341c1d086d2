"""What `labkit watch` knows and draws, without Kafka."""

from __future__ import annotations

import io
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from labkit.settings import load_settings
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS, CpuUtilization, Metrics
from labkit.streams.procstat.stream import BANDS
from labkit.watch.latest import FORGET_S, LatestByHost, Observation, busy_pct, parse
from labkit.watch.poll import _as_output, how_it_reads
from labkit.watch.view import Frame, ago, bar_cells, fitting, plain_line

NOW_MS = 1_763_769_600_640


def shares(cpu_id: str, user: float = 0, system: float = 0, iowait: float = 0, irq: float = 0) -> CpuUtilization:
    idle = 100 - user - system - iowait - irq
    return CpuUtilization(cpu_id, user, 0, system, idle, iowait, irq, 0, 0, 100 - idle)


def interval(host: str = "web-1", busy: float = 25, cpus: int = 2, timestamp: int = NOW_MS - 640) -> Metrics:
    ids = ["cpu", *(f"cpu{number}" for number in range(cpus))]
    return Metrics(host, timestamp, 1000, tuple(shares(cpu, user=busy) for cpu in ids))


def drawn(frame: Frame, width: int = 100, height: int = 24, **how: Any) -> list[str]:
    options = {"color_system": None} | how
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, **options)
    console.print(frame)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def heard(*metrics: Metrics) -> list[Observation]:
    return [Observation(one, 0.0) for one in metrics]


def test_a_record_of_the_topic_is_read_as_it_was_written() -> None:
    metrics = interval()
    assert parse(orjson.dumps(metrics.as_record())) == metrics


@pytest.mark.parametrize(
    "value",
    [None, b"", b"{}", b"[]", b"7", b"\xff", b'{"hostname": "a", "timestamp": 1, "time_delta_ms": 1, "cpu_metrics": 7}',
     b'{"hostname": "a", "timestamp": 1, "time_delta_ms": 1, "cpu_metrics": [{"cpu_id": "cpu"}]}',
     b'{"hostname": 7, "timestamp": 1, "time_delta_ms": 1, "cpu_metrics": []}'],
)  # fmt: skip
def test_what_is_no_record_of_metrics_is_none(value: bytes | None) -> None:
    assert parse(value) is None


def test_a_name_cannot_steer_the_terminal() -> None:
    metrics = interval("web\x1b[2J\n1")
    record = parse(orjson.dumps(metrics.as_record()))
    assert record is not None
    assert record.hostname == "web�[2J�1"
    text = "\n".join(drawn(Frame(heard(record), NOW_MS, "how")))
    assert "\x1b" not in text
    assert "web�[2J�1" in text, "and it is no markup either"


def test_the_board_keeps_the_newest_interval_of_each_host_by_name() -> None:
    board = LatestByHost()
    for second, host in enumerate(["b", "a", "b"]):
        board.add(interval(host, timestamp=second), float(second))
    assert [(one.metrics.hostname, one.metrics.timestamp, one.at_s) for one in board.newest(3)] == [
        ("a", 1, 1.0),
        ("b", 2, 2.0),
    ]


def test_the_board_forgets_hosts_that_it_has_not_heard_of_for_five_minutes() -> None:
    board = LatestByHost()
    for number in range(1000):
        board.add(interval(f"gone-{number}"), 0.0)
    board.add(interval("stays"), 0.0)
    board.add(interval("stays"), 200.0)
    assert len(board.newest(FORGET_S)) == 1001
    assert [one.metrics.hostname for one in board.newest(FORGET_S + 1)] == ["stays"]
    assert len(board._heard) == 1


def test_a_host_is_as_busy_as_its_total_line_else_as_its_cpus_on_average() -> None:
    assert busy_pct(interval(busy=40)) == 40
    assert busy_pct(Metrics("a", 1, 1, (shares("cpu0", 10), shares("cpu1", 20)))) == 15
    assert busy_pct(Metrics("a", 1, 1, ())) == 0


parts = st.lists(st.floats(0, 1000), min_size=8, max_size=8).filter(lambda numbers: sum(numbers) > 0)


@given(parts, st.integers(1, 200))
def test_a_bar_is_filled_by_its_parts_and_none_is_more_than_a_character_off(numbers: list[float], width: int) -> None:
    percent = [number * 100 / sum(numbers) for number in numbers]
    user, nice, system, idle, *others = percent
    cpu = CpuUtilization("cpu0", user, nice, system, idle, *others, 100 - idle)
    cells = bar_cells(cpu, width)
    assert list(cells) == [band.name for band in BANDS]
    assert sum(cells.values()) == width
    for band in BANDS:
        exact = sum(getattr(cpu, column) for column in band.columns) * width / 100
        assert abs(cells[band.name] - exact) <= 1 + 1e-9


def test_a_bar_stays_a_bar_when_the_numbers_do_not_make_100() -> None:
    for value in (-50.0, 0.0, 300.0):
        cpu = CpuUtilization("cpu0", *[value] * len(UTILIZATION_COLUMNS))
        cells = bar_cells(cpu, 20)
        assert sum(cells.values()) == 20
        assert min(cells.values()) >= 0


def test_without_colours_each_part_has_a_letter_of_its_own() -> None:
    metrics = Metrics("web-1", NOW_MS - 640, 1000, (shares("cpu", 50, 20, 10, 10), shares("cpu0", user=100)))
    lines = drawn(Frame(heard(metrics), NOW_MS, "how it reads"), width=60)
    assert lines[0] == "how it reads"
    assert " ".join(" ".join(lines[1:3]).split()) == (
        "u user + nice s system i irq + softirq + steal w iowait . idle "
        "(busy is everything but idle, so it includes iowait)"
    )
    assert lines[3] == "web-1  busy 90.0 %  1 CPU  1.0 s that ended 0.6 s ago"
    assert lines[4] == f"cpu  {'u' * 24}{'s' * 9}{'i' * 5}{'w' * 4}{'.' * 5}  90.0 %"
    assert lines[5] == f"cpu0 {'u' * 47} 100.0 %"


def test_with_colours_they_are_those_of_the_plots() -> None:
    metrics = Metrics("web-1", NOW_MS, 1000, (shares("cpu", 50, 20, 10, 10),))
    text = "".join(drawn(Frame(heard(metrics), NOW_MS, "how"), color_system="truecolor"))
    for band in BANDS:
        red, green, blue = (int(band.colour[place : place + 2], 16) for place in (1, 3, 5))
        assert (f"38;2;{red};{green};{blue}m█" in text) == (band.name != "idle")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (20, 6), (200, 50)])
@pytest.mark.parametrize("cpus", [0, 1, 8, 256])
@pytest.mark.parametrize("hosts", [1, 3, 40])
def test_nothing_goes_beyond_the_terminal(width: int, height: int, cpus: int, hosts: int) -> None:
    frame = Frame(heard(*(interval(f"host-{number}", number, cpus) for number in range(hosts))), NOW_MS, "how")
    lines = drawn(frame, width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= max(height, 7)
    assert f"host-{hosts - 1} " in "\n".join(lines), "the busiest is always shown"


def test_the_busiest_hosts_are_shown_by_name_and_it_says_how_many_are_not() -> None:
    hosts = heard(*(interval(f"host-{number:02}", busy=number % 7) for number in range(40)))
    lines = drawn(Frame(hosts, NOW_MS, "how"), height=24)
    shown = [line.split()[0] for line in lines if line.startswith("host-")]
    assert shown == sorted(shown)
    assert {int(name[5:]) % 7 for name in shown} >= {6}
    assert lines[-1] == f"… and {40 - len(shown)} more hosts, less busy, for which there is no room"
    assert len(lines) in (22, 23, 24)


def test_hosts_that_all_fit_are_all_shown_to_the_last_line() -> None:
    hosts = heard(*(interval(f"host-{number}", busy=number) for number in range(4)))
    assert fitting(hosts, 100, 12) == hosts  # three lines each: name, all CPUs, two CPUs side by side
    assert [one.metrics.hostname for one in fitting(hosts, 100, 11)] == ["host-1", "host-2", "host-3"]
    assert [one.metrics.hostname for one in fitting(hosts, 100, 1)] == ["host-3"]
    assert fitting([], 100, 12) == []


@pytest.mark.parametrize(
    ("age_ms", "words"),
    [
        (-900, "0.0 s ago"),
        (-5000, "5.0 s ahead of this clock"),
        (-600_000, "10 min ahead of this clock"),
        (640, "0.6 s ago"),
        (99_000, "99.0 s ago"),
        (180_000, "3 min ago"),
        (7_300_000, "2 h ago"),
        (12 * 86_400_000, "12 days ago"),
    ],
)
def test_an_age_is_said_as_a_person_would(age_ms: int, words: str) -> None:
    assert ago(age_ms) == words


def test_where_nobody_watches_an_interval_is_one_plain_line() -> None:
    assert plain_line(interval(), NOW_MS) == (
        "2025-11-22T00:00:00.000Z web-1 busy 25.0 % (cpu0 25.0 cpu1 25.0), 1 s that ended 0.6 s ago"
    )


def test_a_notebook_gets_one_output_as_html_and_as_text() -> None:
    output = _as_output(Frame(heard(interval("<b>&web</b>")), NOW_MS, "how it reads"))
    assert "&lt;b&gt;&amp;web&lt;/b&gt;" in output["text/html"]
    assert BANDS[0].colour.lower() in output["text/html"]
    assert "<b>&web</b>  busy 25.0 %" in output["text/plain"]
    assert "\x1b" not in output["text/plain"] + output["text/html"]


def test_it_says_whether_it_reads_uncommitted_and_what_that_means() -> None:
    settings = load_settings(checkpoint_interval_s=7)
    uncommitted, committed = (
        how_it_reads(settings.flow, committed, settings.checkpoint_interval_s) for committed in (False, True)
    )
    assert re.search(r"procstat_metrics, read uncommitted.*shows twice.*--committed", uncommitted)
    assert re.search(r"procstat_metrics, read committed.*every 7 s.*commit", committed)


def test_an_interval_in_which_no_cpu_was_measured_says_so() -> None:
    assert "web-1 nothing measured ()" in plain_line(Metrics("web-1", 1000, 1, ()), 1000)
