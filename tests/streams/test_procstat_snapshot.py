"""Invariant 6: what the kernels wrote is read as they meant it, and damage is named where it is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.streams.parsing import ReadingError
from labkit.streams.procstat.snapshot import CPU_COLUMNS, CpuTimes, parse_stat, passed_over
from tests.support.strategies import snapshots, stat_text

FOLDER = Path(__file__).parents[1] / "fixtures" / "proc_stat"
FILES = sorted(FOLDER.glob("*.txt"))
TEXTS = st.sampled_from(FILES).map(Path.read_text)


class Facts(NamedTuple):
    """What a person reads in the file: the ids, the last CPU line, and the lines below."""

    ids: list[str]
    last_cpu: str
    intr: tuple[int, int]  # how many numbers, the first of them
    softirq: tuple[int, int] | None
    singles: tuple[int, int, int, int, int]  # ctxt btime processes procs_running procs_blocked


def total_and(*numbers: int) -> list[str]:
    return ["cpu", *(f"cpu{number}" for number in numbers)]


FACTS = {
    "linux_2_4_2_cpus_4_columns.txt": Facts(
        total_and(0, 1), "cpu1 259813 1254 1257277 168031181",
        (225, 890153570), None, (66155838, 1062315585, 69293, 0, 0),
    ),
    "linux_2_6_0_test3_5_columns.txt": Facts(
        total_and(0), "cpu0 13420 48 19887 4865 384",
        (21, 391995), None, (20591, 1058859909, 1097, 1, 0),
    ),
    "linux_2_6_8_2_cpus_7_columns.txt": Facts(
        total_and(0, 1), "cpu1 9909 2074 1117 507215 1021 0 2",
        (225, 5909520), None, (6553093, 1155801409, 2525, 3, 0),
    ),
    "linux_2_6_17_2_cpus_8_columns.txt": Facts(
        total_and(0, 1), "cpu1 5012 0 690 64560 2831 0 2 0",
        (225, 221093), None, (458461, 1155807757, 3203, 1, 0),
    ),
    "diamond_8_cpus_9_columns.txt": Facts(
        total_and(*range(8)), "cpu7 714231487 1570 71480216 1894594469 8079457 0 28826 0 0",
        (2713, 21670121990), (11, 49031615010), (347701207692, 1380835582, 6041799, 9, 0),
    ),
    "diamond_24_cpus.txt": Facts(
        total_and(*range(24)), "cpu23 703262 8966 278706 164217581 4754 0 277 0 0 0",
        (1281, 1466813894), (11, 1222875771), (1679104768, 1319181102, 9470776, 1, 0),
    ),
    "node_exporter_8_cpus_guests.txt": Facts(
        total_and(*range(8)), "cpu7 29098 268 10164 1139282 555 0 31 0 9 8",
        (745, 8885917), (11, 5057579), (38014093, 1418183276, 26442, 2, 0),
    ),
    "telegraf_1_cpu_unknown_lines.txt": Facts(
        total_and(0), "cpu0 6796 252 5655 10444977 175 0 101 0 0 0",
        (257, 1472736), (11, 1031662), (2626618, 1457505775, 10673, 2, 0),
    ),
    "linux_6_18_2_cpus.txt": Facts(
        total_and(0, 1), "cpu1 7238 0 2524 98035 723 0 146 48 0 0",
        (425, 325145), (11, 268932), (488078, 1795353464, 4594, 1, 0),
    ),
    "constructed_cpus_0_2_5_online.txt": Facts(
        total_and(0, 2, 5), "cpu5 29271 101 11586 1136270 672 0 30 0 7 6",
        (4, 8885917), None, (38014093, 1418183276, 26442, 2, 0),
    ),
}  # fmt: skip


def test_every_fixture_has_its_facts_and_its_source() -> None:
    sources = (FOLDER / "SOURCES.md").read_text()
    assert set(FACTS) == {file.name for file in FILES} == {name for name in FACTS if name in sources}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_kernels_file_says_what_a_person_reads_in_it(file: Path) -> None:
    facts = FACTS[file.name]
    snapshot = parse_stat(file.read_text(), "host", 1_234)
    assert (snapshot.hostname, snapshot.timestamp) == ("host", 1_234)
    assert [cpu.id for cpu in snapshot.cpus] == facts.ids
    name, *ticks = facts.last_cpu.split()
    assert snapshot.cpus[-1] == CpuTimes(name, *map(int, ticks))
    assert (len(snapshot.intr), snapshot.intr[0]) == facts.intr
    assert (len(snapshot.softirq), *snapshot.softirq[:1]) == (facts.softirq or (0,))
    assert facts.singles == (
        snapshot.ctxt, snapshot.btime, snapshot.processes, snapshot.procs_running, snapshot.procs_blocked,
    )  # fmt: skip


def test_columns_have_the_kernels_names_in_the_kernels_order() -> None:
    cpu = parse_stat("cpu  1 2 3 4 5 6 7 8 9 10\nbtime 1764000000\n", "host", 1).cpus[0]
    assert (cpu.user, cpu.nice, cpu.system, cpu.idle, cpu.iowait) == (1, 2, 3, 4, 5)
    assert (cpu.irq, cpu.softirq, cpu.steal, cpu.guest, cpu.guest_nice) == (6, 7, 8, 9, 10)
    assert cpu._fields == ("id", *CPU_COLUMNS)


@given(snapshots(), st.integers(4, 10))
def test_kernels_with_4_to_10_columns_parse_and_missing_columns_are_0(snapshot, columns) -> None:
    read = parse_stat(stat_text(snapshot, columns), snapshot.hostname, snapshot.timestamp)
    missing = (0,) * (len(CPU_COLUMNS) - columns)
    assert [tuple(cpu) for cpu in read.cpus] == [cpu[: 1 + columns] + missing for cpu in snapshot.cpus]


@given(snapshots(), st.sampled_from([" 11", " 11 12 13", " new-in-linux-9"]))
def test_further_columns_are_ignored(snapshot, more) -> None:
    text = stat_text(snapshot, more=more)
    assert parse_stat(text, snapshot.hostname, snapshot.timestamp) == snapshot


@given(TEXTS, st.data())
def test_unknown_lines_are_left_alone(text, data) -> None:
    lines = text.splitlines(keepends=True)
    unknown = st.sampled_from(["page 5741 1808\n", "disk_io: (3,0):(1,2)\n", "cpufreq x\n", "numa\n", "\n"])
    place = data.draw(st.integers(0, len(lines)))
    lines.insert(place, data.draw(unknown))
    assert parse_stat("".join(lines), "host", 1) == parse_stat(text, "host", 1)


TOO_LARGE = 2**63 - 1


@pytest.mark.parametrize(
    ("garbled", "column"),
    [
        ("cpu1", 2),
        ("cpu1 1 2 3", 5),
        ("cpu1 1 2 3x 4 5", 4),
        ("cpu1 1 2 -3 4", 4),
        ("cpu1 1 2 3.5 4", 4),
        ("cpu1 1 2 3 4 5 6 7 8 9 1e3", 11),
        ("cpu1 1 2 3 9223372036854775808", 5),  # 2**63, more than an Avro long holds
    ],
)
def test_a_cpu_that_cannot_be_read_is_left_out_alone_and_named_with_line_and_column(garbled: str, column: int) -> None:
    text = f"cpu  1 2 3 4\ncpu0 1 2 3 4\n{garbled}\ncpu2 1 2 3 4\nbtime 1764000000\n"
    assert [cpu.id for cpu in parse_stat(text, "host", 1).cpus] == ["cpu", "cpu0", "cpu2"]
    (said,) = passed_over(text)
    assert f"line 3, column {column}: " in said
    assert said.endswith(" cpu1 is left out.")


@pytest.mark.parametrize(
    ("garbled", "column", "field", "value"),
    [
        ("ctxt " + "9" * 5000, 2, "ctxt", TOO_LARGE),
        ("procs_blocked 18446744073709551615", 2, "procs_blocked", TOO_LARGE),  # a counter that went below 0
        ("intr", 2, "intr", (0,)),
        ("intr 5 1 ? 7", 4, "intr", (5, 1, 0, 7)),
        ("softirq 1 ²", 3, "softirq", (1, 0)),
        ("ctxt", 2, "ctxt", 0),
        ("processes -26442", 2, "processes", 0),  # so it stands in prometheus/procfs, testdata/proc1/stat
    ],
)
def test_a_number_that_no_rule_uses_never_refuses_a_reading(
    garbled: str, column: int, field: str, value: int | tuple[int, ...]
) -> None:
    text = f"cpu  1 2 3 4\ncpu0 1 2 3 4\n{garbled}\nbtime 1764000000\n"
    assert getattr(parse_stat(text, "host", 1), field) == value
    (said,) = passed_over(text)
    assert f"line 3, column {column}: " in said
    assert said.endswith(f"{field} counts as {'2**63 - 1' if value == TOO_LARGE else '0'} there.")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("cpu  1 2 3 4\nbtime 17640x0000\n", 2, 2),
        ("cpu  1 2 3 4\nbtime\n", 2, 2),
        ("cpu  1 2 3 4\nbtime 9223372036854775808\n", 2, 2),
        ("cpu  1 2 ? 4\ncpu0 x\nbtime 1764000000\n", 1, 4),
        ("btime 1764000000\ncpu  4705 150 11", 2, 4),
        ("cpu  1 2 3 4\nbtime 17640", 2, 2),
    ],
)
def test_without_any_cpu_or_without_btime_the_first_that_was_lost_is_named(text: str, line: int, column: int) -> None:
    with pytest.raises(ReadingError, match=f"line {line}, column {column}: ") as error:
        parse_stat(text, "host", 1)
    assert (error.value.line, error.value.column) == (line, column)


@given(TEXTS, st.data())
def test_a_file_cut_inside_a_line_is_read_without_that_line(text, data) -> None:
    cut = text[: data.draw(st.integers(1, len(text) - 1))].removesuffix("\n")
    whole = cut[: cut.rfind("\n") + 1]
    number = cut.count("\n") + 1
    assert any(f"line {number}, " in said and said.endswith("That line is left out.") for said in passed_over(cut))
    try:
        expected = parse_stat(whole, "host", 1)
    except ReadingError:
        with pytest.raises(ReadingError):
            parse_stat(cut, "host", 1)
    else:
        assert parse_stat(cut, "host", 1) == expected


@given(TEXTS)
def test_of_a_kernels_own_file_nothing_is_passed_over(text) -> None:
    assert passed_over(text) == []


@pytest.mark.parametrize("text", ["", "cpu 1 2 3 4\n", "btime 1764000000\n", "\n\n"])
def test_a_file_without_a_cpu_line_or_without_btime_is_an_error_at_its_end(text: str) -> None:
    with pytest.raises(ReadingError, match="there is no") as error:
        parse_stat(text, "host", 1)
    assert (error.value.line, error.value.column) == (text.count("\n") + 1, 1)
