"""What the exercises of 20 have to do: a condition on pairs of snapshots, and a table that is written by key."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from typing import Any

from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce
from labkit.kafka.topics import Topic, create_topics
from labkit.settings import Settings
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.system.waiting import patience
from labkit.workshop.checks.calling import called, shown
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
from labkit.workshop.course.contents import Start
from labkit.workshop.lesson import begin, tidy

__all__ = ["JUDGES", "MEETS"]

MEETS: Meets = {
    "20a": {
        "task": "a host for each sentence, and what the condition leaves of it, from a job on the cluster",
        "boundaries": "0 ms, 1 ms and older; 30 days exactly and 1 ms more; btime 0, 1, 2 and 5 s away, both ways; "
        "intervals from 1 ms to 40 days",
        "arguments": "nothing: it is given none; the text is put into the query as it stands",
        "ends": "the topic is read up to its end, and what fails is not tried again",
        "twice": "asked twice, the text is the same",
        "point": "the condition runs in Flink, on the pairs that LAG has made",
    },
    "20b": {
        "task": "columns and types, key, formats and topic of the table; the last message of each key, for every host",
        "boundaries": "hosts with one, two and three snapshots; the newest comes last, or not; names with - _ . and "
        "capital letters",
        "arguments": "asked with another broker's address as well: it has to be in the text",
        "ends": "the topic is read up to its end; a table without its topic is told before its job would wait for it",
        "twice": "asked twice, the texts are the same",
        "point": "an INSERT is run on the cluster, and what counts is the last message of each key in the topic",
    },
}

_SUFFIX = "_ex20"
_START_MS = 1_795_368_345_000
_BOOT_S = 1_795_000_000
_DAY_MS = 86_400_000
_MOST_MS = 30 * _DAY_MS
_WITHIN_MS = 60_000
_CPUS = (CpuTimes("cpu", 400, 0, 90, 9_000, 5, 0, 1, 0), CpuTimes("cpu0", 400, 0, 90, 9_000, 5, 0, 1, 0))


@dataclass(frozen=True, slots=True)
class _Host:
    """Snapshots as (ms after the start, s that btime has moved), in the order in which they come."""

    what: str
    snapshots: tuple[tuple[int, int], ...]


_HOSTS = {
    "steady": _Host("a host that works on", ((0, 0), (1_000, 0), (2_001, 0))),
    "web-1.lab_A": _Host("a host of which there is one snapshot", ((0, 0),)),
    "tiny": _Host("the next snapshot, 1 ms later", ((0, 0), (1, 0))),
    "paused": _Host("silent for an hour", ((0, 0), (3_600_000, 0))),
    "weeks": _Host("silent for 29 days", ((0, 0), (29 * _DAY_MS, 0))),
    "exact": _Host("silent for 30 days to the ms", ((0, 0), (_MOST_MS, 0))),
    "clock": _Host("its clock was set right, so btime moved by one second", ((0, 0), (1_000, 1), (2_000, 0))),
    "reboot": _Host("started anew", ((0, 0), (60_000, 55))),
    "quick": _Host("started anew, btime is two seconds later", ((0, 0), (3_000, 2))),
    "back": _Host("started anew, btime is two seconds earlier", ((0, 0), (3_000, -2))),
    "soon": _Host("started anew, btime is five seconds later", ((0, 0), (6_000, 5))),
    "moved": _Host("started anew, with a clock that was set back by days", ((0, 0), (60_000, -3 * 86_400))),
    "twice": _Host("one snapshot came twice", ((0, 0), (1_000, 0), (1_000, 0))),
    "late": _Host("an older snapshot came last", ((0, 0), (2_000, 0), (1_000, 0))),
    "turned": _Host("its first two snapshots changed places", ((1_000, 0), (0, 0), (2_000, 0))),
    "longer": _Host("silent for 30 days and 1 ms", ((0, 0), (_MOST_MS + 1, 0))),
    "set": _Host("an older snapshot came last, and its btime is a second later", ((2_000, 0), (1_000, 1))),
    "asleep": _Host("silent for 40 days, and btime moved by one second", ((0, 0), (40 * _DAY_MS, -1))),
    "silent": _Host("silent for 40 days", ((0, 0), (40 * _DAY_MS, 0))),
}

Rule = Callable[[int], bool]
#: Each part of the condition, the right one first: (what is asked of a difference, the hint where this was asked)
_NEWER: Sequence[tuple[Rule, str]] = (
    (lambda ms: ms > 0, ""),
    (lambda ms: ms >= 0, "The same moment again is not newer: `timestamp` > earlier.`timestamp`."),
    (lambda ms: ms != 0, "An older snapshot does not count: `timestamp` > earlier.`timestamp`, without ABS."),
    (lambda ms: True, "Is there a part that asks whether it is newer? `timestamp` > earlier.`timestamp`."),
    (lambda ms: ms < 0, "The other way round: `timestamp` is the newer one."),
    (lambda ms: ms >= 1_000, "Newer is newer, by 1 ms as well: `timestamp` > earlier.`timestamp`."),
)
_LIMIT: Sequence[tuple[Rule, str]] = (
    (lambda ms: ms <= _MOST_MS, ""),
    (lambda ms: ms < _MOST_MS, "30 days at most: exactly 30 days count, so <=."),
    (
        lambda ms: True,
        "A host that was silent for more than 30 days is a new one: the difference is 2592000000 at most.",
    ),
    (lambda ms: ms <= 30 * 86_400, "2592000 are the seconds of 30 days; `timestamp` is in ms: 2592000000."),
    (lambda ms: ms <= -1_702_967_296, "30 * 86400000 is too large for an INT and becomes negative: write 2592000000."),
    (lambda ms: ms <= 31 * _DAY_MS, "30 days are 2592000000 ms, not more."),
    (lambda ms: ms <= _DAY_MS, "30 days are 2592000000 ms; 86400000 is one day."),
    (lambda ms: ms > _MOST_MS, "The other way round: up to 30 days it counts."),
)
_BTIME: Sequence[tuple[Rule, str]] = (
    (lambda s: abs(s) <= 1, ""),
    (lambda s: s == 0, "btime may move by one second, forward or back: ABS(…) <= 1."),
    (lambda s: s <= 1, "btime may move back by days at a new start as well: ABS(…) <= 1."),
    (lambda s: s >= -1, "btime moves forward at a new start: ABS(…) <= 1."),
    (lambda s: abs(s) <= 2, "Two seconds are a new start: ABS(…) <= 1, or < 2."),
    (lambda s: abs(s) < 10, "Two seconds are a new start: ABS(…) <= 1."),
    (lambda s: abs(s) <= 1_000, "btime is in seconds: one second is 1."),
    (lambda s: True, "Is there a part on btime? After a new start it is more than 1 s away."),
    (lambda s: s >= 0, "btime may move back by one second, too: ABS(…) <= 1."),
    (lambda s: s <= 0, "btime may move forward by one second, too: ABS(…) <= 1."),
    (lambda s: 0 <= s <= 1, "btime may move back by one second, too: ABS(…) <= 1."),
    (lambda s: abs(s) == 1, "btime that has not moved at all is no new start either: <= 1."),
    (lambda s: abs(s) > 1, "The other way round: it counts where btime is at most 1 s away."),
    (lambda s: abs(s) >= 1, "The other way round: it counts where btime is at most 1 s away."),
)


def _sent(host: str) -> list[Snapshot]:
    return [Snapshot(host, _START_MS + after, _CPUS, btime=_BOOT_S + moved) for after, moved in _HOSTS[host].snapshots]


def _kept(host: str, newer: Rule, limit: Rule, btime: Rule) -> set[tuple[int, int]]:
    """{(timestamp, length)} of the pairs that such a condition keeps."""
    return {
        (now.timestamp, now.timestamp - before.timestamp)
        for before, now in pairwise(_sent(host))
        if newer(now.timestamp - before.timestamp)
        and limit(now.timestamp - before.timestamp)
        and btime(now.btime - before.btime)
    }


def _kept_by_or(host: str) -> set[tuple[int, int]]:
    """Those that "newer AND limit AND btime the same OR btime a second later OR a second earlier" keeps."""
    as_it_was = _kept(host, _NEWER[0][0], _LIMIT[0][0], lambda s: s == 0)
    return as_it_was | _kept(host, lambda ms: True, lambda ms: True, lambda s: abs(s) == 1)


def _right(host: str) -> set[tuple[int, int]]:
    return _kept(host, _NEWER[0][0], _LIMIT[0][0], _BTIME[0][0])


def _hint(found: Mapping[str, set[tuple[Any, Any]]]) -> str:
    """What was asked instead, where one or two mistakes together keep just these pairs; else ""."""
    fitting: dict[int, set[str]] = defaultdict(set)
    for parts in product(_NEWER, _LIMIT, _BTIME):
        hints = [hint for _, hint in parts if hint]
        rules = [rule for rule, _ in parts]
        if len(hints) <= 2 and all(_kept(host, *rules) == found.get(host, set()) for host in _HOSTS):
            fitting[len(hints)].add(" ".join(hints))
    if all(_kept_by_or(host) == found.get(host, set()) for host in _HOSTS):
        return "AND binds closer than OR: put what OR joins into parentheses."
    least = fitting[min(fitting)] if fitting else set()
    return least.pop() if len(least) == 1 else ""


def _begun() -> tuple[Settings, Any]:
    """The hosts' snapshots in a topic, and a session that knows it as the table `snapshots`, with an end."""
    from labkit.flink.environment import remote_environment

    own = begin("20", say=lambda _: None, suffix=_SUFFIX, start=Start.TOPICS, partitions=1)
    produce(own.flow, [snapshot for host in _HOSTS for snapshot in _sent(host)])
    once = {"restart-strategy.type": "none"}  # what fails is to be heard of, not tried for ever
    _, tables = remote_environment(own.cluster, own.job_name("trial"), parallelism=1, resume_from=None, **once)
    tables.execute_sql(f"""
        CREATE TABLE snapshots (hostname STRING, `timestamp` BIGINT, btime BIGINT, arrived AS PROCTIME())
        WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = '{own.kafka_bootstrap}',
            'topic' = '{own.snapshots_topic}', 'scan.startup.mode' = 'earliest-offset',
            'scan.bounded.mode' = 'latest-offset',
            'format' = 'avro-confluent', 'avro-confluent.url' = '{own.registry_url}')""")
    return own, tables


def judge_20a(condition: Any, settings: Settings) -> str:
    """The intervals that the condition leaves, of one host for each rule."""
    text = called(condition, (), "its call")
    if not isinstance(text, str):
        raise NotYet(f"condition returned {shown(text)}, no text.", "It returns what stands behind WHERE, as text.")
    if not text.strip():
        raise NotYet("condition returned an empty text.", "It returns what stands behind WHERE.")
    if text.split()[0].upper() == "WHERE":
        raise NotYet("The text begins with WHERE.", "That word is there already: return what stands behind it.")
    if text.split()[0].upper() == "SELECT":
        raise NotYet("The text begins with SELECT.", "Only the condition is asked for: what stands behind WHERE.")
    require_same(text, called(condition, (), "its call"))
    own, tables = _begun()
    found: dict[str, set[tuple[Any, Any]]] = defaultdict(set)
    try:
        tables.execute_sql("""
            CREATE VIEW pairs AS SELECT hostname, `timestamp`, btime, LAG(CAST(ROW(`timestamp`, btime)
                AS ROW<`timestamp` BIGINT, btime BIGINT>)) OVER (PARTITION BY hostname ORDER BY arrived) AS earlier
            FROM snapshots""")
        query = f"SELECT hostname, `timestamp`, `timestamp` - earlier.`timestamp` FROM pairs WHERE {text}"
        with tables.execute_sql(query).collect() as rows:
            for host, moment, length in rows:
                found[host].add((moment, length))
    finally:
        tidy(own)
    _judge_pairs(found)
    total = sum(map(len, found.values()))
    return f"{total} intervals of {len(_HOSTS)} hosts: reboots, pauses and late snapshots are told apart."


def _judge_pairs(found: Mapping[str, set[tuple[Any, Any]]]) -> None:
    wrong = [host for host in _HOSTS if found.get(host, set()) != _right(host)]
    if not wrong:
        return
    if any(length is None for pairs in found.values() for _, length in pairs):
        raise NotYet(
            "The first snapshot of a host is kept, and it has none before it.",
            "A comparison with NULL is neither true nor false, and WHERE keeps what is true. Here something makes it "
            "true, such as OR, NOT, IS NULL, COALESCE, or CASE with an ELSE.",
        )
    if not any(found.values()):
        raise NotYet("Of all hosts it keeps no pair at all.", _hint(found))
    host = wrong[0]
    extra, missing = found.get(host, set()) - _right(host), _right(host) - found.get(host, set())
    others = f" (So it goes with {len(wrong)} of {len(_HOSTS)} hosts.)" if len(wrong) > 1 else ""
    what = _HOSTS[host].what
    if extra:
        length = min(extra)[1]
        raise NotYet(f"An interval of {length} ms is kept that does not count ({what}).{others}", _hint(found))
    length = min(missing)[1]
    raise NotYet(f"An interval of {length} ms is missing ({what}).{others}", _hint(found))


# ------------------------------------------------------------------------------------------------------------ 20b

_TOPIC = f"procstat_hosts{_SUFFIX}"
_COLUMNS = {"hostname": "STRING", "records": "BIGINT", "newest": "BIGINT"}
_KINDS = ("CREATE", "INSERT|EXECUTE|BEGIN")


def judge_20b(statements: Any, settings: Settings) -> str:
    """The last message of each key: how many snapshots there are of a host, and the newest time."""
    require_address(partial(_two, statements), settings)
    own, tables = _begun()
    create_topics(own.kafka_bootstrap, [Topic(_TOPIC, 1)])
    try:
        texts = _two(statements, own)
        require_same(texts, _two(statements, own))
        _judge_table(tables, made_table(tables, texts[0]))
        result = tables.execute_sql(texts[1])
        if result.get_job_client() is None:
            raise NotYet("No job came of the second statement.", "It is INSERT INTO … SELECT ….")
        _wait_for(result)
    finally:
        tidy(own)
    messages = [(record.key(), record.value()) for record in read_topic(own.kafka_bootstrap, _TOPIC)]
    _judge_messages(messages)
    return f"{len(messages)} messages, and the last of each of {len(_HOSTS)} keys is right."


def _two(statements: Any, settings: Settings) -> list[str]:
    return two_statements(
        statements, settings, _KINDS, "A CREATE TABLE first, then an INSERT INTO.",
        "The first is CREATE TABLE …, the second INSERT INTO … SELECT ….",
    )  # fmt: skip


def _judge_table(tables: Any, name: str) -> None:
    """Raise `NotYet` for a table that is not the one that is asked for, before a job has to wait for its topic."""
    schema = tables.from_path(f"`{name}`").get_schema()
    kinds = {
        column: re.sub(r"^VARCHAR\b(?!\((?!2147483647))(\(\d+\))?", "STRING", str(kind))
        for column, kind in zip(schema.get_field_names(), schema.get_field_data_types(), strict=True)
    }
    if set(kinds) != set(_COLUMNS):
        raise NotYet(f"The table {name} has the columns {', '.join(kinds)}.", f"They are {', '.join(_COLUMNS)}.")
    for column, kind in _COLUMNS.items():
        if not kinds[column].startswith("BIGINT" if kind == "BIGINT" else ("STRING", "VARCHAR", "CHAR")):
            raise NotYet(f"In the table {name} the column {column} is {kinds[column]}; {kind} is asked for.", "")
    text = table_text(tables, name)
    options = require_topic(name, text, _TOPIC)
    if options.get("connector") != "upsert-kafka":
        return  # Flink says it better: a result that changes
    for option, wanted in (("key.format", "raw"), ("value.format", "json")):
        if options.get(option, wanted) != wanted:
            raise NotYet(f"In the table {name}, '{option}' is '{options[option]}'; '{wanted}' is asked for.", "")
    key = re.search(r"PRIMARY KEY \(([^)]*)\)", text)
    if key and (columns := key[1].replace("`", "")) != "hostname":
        raise NotYet(f"The key of the table {name} is ({columns}).", "One message for each host: its key is hostname.")


def _wait_for(result: Any) -> None:
    within_ms = int(patience(_WITHIN_MS))
    try:
        result.wait(within_ms)
    except Exception as error:
        if "TimeoutException" not in str(error):
            raise
        raise NotYet(
            f"The job did not end within {within_ms // 1000} s, though what it reads from snapshots has an end.", ""
        ) from None


def _judge_messages(messages: list[tuple[bytes | None, bytes | None]]) -> None:
    if not messages:
        raise NotYet(f"The job ran to its end, and there is no message in {_TOPIC}.", "")
    last: dict[str, dict[str, Any]] = {}
    for key, value in messages:
        name = (key or b"").decode(errors="replace")
        if name not in _HOSTS:
            raise NotYet(f"A message has the key {key!r}, which is no host.", "")
        try:
            row = json.loads(value or b"{}")
        except ValueError:
            raise NotYet(f"A message with the key {name} has the value {value!r}, no JSON.", "") from None
        last[name] = row if isinstance(row, dict) else {}
    if missing := [host for host in _HOSTS if host not in last]:
        raise NotYet(
            f"{len(last)} of {len(_HOSTS)} hosts have a message; none has the key {missing[0]}.",
            "Every host counts, one with a single snapshot too: is there a WHERE or a HAVING?",
        )
    for host, one in _HOSTS.items():
        row, times = last[host], [snapshot.timestamp for snapshot in _sent(host)]
        said = f"{host}: {one.what}; its snapshots are of {', '.join(map(str, times))}. Its last message says {row}."
        count, newest = row.get("records"), row.get("newest")
        if count == max(times) and newest == len(times):
            raise NotYet(said, "The columns of a SELECT go to those of the table in their order, not by name.")
        if count != len(times):
            raise NotYet(f"{said} records should be {len(times)}.", _hint_for_count(last))
        if newest != max(times):
            raise NotYet(f"{said} newest should be {max(times)}.", _hint_for_newest(last))


def _times(host: str) -> list[int]:
    return [snapshot.timestamp for snapshot in _sent(host)]


def _hint_for_count(last: Mapping[str, Mapping[str, Any]]) -> str:
    counts = {host: row.get("records") for host, row in last.items()}
    if counts == {host: len(set(_times(host))) for host in _HOSTS}:
        return "A snapshot that came twice counts twice: COUNT(*), without DISTINCT."
    if counts == {host: sum(now > before for before, now in pairwise(_times(host))) for host in _HOSTS}:
        return "Those are the intervals; wanted are the snapshots."
    return ""


def _hint_for_newest(last: Mapping[str, Mapping[str, Any]]) -> str:
    newest = {host: row.get("newest") for host, row in last.items()}
    if newest == {host: _times(host)[-1] for host in _HOSTS}:
        return "The newest is not always the one that came last: MAX."
    if newest == {host: min(_times(host)) for host in _HOSTS}:
        return "That is the oldest: MAX, not MIN."
    if newest == {host: _times(host)[0] for host in _HOSTS}:
        return "That is the one that came first: MAX."
    if newest == {host: max(_times(host)) // 1000 for host in _HOSTS}:
        return "`timestamp` is in ms, and newest is the same number."
    return ""


JUDGES = {"20a": judge_20a, "20b": judge_20b}
