"""A simulated fleet obeys the kernel's rules, does what its scenario says, and is the same every time."""

from __future__ import annotations

import gzip
import json
import math
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.chaos.make_recordings import RECORDINGS, SIMULATED, main
from labkit.errors import BadInput
from labkit.kafka.avro import HEADER_BYTES, Encoded, SnapshotCodec, read_schema
from labkit.settings import load_settings
from labkit.sources.fleet import EncodedFleet
from labkit.sources.recording import ReplaySource, read_recording, write_recording
from labkit.sources.scenario import (
    BURN_KINDS,
    MOST_BACKGROUND,
    Background,
    HeldBack,
    Load,
    Offline,
    Reboot,
    Scenario,
    Silence,
    WrongClock,
    load_scenario,
)
from labkit.sources.simulator import FleetSource, as_readings, as_text, host_name
from labkit.streams.procstat.metrics import IDLE_RESET_TICKS, CpuUtilization, compare
from labkit.streams.procstat.snapshot import CPU_COLUMNS, CpuTimes, Snapshot, parse_stat
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.rules import Comparison, Verdict
from tests.support import strategies

START_MS = 1_795_165_200_000
SCENARIOS = sorted((RECORDINGS / "scenarios").glob("*.toml"))
COUNTED = CPU_COLUMNS[:8]  # guest is inside user, guest_nice inside nice
QUIET = Scenario(Background(**dict.fromkeys(("user", "nice", "system", "iowait", "irq", "softirq"), 0.0)))


def fleet(scenario: Scenario = QUIET, hosts: int = 1, cpus: int = 2, **more: Any) -> list[Snapshot]:
    source = {"seed": 7, "interval_s": 1.0, "start_ms": START_MS, "seconds": 10, **more}
    return list(FleetSource(hosts, cpus, source.pop("seed"), scenario, **source))


def scenario_of(folder: Path, text: str, hosts: int = 3, cpus: int = 4) -> Scenario:
    path = folder / "made_up.toml"
    path.write_text(text)
    return load_scenario(path, hosts, cpus)


def by_host(snapshots: Iterable[Snapshot]) -> dict[str, list[Snapshot]]:
    hosts: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        hosts.setdefault(snapshot.hostname, []).append(snapshot)
    return hosts


def comparisons(snapshots: list[Snapshot]) -> list[Comparison]:
    """What each snapshot of one host is beside the one before it."""
    return [compare(before, now) for before, now in pairwise([None, *snapshots]) if now is not None]


def shares(snapshots: list[Snapshot]) -> dict[tuple[float, str], CpuUtilization]:
    """{(seconds after the start at which the interval ended, "cpu0"): shares} of one host."""
    return {
        ((metrics.timestamp - START_MS) / 1000, share.cpu_id): share
        for _, _, metrics in comparisons(snapshots) if metrics is not None for share in metrics.cpu_metrics
    }  # fmt: skip


def ticks(cpu: CpuTimes) -> int:
    return sum(getattr(cpu, name) for name in COUNTED)


moments = st.integers(0, 60).map(lambda quarter: quarter / 4)
spans = st.tuples(moments, st.integers(1, 40)).map(lambda span: (span[0], span[0] + span[1] / 4))
some_hosts = st.lists(st.integers(0, 1), min_size=1, unique=True).map(tuple)
small = st.floats(0, MOST_BACKGROUND / 7)


def events(of: Any, cpus: tuple[int, ...] = ()) -> st.SearchStrategy[tuple[Any, ...]]:
    """Some events of one kind, for two hosts (with three CPUs, where `cpus` are those that may be meant)."""
    chosen = [st.lists(st.sampled_from(cpus), min_size=1, unique=True).map(tuple)] if cpus else []
    kinds = [st.sampled_from((*BURN_KINDS, "iowait", "steal")), st.floats(0.01, 1)] if of is Load else []
    each = st.tuples(some_hosts, *chosen, *kinds, spans)
    return st.lists(each.map(lambda values: of(*values[:-1], *values[-1])), max_size=4).map(tuple)


reboots = st.lists(st.builds(Reboot, some_hosts, moments, st.integers(2, 5)), max_size=2).map(tuple)
without_hotplug = st.builds(
    Scenario, st.builds(Background, *[small] * 7), events(Load, (0, 1, 2)), st.just(()), events(Silence), reboots
)
in_order = st.builds(
    Scenario,
    st.builds(Background, *[small] * 7), events(Load, (0, 1, 2)), events(Offline, (1, 2)), events(Silence), reboots,
)  # fmt: skip
clocks = st.lists(st.builds(WrongClock, some_hosts, st.integers(-5_000, 5_000).map(lambda ms: ms / 1000)), max_size=2)
any_scenario = st.builds(replace, in_order, held_back=events(HeldBack), clocks=clocks.map(tuple))
intervals = st.sampled_from([0.25, 0.33, 1.0, 2.5])


# the same every time


@given(st.integers(), any_scenario, intervals)
def test_the_same_arguments_give_the_very_same_snapshots(seed: int, scenario: Scenario, interval_s: float) -> None:
    source = FleetSource(2, 3, seed, scenario, interval_s=interval_s, start_ms=START_MS, seconds=10)
    assert list(source) == list(source)


@given(st.integers(), any_scenario, intervals, st.integers(1, 12))
def test_all_hosts_at_once_give_the_very_bytes_of_one_after_the_other(
    seed: int, scenario: Scenario, interval_s: float, hosts: int
) -> None:
    words = {"interval_s": interval_s, "start_ms": START_MS, "seconds": 10}
    schema = read_schema(load_settings().schema_dir, PROCSTAT)
    codec = SnapshotCodec(PROCSTAT, schema, lambda _: schema)
    wanted = [
        Encoded(one.hostname, one.timestamp, range(len(one.cpus)), codec.encode(one, 1)[HEADER_BYTES:])
        for one in FleetSource(hosts, 3, seed, scenario, **words)
    ]
    assert list(EncodedFleet(hosts, 3, seed, scenario, schema=schema, **words)) == wanted


def test_another_seed_gives_other_snapshots() -> None:
    assert fleet(seed=1) != fleet(seed=2)


@given(any_scenario)
def test_a_host_does_the_same_however_many_others_there_are(scenario: Scenario) -> None:
    assert by_host(fleet(scenario, 2, 3)).get("host-001") == by_host(fleet(scenario, 20, 3)).get("host-001")


@given(in_order, intervals)
def test_snapshots_come_by_time_and_then_by_host(scenario: Scenario, interval_s: float) -> None:
    order = [(now.timestamp, now.hostname) for now in fleet(scenario, 12, 3, interval_s=interval_s)]
    assert order == sorted(set(order))


@pytest.mark.parametrize(
    ("hosts", "last"), [(1, "host-000"), (200, "host-199"), (1000, "host-999"), (1001, "host-1000")]
)
def test_a_hosts_name_has_as_many_digits_as_the_last_one(hosts: int, last: str) -> None:
    assert host_name(hosts - 1, hosts) == last
    assert len(host_name(0, hosts)) == len(last)


def test_first_and_last_moment_are_both_read() -> None:
    assert [now.timestamp - START_MS for now in fleet(seconds=2, interval_s=0.5)] == [0, 500, 1000, 1500, 2000]


# what the kernel would do


@given(without_hotplug, intervals)
def test_the_eight_columns_of_a_cpu_sum_to_the_time_since_boot(scenario: Scenario, interval_s: float) -> None:
    for now in fleet(scenario, 2, 3, interval_s=interval_s, seconds=20):
        up = (now.timestamp - now.btime * 1000) // 10
        begin_in_second = {round(event.at_s * 100) % 100 for event in scenario.reboots} | {0}
        assert {ticks(cpu) for cpu in now.cpus[1:]} <= {up - begin for begin in begin_in_second}
        assert len({ticks(cpu) for cpu in now.cpus[1:]}) == 1


@given(any_scenario, intervals)
def test_nothing_steps_back_but_at_a_reboot_and_for_a_cpu_that_is_back(scenario: Scenario, interval_s: float) -> None:
    for snapshots in by_host(fleet(scenario, 2, 3, interval_s=interval_s, seconds=20)).values():
        ever = {cpu.id: cpu for cpu in snapshots[0].cpus}
        for before, now in pairwise(snapshots):
            if now.btime != before.btime:
                assert now.btime - before.btime > 1
                ever = {}
            for cpu in now.cpus:
                back = [column for column, old, new in zip(CPU_COLUMNS, ever.get(cpu.id, cpu)[1:], cpu[1:], strict=True)
                        if new < old]  # fmt: skip
                assert not back or (scenario.offline and set(back) <= {"idle", "iowait"})
                ever[cpu.id] = cpu
            if now.btime == before.btime:
                singles = ("ctxt", "processes")
                assert all(getattr(now, name) >= getattr(before, name) for name in singles)
                assert all(new >= old for new, old in zip(now.intr, before.intr, strict=True))
                assert all(new >= old for new, old in zip(now.softirq, before.softirq, strict=True))


@given(any_scenario)
def test_totals_are_sums_and_guest_is_inside_user(scenario: Scenario) -> None:
    for now in fleet(scenario, 2, 3, seconds=20):
        total, *cpus = now.cpus
        assert (total.id, cpus[0].id) == ("cpu", "cpu0")
        for column in CPU_COLUMNS:
            online = sum(getattr(cpu, column) for cpu in cpus)
            assert getattr(total, column) == online or (len(cpus) < 3 and getattr(total, column) > online)
        assert all(cpu.guest <= cpu.user and cpu.guest_nice <= cpu.nice for cpu in now.cpus)
        assert now.intr[0] == sum(now.intr[1:])
        assert (now.softirq[0], len(now.softirq)) == (sum(now.softirq[1:]), 11)


def test_parts_of_a_tick_are_carried_on() -> None:
    a_third = Scenario(QUIET.background, (Load((0,), (0,), "user", 1 / 3, 0, 100),))
    first, *_, last = fleet(a_third, interval_s=0.01, seconds=30)
    assert last.cpus[1].user - first.cpus[1].user == pytest.approx(1000, abs=1)


@given(st.one_of(strategies.snapshots().map(lambda snapshot: [snapshot]), any_scenario.map(fleet)))
def test_what_is_written_as_proc_stat_is_read_again(snapshots: list[Snapshot]) -> None:
    for snapshot in snapshots:
        assert parse_stat(as_text(snapshot), snapshot.hostname, snapshot.timestamp) == snapshot


def test_the_text_looks_like_the_kernels() -> None:
    text = (Path(__file__).parents[1] / "fixtures" / "proc_stat" / "linux_6_18_2_cpus.txt").read_text()
    assert as_text(parse_stat(text, "host", 0)) == text


def test_a_fleet_can_be_recorded_and_replayed(tmp_path: Path) -> None:
    snapshots = fleet(Scenario(), 3)
    assert write_recording(tmp_path / "fleet.gz", as_readings(snapshots)) == 33
    assert list(ReplaySource(tmp_path / "fleet.gz")) == snapshots


# at which pace


def test_without_a_speed_nobody_waits() -> None:
    begin = time.monotonic()
    assert len(fleet(seconds=3_600, interval_s=60)) == 61
    assert time.monotonic() - begin < 5


def test_a_speed_of_twenty_makes_ten_seconds_half_a_second() -> None:
    begin = time.monotonic()
    assert len(fleet(speed=20)) == 11
    assert 0.5 <= time.monotonic() - begin < 3


def test_the_event_ends_it_at_once_even_in_a_long_interval() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    begin = time.monotonic()
    assert len(fleet(speed=1, interval_s=3_600, seconds=None, stop=stop)) == 1
    assert time.monotonic() - begin < 2


# what a scenario says is what the metrics show


def test_with_nothing_to_do_a_cpu_is_idle() -> None:
    assert {share.idle_pct for share in shares(fleet()).values()} == {100.0}


def test_the_background_is_what_its_shares_say_on_average() -> None:
    snapshots = fleet(Scenario(), cpus=64, seconds=100)
    first, last = snapshots[0].cpus[0], snapshots[-1].cpus[0]
    for column in ("user", "nice", "system", "iowait", "irq", "softirq"):
        mean = (getattr(last, column) - getattr(first, column)) / (ticks(last) - ticks(first))
        assert mean == pytest.approx(getattr(Background(), column), rel=0.15)


@pytest.mark.parametrize(("kind", "column"), [("user", "user_pct"), ("system", "system_pct"), ("nice", "nice_pct")])
def test_a_burn_shows_in_its_hosts_cpus_and_seconds_and_nowhere_else(tmp_path: Path, kind: str, column: str) -> None:
    burn = f'[[burn]]\nhost="1-2"\ncpu="0,3"\nkind="{kind}"\nshare=0.75\nfrom=2\nuntil=5'
    scenario = scenario_of(tmp_path, f"{burn}\n[background]\nuser=0\nsystem=0\nnice=0\niowait=0\nirq=0\nsoftirq=0")
    for host, snapshots in by_host(fleet(scenario, 3, 4)).items():
        for (end_s, cpu_id), share in shares(snapshots).items():
            burns = host != "host-000" and cpu_id in ("cpu0", "cpu3") and 2 < end_s <= 5
            if cpu_id != "cpu":
                assert getattr(share, column) == (75.0 if burns else 0.0)
                assert share.idle_pct == (25.0 if burns else 100.0)


def test_a_burn_may_begin_and_end_inside_an_interval() -> None:
    scenario = Scenario(QUIET.background, (Load((0,), (0,), "system", 0.5, 2.25, 4.5),))
    found = [share.system_pct for (_, cpu_id), share in shares(fleet(scenario)).items() if cpu_id == "cpu0"]
    assert found[:6] == pytest.approx([0, 0, 37.5, 50, 25, 0], abs=1)


def test_a_burn_of_everything_leaves_nothing_to_the_background() -> None:
    scenario = Scenario(Background(), (Load((0,), (1,), "user", 1.0, 0, 10),))
    assert {share.user_pct for (_, cpu_id), share in shares(fleet(scenario)).items() if cpu_id == "cpu1"} == {100.0}


def test_burns_of_more_than_a_cpu_has_are_cut_the_later_one_first() -> None:
    loads = (Load((0,), (0,), "user", 0.75, 0, 10), Load((0,), (0,), "system", 0.75, 0, 10))
    found = shares(fleet(Scenario(QUIET.background, loads)))[5, "cpu0"]
    assert (found.user_pct, found.system_pct, found.idle_pct) == (75.0, 25.0, 0.0)


def test_a_guest_is_counted_in_user_and_only_once_in_the_shares(tmp_path: Path) -> None:
    burn = '[[burn]]\nhost=0\ncpu=1\nkind="guest"\nshare=0.5\nfrom=0\nuntil=10\n[background]\nuser=0\nsystem=0'
    first, *_, last = snapshots = fleet(scenario_of(tmp_path, burn))
    assert last.cpus[2].guest - first.cpus[2].guest == last.cpus[2].user - first.cpus[2].user == 500
    assert shares(snapshots)[5, "cpu1"].user_pct == pytest.approx(50, abs=1)


@pytest.mark.parametrize(("table", "column"), [("disk_wait", "iowait_pct"), ("noisy_neighbour", "steal_pct")])
def test_waiting_shows_in_its_own_column(tmp_path: Path, table: str, column: str) -> None:
    text = f'[[{table}]]\nhost="all"\ncpu=1\nshare=0.4\nfrom=3\nuntil=6\n[background]\nuser=0\nsystem=0\niowait=0'
    snapshots = fleet(scenario_of(tmp_path, text))
    found = {end_s: getattr(share, column) for (end_s, cpu_id), share in shares(snapshots).items() if cpu_id == "cpu1"}
    assert found == {end_s: (40.0 if 3 < end_s <= 6 else 0.0) for end_s in range(1, 11)}
    assert snapshots[4].procs_blocked == (1 if table == "disk_wait" else 0)


def test_a_host_that_reboots_is_silent_and_then_starts_over(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path, "[[reboot]]\nhost=1\nat=3.5\nsilent=4")
    hosts = by_host(fleet(scenario, 2))
    assert [(now.timestamp - START_MS) // 1000 for now in hosts["host-001"]] == [0, 1, 2, 3, 8, 9, 10]
    assert [verdict for verdict, _, _ in comparisons(hosts["host-001"])] == [
        Verdict.FIRST, Verdict.GOOD, Verdict.GOOD, Verdict.GOOD, Verdict.REBOOT, Verdict.GOOD, Verdict.GOOD,
    ]  # fmt: skip
    after = hosts["host-001"][4]
    assert after.btime == START_MS // 1000 + 3
    assert {ticks(cpu) for cpu in after.cpus[1:]} == {450}
    assert len({now.btime for now in hosts["host-000"]}) == 1


def test_a_host_that_falls_silent_works_on_and_comes_back_or_not(tmp_path: Path) -> None:
    text = "[[silence]]\nhost=0\nfrom=3\nuntil=7\n[[silence]]\nhost=1\nfrom=5"
    hosts = by_host(fleet(scenario_of(tmp_path, text), 2))
    assert [(now.timestamp - START_MS) // 1000 for now in hosts["host-000"]] == [0, 1, 2, 7, 8, 9, 10]
    assert [(now.timestamp - START_MS) // 1000 for now in hosts["host-001"]] == [0, 1, 2, 3, 4]
    (long,) = [metrics for _, _, metrics in comparisons(hosts["host-000"]) if metrics and metrics.time_delta_ms > 1000]
    assert (long.time_delta_ms, len(long.cpu_metrics)) == (5000, 3)
    before, after = hosts["host-000"][2:4]
    assert {ticks(new) - ticks(old) for old, new in zip(before.cpus[1:], after.cpus[1:], strict=True)} == {500}


def test_what_a_host_makes_while_its_network_is_away_comes_afterwards_all_at_once_and_in_order(tmp_path: Path) -> None:
    spans = ("host=1\nfrom=3\nuntil=7", "host='0,2'\nfrom=6\nuntil=8", "host=0\nfrom=10")
    text = "\n".join(f"[[held_back]]\n{span}" for span in spans)
    snapshots = fleet(scenario_of(tmp_path, text), 3)
    order = [(int(now.hostname[-1]), (now.timestamp - START_MS) // 1000) for now in snapshots]
    assert order == [
        *((host, second) for second in range(3) for host in (0, 1, 2)),
        *((host, second) for second in range(3, 6) for host in (0, 2)),
        *((1, second) for second in (3, 4, 5, 6)), (1, 7),
        (0, 6), (2, 6), (0, 7), (2, 7), *((host, 8) for host in (0, 1, 2)),
        *((host, 9) for host in (0, 1, 2)),
        (1, 10), (2, 10),
    ]  # fmt: skip
    undisturbed = by_host(fleet(Scenario(), hosts=3))
    assert by_host(snapshots) == {**undisturbed, "host-000": undisturbed["host-000"][:-1]}, "it has worked on"


@given(in_order, events(HeldBack), intervals)
def test_holding_back_changes_the_order_and_at_the_end_leaves_out_what_still_waits(
    scenario: Scenario, held_back: tuple[HeldBack, ...], interval_s: float
) -> None:
    wanted = by_host(fleet(scenario, 2, 3, interval_s=interval_s))
    found = by_host(fleet(replace(scenario, held_back=held_back), 2, 3, interval_s=interval_s))
    for host, snapshots in found.items():
        assert snapshots == wanted[host][: len(snapshots)]
    if all(span.until_s <= 10 - interval_s for span in held_back):
        assert found == wanted


def test_a_clock_that_is_wrong_moves_timestamps_and_boot_time_and_nothing_else(tmp_path: Path) -> None:
    text = "[[clock]]\nhost=0\nahead=180\n[[clock]]\nhost='0,1'\nahead=-0.5\n[[reboot]]\nhost=0\nat=4\nsilent=2"
    scenario = scenario_of(tmp_path, text)
    right = by_host(fleet(replace(scenario, clocks=()), 3))
    wrong = by_host(fleet(scenario, 3))
    for host, ahead_ms in (("host-000", 179_500), ("host-001", -500), ("host-002", 0)):
        assert [now.timestamp for now in wrong[host]] == [now.timestamp + ahead_ms for now in right[host]]
        moved = {now.btime - before.btime for now, before in zip(wrong[host], right[host], strict=True)}
        assert moved <= {ahead_ms // 1000, ahead_ms // 1000 + 1}
        assert [now.cpus for now in wrong[host]] == [now.cpus for now in right[host]]


def test_a_cpu_goes_offline_and_comes_back_with_the_counters_of_the_kernel(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path, "[[offline]]\nhost=0\ncpu=2\nfrom=3\nuntil=6")
    snapshots = fleet(scenario, cpus=4)
    there = [[cpu.id for cpu in now.cpus] for now in snapshots]
    assert there == [["cpu", "cpu0", "cpu1", *([] if 3 <= second < 6 else ["cpu2"]), "cpu3"] for second in range(11)]
    before, after = snapshots[2].cpus[3], snapshots[6].cpus[3]
    assert (after.idle, after.iowait) == (0, 0)
    assert after.user >= before.user > 0
    assert {end_s for end_s, cpu_id in shares(snapshots) if cpu_id == "cpu2"} == {1, 2, 7, 8, 9, 10}
    assert {end_s for end_s, cpu_id in shares(snapshots) if cpu_id == "cpu3"} == set(range(1, 11))
    assert {end_s for end_s, cpu_id in shares(snapshots) if cpu_id == "cpu"} == set(range(1, 11)) - {6}


def test_a_cpu_that_is_away_for_less_than_an_interval_is_left_out_of_it() -> None:
    scenario = Scenario(offline=(Offline((0,), (1,), 3.25, 3.5),))
    assert {end_s for end_s, cpu_id in shares(fleet(scenario)) if cpu_id == "cpu1"} == set(range(1, 11)) - {4}


# scenarios as people write them


def test_an_empty_scenario_is_a_fleet_with_nothing_to_do(tmp_path: Path) -> None:
    assert scenario_of(tmp_path, "") == Scenario()


def test_every_table_and_key_is_read(tmp_path: Path) -> None:
    text = """
        background = {user = 0.1, steal = 0}
        burn = [{host = "all", cpu = "0-1,3", kind = "nice", share = 1, from = 0.5, until = 2}]
        disk_wait = [{host = 1, cpu = "all", share = 0.5, from = 0, until = 1}]
        noisy_neighbour = [{host = "2,0", cpu = 3, share = 0.25, from = 0, until = 1}]
        offline = [{host = 0, cpu = 1, from = 1}]
        silence = [{host = 0, from = 1}, {host = 1, from = 2, until = 3}]
        reboot = [{host = 2, at = 5, silent = 10}]
        held_back = [{host = "0-1", from = 1}, {host = 2, from = 2, until = 3.5}]
        clock = [{host = 1, ahead = 180}, {host = 0, ahead = -1.5}]
    """
    assert scenario_of(tmp_path, text) == Scenario(
        Background(user=0.1, steal=0),
        (
            Load((0, 1, 2), (0, 1, 3), "nice", 1, 0.5, 2),
            Load((1,), (0, 1, 2, 3), "iowait", 0.5, 0, 1),
            Load((0, 2), (3,), "steal", 0.25, 0, 1),
        ),
        (Offline((0,), (1,), 1, math.inf),),
        (Silence((0,), 1, math.inf), Silence((1,), 2, 3)),
        (Reboot((2,), 5, 10),),
        (HeldBack((0, 1), 1, math.inf), HeldBack((2,), 2, 3.5)),
        (WrongClock((1,), 180), WrongClock((0,), -1.5)),
    )


BURN = {"host": "0", "cpu": "0", "kind": '"user"', "share": "1", "from": "1", "until": "2"}


def burn_with(**other: str | None) -> str:
    values = {**BURN, **{key.rstrip("_"): value for key, value in other.items()}}
    return "[[burn]]\n" + "\n".join(f"{key} = {value}" for key, value in values.items() if value is not None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[burn", "made_up.toml is not TOML: Expected ']'"),
        ("[[brun]]", "there is no table 'brun'; there is background, burn, disk_wait"),
        ("[burn]", "burn has to be tables, each written [[burn]]"),
        ("burn = [1]", "burn has to be tables, each written [[burn]]"),
        ("[[background]]", "background has to be one table, written [background]"),
        ("[background]\nidle = 1", "[background]: there is no key 'idle'; there is user, nice"),
        ("[background]\nuser = 'much'", "[background]: user has to be a number, not 'much'"),
        ("[background]\nuser = 0.3\nsystem = 0.2", "the shares come to 0.503, at most 0.4 is possible"),
        (burn_with(untill="3"), "[[burn]] number 1: there is no key 'untill'; there is host, cpu, kind"),
        (burn_with() + "\n" + burn_with(kind=None), "[[burn]] number 2: kind is missing"),
        (burn_with(kind='"users"'), "kind has to be one of user, system, nice, guest, not 'users'"),
        (burn_with(kind="[]"), "kind has to be one of user, system, nice, guest, not []"),
        (burn_with(until="1"), "until is 1 and has to be after from, which is 1"),
        (burn_with(from_="-1"), "from has to be a number from 0 to 31622400, not -1"),
        (burn_with(from_="nan"), "from has to be a number from 0 to 31622400, not nan"),
        (burn_with(until="inf"), "until has to be a number from 0 to 31622400, not inf"),
        (burn_with(from_='"1"'), "from has to be a number, not '1'"),
        (burn_with(share="true"), "share has to be a number, not True"),
        (burn_with(share="0"), "share has to be more than 0"),
        (burn_with(share="80"), "share has to be a number from 0 to 1, not 80"),
        (burn_with(host="3"), "host is 3, but the fleet has hosts 0 to 2"),
        (burn_with(host="-1"), "host is -1, but the fleet has hosts 0 to 2"),
        (burn_with(host='"1-3"'), "host is 3, but the fleet has hosts 0 to 2"),
        (burn_with(host='"2-1"'), "host has 2-1 in it, which ends before it begins"),
        (burn_with(host='"host-001"'), 'host has to be a number, a list such as "0-3,8" or "all", not \'host-001\''),
        (burn_with(host="true"), 'host has to be a number, a list such as "0-3,8" or "all", not True'),
        (burn_with(cpu="4"), "cpu is 4, but the fleet's hosts have CPUs 0 to 3"),
        ("[[offline]]\nhost = 0\ncpu = 'all'\nfrom = 1", "cpu has cpu 0 in it, which never goes offline"),
        ("[[reboot]]\nhost = 0\nat = 1\nsilent = 1", "silent has to be a number from 2"),
        ("[[silence]]\nhost = 0\nfrom = 3\nuntil = 2", "until is 2 and has to be after from, which is 3"),
        ("[[held_back]]\nhost = 0\nfrom = 3\nuntil = 3", "until is 3 and has to be after from, which is 3"),
        ("[[clock]]\nhost = 0", "[[clock]] number 1: ahead is missing"),
        ("[[clock]]\nhost = 0\nahead = 86401", "ahead has to be a number from -86400 to 86400, not 86401"),
        ("a = " + "[" * 5_000, "made_up.toml is not TOML"),
    ],
)
def test_a_wrong_scenario_is_told_in_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        scenario_of(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "made_up.toml"))
    assert says in message
    assert message.endswith(".")
    assert "\n" not in message


def test_a_file_that_is_not_there_or_is_no_text_is_told_in_one_sentence(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, says in ((tmp_path / "none.toml", "cannot be read"), (tmp_path, "cannot be read"), (binary, "not TOML")):
        with pytest.raises(BadInput, match=says):
            load_scenario(path, 1, 1)


# what is shipped


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_shipped_scenario_fits_a_fleet_of_ten_hosts_with_eight_cpus(path: Path) -> None:
    assert load_scenario(path, 10, 8) != Scenario()


def test_the_shipped_fleet_shows_everything() -> None:
    scenario = load_scenario(RECORDINGS / "scenarios" / "fleet.toml", 10, 4)
    assert {load.kind for load in scenario.loads} == {*BURN_KINDS, "iowait", "steal"}
    hosts = by_host(fleet(scenario, 10, 4, seconds=60))
    verdicts = {verdict for snapshots in hosts.values() for verdict, _, _ in comparisons(snapshots)}
    assert verdicts == {Verdict.FIRST, Verdict.GOOD, Verdict.REBOOT}
    found = {host: shares(snapshots) for host, snapshots in hosts.items()}
    assert {host for host in found if found[host][20, "cpu1"].user_pct > 70} == {f"host-00{host}" for host in range(5)}
    assert {host for host in found if (35, "cpu0") in found[host] and found[host][35, "cpu0"].steal_pct > 20} == {
        "host-007",
        "host-008",
    }
    assert {host for host in found if (20, "cpu3") not in found[host]} == {"host-009"}
    assert {host for host, snapshots in hosts.items() if snapshots[-1].timestamp != START_MS + 60_000} == {"host-008"}


@pytest.fixture(scope="session", params=SIMULATED)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A shipped recording, and the same one made anew."""
    path = tmp_path_factory.mktemp("made") / f"{request.param}.gz"
    assert main([request.param, str(path)]) == 0
    return RECORDINGS / path.name, path


def test_a_shipped_recording_is_what_its_maker_makes(made: tuple[Path, Path]) -> None:
    shipped, anew = made
    # Packed, they may differ: zlib and zlib-ng, which some Pythons have, pack the same bytes in different ways.
    assert gzip.decompress(shipped.read_bytes()) == gzip.decompress(anew.read_bytes())
    assert shipped.with_suffix(".json").read_text() == anew.with_suffix(".json").read_text()


def test_a_shipped_recording_is_small() -> None:
    assert all((RECORDINGS / f"{name}.gz").stat().st_size < 100_000 for name in SIMULATED)


def described(name: str) -> tuple[dict[str, Any], list[Snapshot]]:
    about = json.loads((RECORDINGS / f"{name}.json").read_text())
    return about, list(ReplaySource(RECORDINGS / f"{name}.gz"))


@pytest.mark.parametrize("name", SIMULATED)
def test_a_shipped_recording_has_the_readings_that_its_description_counts(name: str) -> None:
    about, snapshots = described(name)
    assert len(snapshots) == about["readings"] == SIMULATED[name].seconds + 1
    assert {now.hostname for now in snapshots} == {about["hostname"]}
    steps = {now.timestamp - before.timestamp for before, now in pairwise(snapshots)}
    assert (snapshots[0].timestamp, steps) == (about["first_ms"], {about["interval_s"] * 1000})
    assert [cpu.id for cpu in snapshots[0].cpus] == about["cpus"]
    assert next(read_recording(RECORDINGS / f"{name}.gz")).text.startswith("cpu  ")


@pytest.mark.parametrize("name", SIMULATED)
def test_a_shipped_recording_shows_what_its_description_says_and_nothing_else(name: str) -> None:
    about, snapshots = described(name)
    # Background of one column and CPU: at most a quarter more than the mean, twice over, and a tick of rounding.
    most = {column: share * 2.5 * 100 + 2 for column, share in about["background"].items()}
    waits = [{**wait, "kind": kind} for kind in ("iowait", "steal") for wait in about[kind]]
    for (end_s, cpu_id), found in shares(snapshots).items():
        end_ms = about["first_ms"] + end_s * 1000
        said = {
            load["kind"]: load["share"] * 100
            for load in (*about["burns"], *waits)
            if load["cpu_id"] == cpu_id and load["from_ms"] < end_ms <= load["until_ms"]
        }
        columns = {column: getattr(found, f"{column}_pct") for column in COUNTED}
        assert math.isclose(sum(columns.values()), 100, abs_tol=1e-9)
        if cpu_id != "cpu":
            for column in set(COUNTED) - {"idle"}:
                assert 0 <= columns[column] - said.get(column, 0.0) + 1 <= most[column] + 1


def test_eight_cpus_has_three_burns_that_differ_and_one_second_of_waiting() -> None:
    about, snapshots = described("eight_cpus")
    for key in ("cpu_id", "kind", "share"):
        assert len({burn[key] for burn in about["burns"]}) == 3
    ordered = sorted(about["burns"], key=lambda burn: burn["from_ms"])
    assert all(now["from_ms"] > before["until_ms"] for before, now in pairwise(ordered))
    waits = {
        (end_s, cpu_id) for (end_s, cpu_id), share in shares(snapshots).items()
        if cpu_id != "cpu" and (share.steal_pct > 10 or share.iowait_pct > 10)
    }  # fmt: skip
    (iowait,), (steal,) = about["iowait"], about["steal"]
    assert waits == {((steal["until_ms"] - about["first_ms"]) / 1000, steal["cpu_id"])}
    assert (iowait["cpu_id"], iowait["until_ms"]) == (steal["cpu_id"], steal["until_ms"])
    assert steal["until_ms"] - steal["from_ms"] == 1000


def test_cpu_goes_away_leaves_the_others_alone_and_its_idle_starts_over() -> None:
    about, snapshots = described("cpu_goes_away")
    (away,) = about["offline"]
    for now in snapshots:
        gone = {away["cpu_id"]} if away["from_ms"] <= now.timestamp < away["until_ms"] else set()
        assert {cpu.id for cpu in now.cpus} == set(about["cpus"]) - gone
    found = shares(snapshots)
    from_s, until_s = ((away[key] - about["first_ms"]) / 1000 for key in ("from_ms", "until_ms"))
    ends = {cpu_id: {end_s for end_s, other in found if other == cpu_id} for cpu_id in about["cpus"]}
    everywhere = {float(second) for second in range(1, SIMULATED["cpu_goes_away"].seconds + 1)}
    assert ends["cpu0"] == ends["cpu1"] == ends["cpu2"] == everywhere
    assert everywhere - ends["cpu3"] == {end_s for end_s in everywhere if from_s <= end_s <= until_s}
    assert everywhere - ends["cpu"] == {until_s}
    before = next(now for now in reversed(snapshots) if now.timestamp < away["from_ms"]).cpus[-1]
    after = next(now for now in snapshots if now.timestamp == away["until_ms"]).cpus[-1]
    assert (before.id, after.id, after.idle, after.iowait) == ("cpu3", "cpu3", 0, 0)
    assert before.idle - after.idle > IDLE_RESET_TICKS
    assert 0 < before.user <= after.user < before.user + 100


def test_nothing_is_written_over_a_recording_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.gz"
    path.write_text("mine")
    assert main(["eight_cpus", str(path)]) == 2
    assert capsys.readouterr().err == f"{path} is there already; nothing was written.\n"
    assert [file.name for file in tmp_path.iterdir()] == ["mine.gz"]


@pytest.mark.parametrize("words", [[], ["eight_cpus"], ["nine_cpus", "nine.gz"]])
def test_another_name_is_refused_with_the_names_that_there_are(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err == "Give NAME and FILE; NAME is one of two_cpus, eight_cpus, cpu_goes_away.\n"
