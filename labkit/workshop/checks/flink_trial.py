"""A learner's functions on trial: an operator fed by hand, as Flink feeds it, and a job on the lab's cluster.

operator = Operator(function)                    a copy of it, as a worker gets one
operator.feed("lab", element)   ->   [Row(…)]    with the state of the key "lab"
operator.restart()                               a new copy; state is kept, and nothing else

on_cluster(settings, "rates", attach, 600)       what comes of the lesson's snapshots, from a real job
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none
from confluent_kafka import Message

from labkit.flink.rest import FlinkRest
from labkit.flink.root_cause import root_cause
from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.kafka.consumer import read_topic
from labkit.kafka.registry import Registry
from labkit.kafka.topics import Topic, create_topics
from labkit.settings import Settings
from labkit.streams.procstat.stream import PROCSTAT
from labkit.system.waiting import NotInTime, wait_until
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.lesson import tidy

__all__ = ["Operator", "committed", "decoded", "on_cluster"]

WITHIN_S = 40.0
_POLL_S = 0.3


class Operator:
    """A KeyedProcessFunction without Flink around it: a copy of `function`, and its state by key.

    Value and map state are known. Whatever the function keeps elsewhere is gone after `restart`.
    """

    def __init__(self, function: Any) -> None:
        from pyflink.datastream import KeyedProcessFunction

        if not isinstance(function, KeyedProcessFunction):
            raise NotYet(
                f"What was returned is a {type(function).__name__}, no KeyedProcessFunction.",
                "Return an object of your class: Name(), not Name.",
            )
        self._pickled = cloudpickle.dumps(function)
        self._state: dict[tuple[str, str], Any] = {}
        self._key: str | None = None
        self._start()

    def _start(self) -> None:
        self._live = cloudpickle.loads(self._pickled)
        self._key = None
        self._live.open(_Context(self))

    def restart(self) -> None:
        """Begin anew with the state as it was written down."""
        self._state = pickle.loads(pickle.dumps(self._state))
        self._start()

    def feed(self, key: str, element: Any) -> list[Any]:
        """What it yields for one element of that key, each as a list of the row's values."""
        self._key = key
        made = self._live.process_element(element, _Context(self))
        return [list(row) for row in made or []]

    def read(self, name: str, otherwise: Any) -> Any:
        """The state of that name for the current key."""
        if self._key is None:
            raise NotYet("State was read in open.", "In open no record is there, and so no key: only get the handle.")
        return self._state.get((name, self._key), otherwise)

    def write(self, name: str, value: Any) -> None:
        """Keep it for the current key."""
        self.read(name, None)
        self._state[name, str(self._key)] = value

    @property
    def key(self) -> str | None:
        """The key of the element that is being processed."""
        return self._key


class _Context:
    """What an operator gets of Flink: as RuntimeContext in open, as Context in process_element."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def get_state(self, descriptor: Any) -> _Value:
        return _Value(self._operator, descriptor.get_name())

    def get_map_state(self, descriptor: Any) -> _Map:
        return _Map(self._operator, descriptor.get_name())

    def get_current_key(self) -> Any:
        return self._operator.key


class _Value:
    """A ValueState."""

    def __init__(self, operator: Operator, name: str) -> None:
        self._operator, self._name = operator, name

    def value(self) -> Any:
        return self._operator.read(self._name, None)

    def update(self, value: Any) -> None:
        self._operator.write(self._name, value)

    def clear(self) -> None:
        self._operator.write(self._name, None)


class _Map:
    """A MapState."""

    def __init__(self, operator: Operator, name: str) -> None:
        self._operator, self._name = operator, name

    def _all(self) -> dict[Any, Any]:
        return dict(self._operator.read(self._name, {}))

    def get(self, key: Any) -> Any:
        return self._all().get(key)

    def contains(self, key: Any) -> bool:
        return key in self._all()

    def put(self, key: Any, value: Any) -> None:
        self._operator.write(self._name, {**self._all(), key: value})

    def remove(self, key: Any) -> None:
        self._operator.write(self._name, {old: value for old, value in self._all().items() if old != key})

    def clear(self) -> None:
        self._operator.write(self._name, {})

    def is_empty(self) -> bool:
        return not self._all()

    __getitem__, __setitem__, __delitem__, __contains__ = get, put, remove, contains


def decoded(settings: Settings, raw: Any) -> Any:
    """The raw stream of `on_cluster` -> (hostname, Snapshot)."""
    from pyflink.common import Types
    from pyflink.datastream import MapFunction

    schema, registry = read_schema(settings.schema_dir, PROCSTAT), Registry.of(settings.flow)

    class Decode(MapFunction):
        def open(self, runtime_context: Any) -> None:
            self._codec = SnapshotCodec(PROCSTAT, schema, registry.wait_for_schema)

        def map(self, record: Any) -> Any:
            snapshot = self._codec.decode(record[1])
            return snapshot.hostname, snapshot

    return raw.map(Decode(), Types.TUPLE([Types.STRING(), Types.PICKLED_BYTE_ARRAY()]))


def on_cluster(settings: Settings, name: str, attach: Callable[[Any], Any], count: int) -> list[Any]:
    """Run raw records -> `attach` -> JSON on the cluster, until there are `count` results; those, as lists.

    `attach` gets a stream of rows (host, value) and returns one of rows. Raises `NotYet` where the job fails.
    """
    from pyflink.common import Row, Types

    from labkit.flink.environment import remote_environment

    job, topic = settings.job_name(name), f"procstat_{settings.job_name(name)}"
    create_topics(settings.kafka_bootstrap, [Topic(topic, 1)])
    env, tables = remote_environment(settings.cluster, job, parallelism=1, resume_from=None)
    tables.execute_sql(
        _table(settings, "records", settings.snapshots_topic, "host STRING, `value` BYTES")
        + """, 'scan.startup.mode' = 'earliest-offset', 'key.format' = 'raw', 'key.fields' = 'host',
        'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY')"""
    )
    tables.execute_sql(
        _table(settings, "results", topic, "`value` STRING")
        + f""", 'format' = 'raw', 'sink.delivery-guarantee' = 'exactly-once',
        'sink.transactional-id-prefix' = '{job}')"""
    )
    rows = attach(tables.to_data_stream(tables.from_path("records")))
    text = Types.ROW_NAMED(["value"], [Types.STRING()])
    statements = tables.create_statement_set()
    results = rows.map(lambda row: Row(json.dumps(list(row))), text)
    statements.add_insert("results", tables.from_data_stream(results))
    statements.attach_as_datastream()
    try:
        job_id = str(env.execute_async(job).get_job_id())
        return [json.loads(record.value()) for record in committed(settings, job_id, topic, count)]
    finally:
        tidy(settings)


def committed(settings: Settings, job_id: str, topic: str, count: int) -> list[Message]:
    """Wait until the job has committed `count` records to `topic`; those that are there then, or after a while.

    Raises `NotYet` with the cause where the job fails.
    """
    rest = FlinkRest(settings.flink_url)
    found: list[Message] = []

    def are_there() -> bool:
        nonlocal found
        found = list(read_topic(settings.kafka_bootstrap, topic))
        trace = "" if len(found) >= count else rest.root_exception(job_id)
        if trace:
            raise NotYet(
                f"On the cluster the job fails: {root_cause(trace)}.", "Flink's page has all of it, under Exceptions."
            )
        return len(found) >= count

    with suppress(NotInTime):  # what is missing, the check of what came says better
        wait_until(
            are_there, f"{topic} has {count} committed records", WITHIN_S, _POLL_S,
            seen=lambda: f"there are {len(found)}",
        )  # fmt: skip
    return found


def _table(settings: Settings, name: str, topic: str, columns: str) -> str:
    return f"""
        CREATE TABLE {name} ({columns}) WITH (
        'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{settings.kafka_bootstrap}'"""
