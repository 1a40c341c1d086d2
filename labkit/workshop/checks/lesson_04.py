"""What the exercises of 04 have to do: functions of a counting job, and a job of one's own."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from labkit.flink.rest import FlinkRest
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce
from labkit.kafka.topics import Topic, create_topics
from labkit.settings import Settings
from labkit.sources.scenario import Scenario
from labkit.sources.simulator import FleetSource
from labkit.workshop.checks.flink_trial import committed, on_cluster
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.lesson import begin, tidy
from labkit.workshop.pictures.job_graph import boxes

__all__ = ["JUDGES"]

_SUFFIX = "_ex04"
_PARALLELISM = 2


def judge_04a(functions: Any, settings: Settings) -> str:
    """measure and add, as `functions` returns them: by hand first, then in a job."""
    from pyflink.common import Row, Types

    answer = functions()
    if not isinstance(answer, tuple) or len(answer) != 2 or not all(map(callable, answer)):
        raise NotYet("functions did not return two functions.", "Its last line is: return measure, add")
    measure, add = answer
    for host, value in (
        ("lab", b"abcde"),
        ("web-7", bytes(range(256))),
        ("db-1", b"\x00"),
        ("lab", b""),
        ("lab", None),
    ):
        try:
            got = list(measure(Row(host, value)))
        except TypeError as error:
            raise NotYet(f"measure fails for the value {value!r}: {error}.", "A record may have no value.") from None
        size = len(value or b"")
        if got != [host, 1, size]:
            raise NotYet(
                f"measure makes {got} of a record of {host} with {size} bytes; it is {[host, 1, size]}.",
                "len of the value itself is its number of bytes.",
            )
    for left, right in (((2, 10), (1, 7)), ((1, 5), (1, 0)), ((2, 10), (3, 7)), ((40, 1), (2, 400))):
        got = list(add(Row("lab", *left), Row("lab", *right)))
        want = ["lab", left[0] + right[0], left[1] + right[1]]
        if got != want:
            raise NotYet(
                f"add makes {got} of {['lab', *left]} and {['lab', *right]}; it is {want}.",
                "Both rows may be sums: add the records of both, and the bytes of both.",
            )
    own = begin("04", say=lambda _: None, suffix=_SUFFIX, checkpoint_interval_s=1)
    records = list(read_topic(own.kafka_bootstrap, own.snapshots_topic))
    row = Types.ROW_NAMED(["host", "records", "bytes"], [Types.STRING(), Types.LONG(), Types.LONG()])
    found = on_cluster(
        own,
        "bytes",
        lambda raw: raw.map(measure, row).key_by(lambda one: one[0], Types.STRING()).reduce(add),
        len(records),
    )
    sums = Counter[str]()
    for record in records:
        sums[record.key().decode()] += len(record.value())
    last = {host: size for host, _, size in found}
    if last != dict(sums):
        raise NotYet(
            f"On the cluster the bytes came to {last}; the topic holds {dict(sums)}.", "Try add on three rows."
        )
    return f"{found[-1][1]} records of {found[-1][0]}, {found[-1][2]:,} bytes: counted on the cluster."


def judge_04b(build: Any, settings: Settings) -> str:
    """A job that counts by partition, with parallelism 2, on the cluster."""
    from labkit.flink.environment import remote_environment

    own = begin("04", say=lambda _: None, suffix=_SUFFIX, checkpoint_interval_s=1)
    remote_environment(
        own.cluster, own.job_name("first"), parallelism=1, resume_from=None
    )  # the JVM gets its surroundings
    produce(own.flow, FleetSource(6, 2, 4, Scenario(), interval_s=1, start_ms=1_795_368_345_000, seconds=9))
    topic = f"procstat_counts{_SUFFIX}"
    create_topics(own.kafka_bootstrap, [Topic(topic, 1)])
    env = build(own)
    java = getattr(env, "_j_stream_execution_environment", None)
    if java is None:
        raise NotYet(f"build returned a {type(env).__name__}, no environment.", "Its last line is: return env")
    if java.getClass().getSimpleName() != "RemoteStreamEnvironment":
        raise NotYet(
            f"The environment is a {java.getClass().getSimpleName()}: it would run the job in this process.",
            "remote_environment makes one that reaches the cluster.",
        )
    snapshots = Counter(record.partition() for record in read_topic(own.kafka_bootstrap, own.snapshots_topic))
    rest = FlinkRest(own.flink_url)
    try:
        job_id = str(env.execute_async(own.job_name("partitions")).get_job_id())
        job = rest.job(job_id)
        _judge_graph(job)
        found = [json.loads(record.value()) for record in committed(own, job_id, topic, snapshots.total())]
    finally:
        tidy(own)
    _judge_counts(found, snapshots)
    numbers = ", ".join(f"{number}: {count}" for number, count in sorted(snapshots.items()))
    return f"Two in parallel, and every partition is counted ({numbers})."


def _judge_graph(job: dict[str, Any]) -> None:
    vertices, _ = boxes(job)
    if not any(line.startswith("Sink: ") for box in vertices for line in box.lines):
        raise NotYet(
            "The job on the cluster has no sink: it ends with " + ", ".join(vertices[-1].lines) + ".",
            "attach_as_datastream makes the statement set a part of the job.",
        )
    narrow = next((box for box in vertices if box.parallelism != _PARALLELISM), None)
    if narrow is not None:
        raise NotYet(
            f"{', '.join(narrow.lines)} runs {narrow.parallelism} in parallel; 2 were asked for.",
            "remote_environment takes the parallelism.",
        )


def _judge_counts(found: list[dict[str, Any]], snapshots: Counter[int]) -> None:
    if not found:
        raise NotYet("The job runs, but no count was committed.", "Does it read from the source's table to the sink's?")
    last = {row["partition"]: row["records"] for row in found}
    for number, count in sorted(snapshots.items()):
        if last.get(number) != count:
            said = f"the last count of it is {last[number]}" if number in last else "there is no count of it"
            raise NotYet(
                f"Partition {number} has {count} snapshots; {said}.",
                "key_by decides what is added up: give it the row's partition.",
            )
    if len(found) != snapshots.total():
        raise NotYet(f"{snapshots.total()} snapshots gave {len(found)} counts.", "Each snapshot gives one.")


JUDGES = {"04a": judge_04a, "04b": judge_04b}
