"""What the exercises of 21 have to do: a join of two keyed streams, and a look-up of the name at the row's own time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from labkit.flink.rest import FlinkRest
from labkit.kafka.producer import produce
from labkit.kafka.topics import Topic, admin_client, create_topics
from labkit.settings import Settings
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.system.waiting import NotInTime, wait_until
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.flink_trial import committed
from labkit.workshop.checks.join_trial import joined_on_cluster
from labkit.workshop.checks.operator_trial import Operator
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.checks.rules import Meets
from labkit.workshop.checks.statements import (
    made_table,
    require_address,
    require_same,
    require_topic,
    table_text,
    two_statements,
)
from labkit.workshop.checks.stream_trial import RESTART, Fault, Stream, Watermark
from labkit.workshop.course.contents import Start
from labkit.workshop.lesson import begin, tidy
from labkit.workshop.parts.two_streams import readings, source, watermark_of_join

__all__ = ["JUDGES", "MEETS", "judge_21a", "judge_21b"]

_SUFFIX = "_ex21"

MEETS: Meets = {
    "21a": {
        "task": "pairs and rows alone by hand: either side first, several partners, rows that come twice, hosts apart; "
        "then a fleet's on the cluster",
        "boundaries": "memory exactly `before` older and `after` newer, and 1 ms beyond; the watermark 1 ms before the "
        "moment, at it and far behind it; bounds of 0; a row in a pair and one alone at the same watermark",
        "given": "the row is compared before and after each call",
        "arguments": "made for four pairs of bounds, of which each is the greater one once",
        "ends": "each element and each timer has 10 s, and may give 1,000 results",
        "twice": "the operator is made and fed a second time; another one runs on the cluster",
        "point": "a restart keeps state and timers; what is left in the state at the end is looked at",
    },
    "21b": {
        "task": "each row once, with the name of its time: hosts whose name changes, with one name, with none yet, "
        "with none at all",
        "boundaries": "a name of the very ms of a row, of 1 ms before and of 1 ms after it; names that two hosts have; "
        "names with separators",
        "arguments": "asked with another broker's address as well: it has to be in the text",
        "ends": "what has come after some checkpoints is looked at; the job is ended",
        "twice": "asked twice, the texts are the same",
        "point": "the SELECT is run on the cluster; rows that wait are told with the watermark of the job",
    },
}


# ------------------------------------------------------------------------------------------------------------- 21a

_TODAY = 1_795_168_800_000
_CPU, _MEMORY = 1, 2
_SAID = {_CPU: "row of CPU", _MEMORY: "row of memory"}
#: (before, after), in ms.
_BOUNDS = ((500, 500), (2_000, 300), (0, 1_000), (0, 0))
#: A row that came: (which stream, host, ms)
_Came = tuple[int, str, int]


def judge_21a(join: Any, settings: Settings) -> str:
    """Rows and watermarks by hand, for four pairs of bounds; then three hosts on the cluster."""
    for before, after in _BOUNDS:
        _by_hand(join, before, after)
    return _on_the_cluster(join)


def _operator_of(join: Any, before: int, after: int) -> Any:
    what = f"before {before} and after {after}"
    return called(join, (before, after), what, names=("before", "after"))


def _script(before: int, after: int) -> Iterator[Any]:
    """Rows, watermarks and restarts, each edge of the bounds in it; no row comes late."""
    gap = before + after + 1_000
    start = 10 * gap
    # CPU comes first: what is just within reach, and what is not.
    yield _CPU, "web", start
    yield _MEMORY, "web", start + after
    yield _MEMORY, "web", start + after + 1
    yield _MEMORY, "web", start - before
    yield _MEMORY, "web", start - before - 1
    yield _MEMORY, "web", start - before // 2
    yield _MEMORY, "web", start + after // 2
    # Memory comes first.
    yield _MEMORY, "db-1", start
    yield _CPU, "db-1", start + before
    yield _CPU, "db-1", start + before + 1
    yield _CPU, "db-1", start - after
    yield _CPU, "db-1", start - after - 1
    # The same times on another host; rows that came before.
    yield _CPU, "db/1", start
    yield from ((_CPU, "web", start), (_MEMORY, "web", start + after), (_CPU, "db-1", start + before))
    yield from ((_MEMORY, "db-1", start), (_CPU, "db/1", start))
    # One of CPU that stays alone, and two whose partner comes after the restart.
    yield _CPU, "web", start + 3 * gap
    yield _MEMORY, "web", start + 5 * gap
    yield _CPU, "a b", start + 6 * gap
    yield Watermark(start - 2)
    yield Watermark(start - 1)
    yield Watermark(start + after - 1)
    yield Watermark(start + after)
    yield RESTART
    yield _CPU, "web", start + after + 1
    yield _CPU, "web", start + after + 1 + before
    yield _CPU, "web", start + 3 * gap
    yield _MEMORY, "a b", start + 6 * gap + after
    yield Watermark(start + 3 * gap + after - 1)
    yield Watermark(start + 3 * gap + after)
    yield Watermark(start + 5 * gap + before - 1)
    yield _CPU, "web", start + 5 * gap + before
    yield Watermark(start + 6 * gap + after - 1)
    # Three partners at once, of either side.
    yield from ((_MEMORY, "web", start + 8 * gap + far) for far in (-before, 0, after))
    yield _CPU, "web", start + 8 * gap
    yield from ((_CPU, "db-1", start + 8 * gap + far) for far in (-after, 0, before))
    yield _MEMORY, "db-1", start + 8 * gap
    yield Watermark(start + 50 * gap)
    yield RESTART
    yield _CPU, "web", start + 60 * gap
    yield Watermark(start + 60 * gap + after)
    yield Watermark(start + 99 * gap)


def _by_hand(join: Any, before: int, after: int) -> None:
    script: list[Any] = [now if now is RESTART else _moved(now) for now in _script(before, after)]
    wants = iter(list(_joined(script, before, after)))
    stream = Stream(
        lambda history, **otherwise: _joined(history, before, after, **otherwise), _FAULTS,
        "hostname, cpu_at, memory_at", in_any_order=True,
    )  # fmt: skip
    for now in script:
        if now is RESTART:
            stream.restart()
        elif isinstance(now, Watermark):
            stream.advance(now.at, next(wants))
        else:
            side, host, at = now
            said = f"{host}'s {_SAID[side]} at {at} ms (before {before}, after {after})"
            stream.expect(host, _row(host), now, next(wants), said, at, side)
    operator = stream.judge(lambda: Operator(_operator_of(join, before, after), inputs=2))
    if left := operator.left():
        name, value = next(iter(left.items()))
        raise NotYet(
            f"Long after the last row there is still something in the state: {name} has {shown(value)}.",
            "A row that nothing can come for any more is taken out of the state; a state that holds nothing is "
            "cleared.",
        )


def _moved(now: Any) -> Any:
    if isinstance(now, Watermark):
        return Watermark(_TODAY + now.at)
    side, host, at = now
    return side, host, _TODAY + at


def _row(host: str) -> Any:
    from pyflink.common import Row

    return Row(host)


def _within(before: int, after: int, cpu_at: int, memory_at: int) -> bool:
    return cpu_at - before <= memory_at <= cpu_at + after


@dataclass(frozen=True)
class _Way:
    """How a join does each thing; the defaults are right."""

    meets: Callable[[int, int, int, int], bool] = _within
    #: The sides whose rows wait for the other's.
    waits: frozenset[int] = frozenset({_CPU, _MEMORY})
    tells: Callable[[bool], bool] = lambda met: not met
    tells_at_once: bool = False
    tells_of_memory: bool = False
    due: Callable[[int, int, int], int] = lambda at, before, after: at + after
    kept_for: Callable[[int, int], int] = lambda before, after: before
    latest: bool = False
    doubles: bool = False
    first: bool = False
    consumes: bool = False
    forgets: bool = False


class _Join:
    """What comes of each row and watermark, where it is done in that way."""

    def __init__(self, before: int, after: int, way: _Way) -> None:
        self._before, self._after, self._way = before, after, way
        #: {(side, host): {time: whether it is in a pair}}
        self._kept: dict[tuple[int, str], dict[int, bool]] = {}
        self._timers: set[tuple[int, int, str, int]] = set()

    def restart(self) -> None:
        if self._way.forgets:
            self._kept = {}

    def advance(self, watermark: int) -> list[Any]:
        over = sorted(one for one in self._timers if one[0] <= watermark)
        self._timers -= set(over)
        rows = []
        for _, side, host, at in over:
            met = self._kept.get((side, host), {}).pop(at, None)
            if side == _CPU and met is not None and self._way.tells(met) and not self._way.tells_at_once:
                rows.append([host, at, None])
            elif side == _MEMORY and met is False and self._way.tells_of_memory:
                rows.append([host, None, at])
        return rows

    def come(self, side: int, host: str, at: int) -> list[Any]:
        way, own = self._way, self._kept.setdefault((side, host), {})
        others = self._kept.setdefault((_CPU + _MEMORY - side, host), {})
        if at in own and not way.doubles:
            return []
        pairs = [(at, other) if side == _CPU else (other, at) for other in others]
        found = [pair for pair in pairs if way.meets(self._before, self._after, *pair)]
        found = found[:1] if way.first or way.consumes else found
        partners = [pair[1] if side == _CPU else pair[0] for pair in found]
        others.update(dict.fromkeys(partners, True))
        if way.latest:
            own.clear()
        if side in way.waits:
            own[at] = bool(found) or own.get(at, False)
            over = way.due(at, self._before, self._after) if side == _CPU else at + way.kept_for(
                self._before, self._after
            )  # fmt: skip
            self._timers.add((over, side, host, at))
        for partner in partners if way.consumes else ():
            own.pop(at, None)
            others.pop(partner)
        alone = [[host, at, None]] if way.tells_at_once and side == _CPU and not found else []
        return [*([host, *pair] for pair in found), *alone]


def _joined(history: Iterable[Any], before: int, after: int, **otherwise: Any) -> Iterator[list[Any]]:
    """What comes of each row and watermark where one thing is done in another way. Without any it is right."""
    join = _Join(before, after, _Way(**otherwise))
    for now in history:
        if now is RESTART:
            join.restart()
        elif isinstance(now, Watermark):
            yield join.advance(now.at)
        else:
            yield join.come(*now)


def _strictly(before: int, after: int, cpu_at: int, memory_at: int) -> bool:
    return cpu_at - before < memory_at < cpu_at + after


def _exchanged(before: int, after: int, cpu_at: int, memory_at: int) -> bool:
    return cpu_at - after <= memory_at <= cpu_at + before


_EDGES = "Exactly `before` older and exactly `after` newer are within the bounds: <=."
_WHICH = "`before` is how much older memory may be, `after` how much newer."
_FIRST = "Either side may come first: a row looks at what the other side has kept, and is kept itself."
_TOLD = "It is alone where the watermark has come to cpu_at + after: then, and not before or after that."
_FAULTS = (
    Fault(_FIRST, {"waits": frozenset({_CPU})}),
    Fault(_FIRST, {"waits": frozenset({_MEMORY})}),
    Fault(_EDGES, {"meets": _strictly}),
    Fault(_EDGES, {"meets": lambda before, after, cpu, memory: cpu - before < memory <= cpu + after}),
    Fault(_EDGES, {"meets": lambda before, after, cpu, memory: cpu - before <= memory < cpu + after}),
    Fault(_WHICH, {"meets": _exchanged}),
    Fault(_WHICH, {"meets": lambda before, after, cpu, memory: abs(cpu - memory) <= after}),
    Fault(_WHICH, {"meets": lambda before, after, cpu, memory: abs(cpu - memory) <= before}),
    Fault("When a row of CPU comes, nobody knows yet whether it is alone: only the watermark says so.",
          {"tells_at_once": True}),
    Fault("A row that is in a pair is not alone: keep beside each row whether it has met one.",
          {"tells": lambda met: True}),
    Fault("Nobody told of the rows of CPU that are alone: on_timer may yield as well.", {"tells": lambda met: False}),
    Fault("Of a row of memory that is alone nothing is told.", {"tells_of_memory": True}),
    Fault("Several rows of one side may wait at the same time: keep them all, each with its time.", {"latest": True}),
    Fault("A row that came before (the same stream, host and time) changes nothing.", {"doubles": True}),
    Fault("A row may be in several pairs: all that it meets are asked for, not the first.", {"first": True}),
    Fault("A row may be in several pairs: it stays where it is when it has met one.", {"consumes": True}),
    Fault("After the restart the rows from before were not known any more: they belong in state, got in open.",
          {"forgets": True}),
    Fault(_TOLD, {"due": lambda at, before, after: at + after + 1}),
    Fault(_TOLD, {"due": lambda at, before, after: at + before}),
    Fault(_TOLD, {"due": lambda at, before, after: at}),
    Fault(_TOLD, {"due": lambda at, before, after: at + before + after}),
    Fault("A row of memory went too early: CPU may come for it up to `before` ms later.",
          {"kept_for": lambda before, after: 0}),
    Fault("A row of memory went too early: CPU may come for it up to `before` ms later.",
          {"kept_for": lambda before, after: after}),
)  # fmt: skip

#: Of the hosts on the cluster memory is read 200 ms after CPU.
_ON_CLUSTER = (100, 400)


def _on_the_cluster(join: Any) -> str:
    own = begin("21", say=lambda _: None, suffix=_SUFFIX, start=Start.TOPICS, checkpoint_interval_s=1, partitions=1)
    cpu, memory = readings(own)
    history: list[Any] = [(_CPU, one.hostname, one.timestamp) for one in cpu]
    history += [(_MEMORY, one.hostname, one.timestamp) for one in memory]
    history.append(Watermark(min(cpu[-1].timestamp, memory[-1].timestamp) - 750))
    want = [row for rows in _joined(history, *_ON_CLUSTER) for row in rows]

    def attach(keyed: Any) -> Any:
        from pyflink.common import Types

        return keyed.process(_operator_of(join, *_ON_CLUSTER), Types.PICKLED_BYTE_ARRAY())

    found = joined_on_cluster(own, "join", cpu, memory, attach, count=len(want))
    came, due = Counter(map(tuple, found)), Counter(map(tuple, want))
    extra, missing = came - due, due - came
    if extra or missing:
        one = next(iter(extra or missing))
        raise NotYet(
            f"By hand it was right. On the cluster there were {len(found)} rows of {len(want)}: {list(one)} is "
            f"{'one too many' if extra else 'missing'}.", "",
        )  # fmt: skip
    alone = sum(row[2] is None for row in found)
    return f"{len(found) - alone} pairs on the cluster, and {alone} rows of CPU alone, each told once."


# ------------------------------------------------------------------------------------------------------------- 21b

_TOPIC = f"procstat_names{_SUFFIX}"
_KINDS = ("CREATE.*", r"(SELECT|WITH|\().*")
_CPUS = (CpuTimes("cpu", 400, 0, 90, 9_000, 5, 0, 1, 0), CpuTimes("cpu0", 400, 0, 90, 9_000, 5, 0, 1, 0))
#: {host: (ms after the start from which on, name)}; the order of all is that of their times.
_NAMES: Mapping[str, Sequence[tuple[int, str]]] = {
    "web": ((-3_600_000, "front"), (10_000, "front-2"), (20_001, "front/3"), (29_999, "front 4")),
    "db-1": ((5_500, "store"),),
    "a b/1": ((-1_000, "front"), (25_000, "store")),
    "late": ((50_000, "soon"),),
}
_NAMELESS = "nameless"
#: Each host is read every five seconds, and once more long after.
_READ_MS = range(0, 45_000, 5_000)
_LAST_MS, _QUIET_MS = 1_800_000, 3_600_000
_METRIC_WITHIN_S = 10.0


def _readings() -> list[tuple[str, int]]:
    """(host, ms after the start) of all that has to come out."""
    return [(host, at) for at in _READ_MS for host in (*_NAMES, _NAMELESS)]


def _name_of(host: str, at: int, *, holds: Callable[[int, int], bool] = lambda since, at: since <= at) -> str | None:
    """The name of that time; with another `holds` by another rule."""
    held = [name for since, name in _NAMES.get(host, ()) if holds(since, at)]
    return held[-1] if held else None


def judge_21b(statements: Any, settings: Settings) -> str:
    """Each row with the name of its time, from a job on the cluster."""
    require_address(partial(_two, statements), settings)
    own, tables = _begin_names()
    try:
        texts = _two(statements, own)
        require_same(texts, _two(statements, own))
        name = made_table(tables, texts[0])
        require_topic(name, table_text(tables, name), _TOPIC)
        job_id, topic = _run(own, tables, texts[1])
        found = [json.loads(record.value()) for record in committed(own, job_id, topic, len(_readings()))]
        rows = [(row["hostname"], row["ms"], row["name"]) for row in found]
        _judge_rows(rows, lambda: _watermark(own, job_id))
    finally:
        tidy(own)
    return f"{len(rows)} rows of {len(_NAMES) + 1} hosts, each with the name of its time."


def _two(statements: Any, settings: Settings) -> list[str]:
    return two_statements(
        statements, settings, _KINDS, "A CREATE TABLE, then a SELECT.",
        "The first is CREATE TABLE …, the second SELECT …; the check writes what that gives.",
    )  # fmt: skip


def _begin_names() -> tuple[Settings, Any]:
    """Names and rows of CPU in their topics, and a session that knows the table `cpu`."""
    from labkit.flink.environment import remote_environment

    own = begin("21", say=lambda _: None, suffix=_SUFFIX, start=Start.TOPICS, checkpoint_interval_s=1, partitions=1)
    admin = admin_client(own.kafka_bootstrap)
    new = NewTopic(_TOPIC, 1, replication_factor=1, config={"cleanup.policy": "compact", "retention.ms": "-1"})
    admin.create_topics([new])[_TOPIC].result()
    namer = Producer({"bootstrap.servers": own.kafka_bootstrap})
    named = sorted((since, host, name) for host, names in _NAMES.items() for since, name in names)
    for since, host, name in (*named, (_QUIET_MS, "nobody", "nothing")):
        namer.produce(_TOPIC, json.dumps({"name": name}), key=host, timestamp=_TODAY + since)
    namer.flush()
    produce(own.flow, [Snapshot(host, _TODAY + at, _CPUS) for host, at in (*_readings(), (_NAMELESS, _LAST_MS))])
    once = {"restart-strategy.type": "none"}  # what fails is to be heard of, not tried for ever
    _, tables = remote_environment(own.cluster, own.job_name("named"), parallelism=1, resume_from=None, **once)
    tables.execute_sql(source(own, "cpu", "procs_running BIGINT"))
    return own, tables


def _run(own: Settings, tables: Any, query: str) -> tuple[str, str]:
    """Hand the job over: (its id, the topic to which it writes)."""
    topic = f"procstat_{own.job_name('named')}"
    create_topics(own.kafka_bootstrap, [Topic(topic, 1)])
    tables.execute_sql(f"""
        CREATE TABLE what_comes (hostname STRING, ms BIGINT, name STRING)
        WITH ('connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json',
            'properties.bootstrap.servers' = '{own.kafka_bootstrap}',
            'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = '{topic}')""")
    tables.get_config().set("pipeline.name", own.job_name("named"))
    client = tables.execute_sql(f"INSERT INTO what_comes {query}").get_job_client()
    return str(client.get_job_id()), topic


def _watermark(own: Settings, job_id: str) -> int | None:
    """That of the job's join. Its metric may come later than checkpoints do; None where there is none by then."""
    rest = FlinkRest(own.flink_url)
    with suppress(NotInTime):
        return wait_until(
            lambda: watermark_of_join(rest, job_id), "The join has a watermark", _METRIC_WITHIN_S,
            seen=lambda: f"its job is {rest.state(job_id)}",
        )  # fmt: skip
    return None


_Named = tuple[str, int, str | None]


def _judge_rows(rows: Sequence[_Named], watermark: Callable[[], int | None]) -> None:
    """Raise `NotYet` where a row is missing, comes twice, or has another name than that of its time."""
    want = {(host, _TODAY + at): _name_of(host, at) for host, at in _readings()}
    due = [row for row in rows if row[:2] in want]
    counts = Counter(row[:2] for row in due)
    odd = [row for row in rows if row[:2] not in want and row[:2] != (_NAMELESS, _TODAY + _LAST_MS)]
    if odd:
        raise NotYet(f"The row {shown(odd[0])} is of no row of CPU.", "The columns are hostname, timestamp and name.")
    wrong = [row for row in due if row[2] != want[row[:2]]]
    if wrong:
        host, at, name = wrong[0]
        raise NotYet(
            f"{host} at {at} ms is called {shown(name)}; its name at that time was {shown(want[host, at])}."
            f"{_again(counts, host, at)}{_others(len(wrong), len(want))}", _why_name(due),
        )  # fmt: skip
    if twice := [key for key, count in counts.items() if count > 1]:
        host, at = twice[0]
        raise NotYet(f"{host} at {at} ms came {counts[host, at]} times.", "Each row of cpu is asked for once.")
    if missing := [key for key in want if key not in counts]:
        host, at = missing[0]
        said = f"{len(counts)} of {len(want)} rows came; {host} at {at} ms is missing."
        if all(want[key] is None for key in missing):
            raise NotYet(said, "Who had no name keeps its row, with NULL: a LEFT JOIN.")
        if not counts or max(at for _, at in counts) < min(at for _, at in missing):
            raise NotYet(f"{said} {_waits(watermark())}",
                         "A row waits until the watermarks of both tables have passed it.")  # fmt: skip
        raise NotYet(said, "")


def _again(counts: Mapping[tuple[str, int], int], host: str, at: int) -> str:
    return f" (That row came {counts[host, at]} times.)" if counts[host, at] > 1 else ""


def _others(wrong: int, all_of_them: int) -> str:
    return f" (So it goes with {wrong} of {all_of_them} rows.)" if wrong > 1 else ""


def _waits(watermark: int | None) -> str:
    return f"The join's watermark is {watermark} ms." if watermark else "The join has no watermark yet."


def _why_name(due: Sequence[_Named]) -> str:
    """The usual mistake that gives just these names; "" where none does."""
    found = [(host, at - _TODAY, name) for host, at, name in due]
    faults: Sequence[tuple[str, Callable[[int, int], bool]]] = (
        ("That is the newest name, whenever the row is from: FOR SYSTEM_TIME AS OF goes by the time of the row.",
         lambda since, at: True),
        ("A name holds from the very ms of its record on.", lambda since, at: since < at),
        ("A name holds from its own time on, not earlier.", lambda since, at: since <= at + 1_000),
    )  # fmt: skip
    for hint, holds in faults:
        if all(name == _name_of(host, at, holds=holds) for host, at, name in found):
            return hint
    return ""


JUDGES = {"21a": judge_21a, "21b": judge_21b}
