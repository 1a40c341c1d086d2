"""What the exercises of 20 have to do: a condition on pairs of snapshots, and a table that is written by key."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce
from labkit.kafka.topics import Topic, create_topics, topic_partitions
from labkit.settings import Settings
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.system.waiting import patience
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.course.contents import Start
from labkit.workshop.lesson import begin, tidy

__all__ = ["JUDGES"]

_SUFFIX = "_ex20"
_START_MS = 1_795_368_345_000
_BOOT_S = 1_795_000_000
_DAY_MS = 86_400_000
_WITHIN_MS = 60_000
_CPUS = (CpuTimes("cpu", 400, 0, 90, 9_000, 5, 0, 1, 0), CpuTimes("cpu0", 400, 0, 90, 9_000, 5, 0, 1, 0))


@dataclass(frozen=True, slots=True)
class _Host:
    """Snapshots as (ms after the start, s that btime has moved), in the order in which they come; and what is meant."""

    what: str
    snapshots: tuple[tuple[int, int], ...]
    hint: str = ""


_NEWER = "Newer means (`timestamp` > earlier.`timestamp`)."
_HOSTS = {
    "steady": _Host(
        "a host that works on",
        ((0, 0), (1_000, 0), (2_001, 0)),
        "A plain pair of a second counts. Does your number fit an INT?",
    ),
    "paused": _Host("silent for an hour", ((0, 0), (3_600_000, 0)), "A long interval counts, up to 30 days."),
    "exact": _Host("silent for 30 days to the ms", ((0, 0), (30 * _DAY_MS, 0)), "30 days at most: that is <=."),
    "clock": _Host(
        "its clock was set right, so btime moved by one second",
        ((0, 0), (1_000, 1), (2_000, 0)),
        "Let btime move by 1 in either direction: ABS(…) <= 1.",
    ),
    "reboot": _Host("started anew", ((0, 0), (60_000, 55)), "After a new start btime is another: more than 1 s away."),
    "quick": _Host(
        "started anew, btime is two seconds later", ((0, 0), (3_000, 2)), "One second is no new start, two are: <= 1."
    ),
    "moved": _Host(
        "started anew, with a clock that was set back by days",
        ((0, 0), (60_000, -3 * 86_400)),
        "btime may move back as well: ABS(…) makes both differences the same.",
    ),
    "twice": _Host("one snapshot came twice", ((0, 0), (1_000, 0), (1_000, 0)), _NEWER),
    "late": _Host("an older snapshot came last", ((0, 0), (2_000, 0), (1_000, 0)), _NEWER),
    "longer": _Host(
        "silent for 30 days and 1 ms",
        ((0, 0), (30 * _DAY_MS + 1, 0)),
        "The difference of the times is 2592000000 at most.",
    ),
    "silent": _Host(
        "silent for 31 days", ((0, 0), (31 * _DAY_MS, 0)), "The difference of the times is 2592000000 at most."
    ),
}


def _sent(host: str) -> list[Snapshot]:
    return [Snapshot(host, _START_MS + after, _CPUS, btime=_BOOT_S + moved) for after, moved in _HOSTS[host].snapshots]


def _intervals(host: str) -> set[tuple[int, int]]:
    """{(timestamp, length)} of the pairs that count."""
    one = _sent(host)
    return {
        (now.timestamp, now.timestamp - before.timestamp)
        for before, now in pairwise(one)
        if 0 < now.timestamp - before.timestamp <= 30 * _DAY_MS and abs(now.btime - before.btime) <= 1
    }


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
    text = condition()
    if not isinstance(text, str):
        raise NotYet(f"condition returned a {type(text).__name__}, no text.", "It returns what stands behind WHERE.")
    if text.split()[:1] and text.split()[0].upper() == "WHERE":
        raise NotYet("The text begins with WHERE.", "That word is there already: return what stands behind it.")
    own, tables = _begun()
    tables.execute_sql("""
        CREATE VIEW pairs AS SELECT hostname, `timestamp`, btime, LAG(CAST(ROW(`timestamp`, btime)
            AS ROW<`timestamp` BIGINT, btime BIGINT>)) OVER (PARTITION BY hostname ORDER BY arrived) AS earlier
        FROM snapshots""")
    query = f"SELECT hostname, `timestamp`, `timestamp` - earlier.`timestamp` FROM pairs WHERE {text}"
    found: dict[str, set[tuple[Any, Any]]] = defaultdict(set)
    try:
        with tables.execute_sql(query).collect() as rows:
            for host, moment, length in rows:
                found[host].add((moment, length))
    finally:
        tidy(own)
    for host, one in _HOSTS.items():
        _judge_host(one, found[host], _intervals(host))
    total = sum(map(len, found.values()))
    return f"{total} intervals of {len(_HOSTS)} hosts: reboots, pauses and late snapshots are told apart."


def _judge_host(one: _Host, found: set[tuple[Any, Any]], wanted: set[tuple[int, int]]) -> None:
    extra, missing = found - wanted, wanted - found
    if any(length is None for _, length in extra):
        raise NotYet(
            "The first snapshot of a host is kept, and it has none before it.",
            "A comparison with NULL is not true; is there an OR in your condition?",
        )
    if extra:
        length = next(iter(extra))[1]
        raise NotYet(f"An interval of {length} ms is kept that does not count ({one.what}).", one.hint)
    if missing:
        length = next(iter(missing))[1]
        raise NotYet(f"An interval of {length} ms is missing ({one.what}).", one.hint)


def judge_20b(statements: Any, settings: Settings) -> str:
    """The last message of each key: how many snapshots there are of a host, and the newest time."""
    texts = statements(settings)
    if not isinstance(texts, list | tuple) or len(texts) != 2 or not all(isinstance(text, str) for text in texts):
        raise NotYet("statements did not return a list of two texts.", "A CREATE TABLE first, then an INSERT INTO.")
    own, tables = _begun()
    topic = f"procstat_hosts{_SUFFIX}"
    create_topics(own.kafka_bootstrap, [Topic(topic, 1)])
    try:
        tables.execute_sql(texts[0])
        _require_topics(own, tables, topic)
        result = tables.execute_sql(texts[1])
        if result.get_job_client() is None:
            raise NotYet("No job came of the second statement.", "It is INSERT INTO … SELECT ….")
        _wait_for(result, topic)
    finally:
        tidy(own)
    messages = [(record.key(), record.value()) for record in read_topic(own.kafka_bootstrap, topic)]
    _judge_table(messages)
    return f"{len(messages)} messages, and the last of each of {len(_HOSTS)} keys is right."


def _require_topics(own: Settings, tables: Any, wanted: str) -> None:
    """Raise `NotYet` for a table whose topic is not there: its job would wait for it, and never end."""
    from pyflink.table.catalog import ObjectPath

    there = topic_partitions(own.kafka_bootstrap)
    catalog = tables.get_catalog(tables.get_current_catalog())
    for name in tables.list_tables():
        place = ObjectPath(tables.get_current_database(), name)
        if not catalog.table_exists(place):
            continue  # a temporary one
        named = catalog.get_table(place).get_options().get("topic", "")
        if named and named not in there:
            raise NotYet(
                f"The table {name} is of the topic {named}; there is no topic of that name.", f"It is {wanted}."
            )


def _wait_for(result: Any, topic: str) -> None:
    within_ms = int(patience(_WITHIN_MS))
    try:
        result.wait(within_ms)
    except Exception as error:
        if "TimeoutException" not in str(error):
            raise
        raise NotYet(
            f"The job did not end within {within_ms // 1000} s.", f"It can where its topic is there: is it {topic}?"
        ) from None


def _judge_table(messages: list[tuple[bytes | None, bytes | None]]) -> None:
    if not messages:
        raise NotYet(
            "The job ran, and wrote nothing.", "Does it read from snapshots, and write to procstat_hosts_ex20?"
        )
    last = {key: json.loads(value or b"{}") for key, value in messages}
    strangers = [key for key in last if key not in {host.encode() for host in _HOSTS}]
    if strangers:
        raise NotYet(
            f"A message has the key {strangers[0]!r}, which is no host.",
            "PRIMARY KEY (hostname) NOT ENFORCED, with 'key.format' = 'raw'.",
        )
    for host, one in _HOSTS.items():
        row = last.get(host.encode(), {})
        count, newest = len(one.snapshots), max(snapshot.timestamp for snapshot in _sent(host))
        if row.get("records") != count:
            raise NotYet(
                f"{host} has {count} snapshots; its last message says records = {row.get('records')}.",
                "COUNT(*) counts rows, also those that come twice.",
            )
        if row.get("newest") != newest:
            raise NotYet(
                f"The newest snapshot of {host} is of {newest}; its last message says newest = {row.get('newest')}.",
                "The newest is not always the one that came last: MAX.",
            )


JUDGES = {"20a": judge_20a, "20b": judge_20b}
