"""What the exercises of 04 have to do: functions of a counting job, and a job of one's own."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Producer

from labkit.errors import LabkitError
from labkit.flink.rest import FlinkRest
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce, producer_config
from labkit.kafka.topics import Topic, create_topics
from labkit.settings import Settings
from labkit.sources.scenario import Scenario
from labkit.sources.simulator import FleetSource
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.flink_trial import committed, on_cluster
from labkit.workshop.checks.outcome import NotYet, raised
from labkit.workshop.checks.rules import Meets
from labkit.workshop.lesson import begin, tidy
from labkit.workshop.pictures.job_graph import boxes

__all__ = ["JUDGES", "MEETS"]

_SUFFIX = "_ex04"
_PARALLELISM = 2
#: What `build` may take: the JVM is up by then.
_BUILD_WITHIN_S = 60.0

MEETS: Meets = {
    "04a": {
        "task": "measure and add by hand, row by row; then both in a job over the snapshots",
        "boundaries": "no value, an empty one, one byte, all 256 bytes, letters of two bytes; sums on the left, on the "
        "right and on both sides",
        "given": "record, left and right are compared before and after each call",
        "arguments": "hosts, values and both rows all differ",
        "twice": "every row is measured, and every pair added, a second time",
        "point": "the cluster's job adds with them, by host, in its keyed state",
    },
    "04b": {
        "task": "where the job runs, its sink, its parallelism, and each count of each partition",
        "boundaries": "partitions of several hosts and of one, with unequal numbers of records; one has no value",
        "given": "the settings are compared before and after the call",
        "world": "other jobs are compared by their ids: build starts none",
        "arguments": "the settings are those of the exercise's own topics: the counts are looked for there alone",
        "ends": "build has 60 s; what it made is ended and cleared away",
        "twice": "each count comes once: 1, 2, 3 and so on",
        "point": "records change hands by key; checkpoints are on, and commit the counts",
    },
}


def judge_04a(functions: Any, settings: Settings) -> str:
    """measure and add, as `functions` returns them: by hand first, then in a job."""
    from pyflink.common import Types

    answer = called(functions, (), "no arguments")
    if not isinstance(answer, (tuple, list)) or len(answer) != 2 or not all(map(callable, answer)):
        raise NotYet(f"functions returned {shown(answer)}, not two functions.", "Its last line is: return measure, add")
    measure, add = answer
    for _ in range(2):
        _judge_measure(measure)
        _judge_add(add)
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
        raise NotYet(f"By hand it was right. On the cluster the bytes came to {last}; the topic holds {dict(sums)}.")
    return f"{found[-1][1]} records of {found[-1][0]}, {found[-1][2]:,} bytes: counted on the cluster."


_VALUES = (b"abcde", b"\x00", "hörbar".encode(), bytes(range(256)), b"x" * 1000, b"", None)


def _judge_measure(measure: Any) -> None:
    from pyflink.common import Row

    for host, value in zip(("lab", "web-7", "db-1", "lab", "a.b_c", "lab", "lab"), _VALUES, strict=True):
        record = Row("host", "value")(host, value)
        of = f"a record of {host} with the value {shown(value)}"
        try:
            got = called(measure, (record,), of, lets_out=(Exception,), names=("record",))
        except LabkitError:
            raise
        except Exception as error:
            hint = "A record may have no value: it is None then." if value is None else ""
            hint = "A value is bytes, and need not be text: count them as they are." if _is_text(error) else hint
            raise NotYet(f"measure raised {raised(error)} on {of}.", hint) from error
        size = len(value or b"")
        _require_row(got, "measure", of)
        if list(got) != [host, 1, size]:
            raise NotYet(
                f"measure makes {list(got)} of {of}; it is {[host, 1, size]}.", _why_size(list(got), host, value)
            )


def _is_text(error: Exception) -> bool:
    return isinstance(error, UnicodeError)


def _why_size(got: list[Any], host: str, value: bytes | None) -> str:
    """What a wrong row of `measure` looks like; "" where nothing is known that makes it."""
    size = len(value or b"")
    if len(got) != 3:
        return "A row has three fields: host, 1, number of bytes."
    if got == [host, size, 1] or sorted(map(str, got)) == sorted(map(str, (host, 1, size))):
        return "The order is host, 1, number of bytes."
    if got[0] != host:
        return ""
    if got[1] != 1:
        return "The second field is 1: a record counts once." if got[2] == size else ""
    if got[2] in (len(str(value)), len(str(value or "")), len(repr(value or b""))):
        return "That is how many letters Python shows it with: len of the value itself is its number of bytes."
    if got[2] == sys.getsizeof(value):
        return "That is what it takes in Python's memory: len is its number of bytes."
    if value and got[2] == len(value.decode(errors="ignore")):
        return "Those are letters: some have two bytes. len of the value itself is its number of bytes."
    if got[2] in (len(host) + size, len(host)):
        return "The host's name does not count, only the value."
    return "No value is 0 bytes." if value is None else ""


def _judge_add(add: Any) -> None:
    from pyflink.common import Row

    named = Row("host", "records", "bytes")
    kept: list[tuple[Any, list[Any], str]] = []
    for left, right in (
        ((4, 10), (7, 5)), ((2, 10), (3, 7)),
        ((2, 10), (1, 7)), ((1, 4), (5, 40)), ((1, 5), (1, 0)), ((1, 0), (1, 0)), ((40, 1), (2, 4)),
    ):  # fmt: skip
        rows = named("lab", *left), named("lab", *right)
        of = f"{['lab', *left]} and {['lab', *right]}"
        try:
            got = called(add, rows, of, lets_out=(Exception,), names=("left", "right"))
        except LabkitError:
            raise
        except Exception as error:
            raise NotYet(f"add raised {raised(error)} on {of}.") from error
        _require_row(got, "add", of)
        want = ["lab", left[0] + right[0], left[1] + right[1]]
        if list(got) != want:
            raise NotYet(f"add makes {list(got)} of {of}; it is {want}.", _why_sum(list(got), left, right))
        kept.append((got, want, of))
    for got, want, of in kept:
        if list(got) != want:
            raise NotYet(
                f"What add made of {of} was {want}. After it was called with others, that row is {list(got)}.",
                "Make a new Row for each sum.",
            )


def _why_sum(got: list[Any], left: tuple[int, int], right: tuple[int, int]) -> str:
    """What a wrong row of `add` looks like; "" where nothing is known that makes it."""
    if len(got) != 3:
        return "A sum is a row like the two: host, records, bytes."
    if got[0] == "lablab":
        return "The host is that of the two rows, not added up."
    if got[0] != "lab":
        return ""
    if got[1] in (left[0] + 1, right[0] + 1, 2) and got[1] not in (left[0], right[0], left[0] + right[0]):
        return "Both rows may be sums: add the records of both."
    if got[1:] == [left[1] + right[1], left[0] + right[0]]:
        return "The order is host, records, bytes."
    if got[1] in (left[0], right[0]) and got[1] != left[0] + right[0]:
        return "Those are the records of one of the rows: add those of both."
    if got[1] == left[0] + right[0] and got[2] in (left[1], right[1]):
        return "Those are the bytes of one of the rows: add those of both."
    return ""


def _require_row(got: Any, name: str, of: str) -> None:
    """Raise `NotYet` where a function gave no `Row`: Flink takes nothing else for one."""
    from pyflink.common import Row

    if got is None:
        hint = "A record without a value counts too, with 0 bytes." if of.endswith("None") else "Is there a return?"
        raise NotYet(f"{name} returned None for {of}.", hint)
    if not isinstance(got, Row):
        raise NotYet(f"{name} returned {shown(got)} for {of}, a {type(got).__name__}; a Row is asked for.",
                     "Row(host, …), imported above, makes one.")  # fmt: skip


def judge_04b(build: Any, settings: Settings) -> str:
    """A job that counts by partition, with parallelism 2, on the cluster."""
    from labkit.flink.environment import remote_environment

    own = begin("04", say=lambda _: None, suffix=_SUFFIX, checkpoint_interval_s=1)
    remote_environment(
        own.cluster, own.job_name("first"), parallelism=1, resume_from=None
    )  # the JVM gets its surroundings
    produce(own.flow, FleetSource(6, 2, 4, Scenario(), interval_s=1, start_ms=1_795_368_345_000, seconds=9))
    _send_without_a_value(own)
    topic = f"procstat_counts{_SUFFIX}"
    create_topics(own.kafka_bootstrap, [Topic(topic, 1)])
    flink = FlinkRest(own.flink_url)
    before = {job.id for job in flink.jobs()}
    try:
        env = called(
            build, (own,), "the settings", within_s=_BUILD_WITHIN_S, lets_out=(Exception,), names=("settings",)
        )
        _require_none_started(flink, before)
        _judge_environment(env)
        return _judge_job(own, flink, env, topic)
    finally:
        tidy(own)


def _send_without_a_value(own: Settings) -> None:
    producer = Producer(producer_config(own.kafka_bootstrap, {"log_level": 0}))
    producer.produce(own.snapshots_topic, key=b"host-000")
    producer.flush()


def _require_none_started(flink: FlinkRest, before: set[str]) -> None:
    new = [job for job in flink.jobs() if job.id not in before]
    for job in new:
        if not job.is_over:
            flink.cancel(job.id)
    if new:
        raise NotYet(
            f"build has started the job {new[0].name} itself; it was cancelled.",
            "It makes the job ready and returns env: without execute, and without execute_sql of an INSERT.",
        )


def _judge_environment(env: Any) -> None:
    java = getattr(env, "_j_stream_execution_environment", None)
    if java is None:
        raise NotYet(f"build returned a {type(env).__name__}, no environment.", "Its last line is: return env")
    if java.getClass().getSimpleName() != "RemoteStreamEnvironment":
        raise NotYet(
            f"The environment is a {java.getClass().getSimpleName()}: it would run the job in this process.",
            "remote_environment makes one that reaches the cluster.",
        )
    if not java.getCheckpointConfig().isCheckpointingEnabled():
        raise NotYet(
            "The environment makes no checkpoints.",
            "A sink that delivers exactly once commits with each checkpoint: without one nobody sees a count.",
        )


def _judge_job(own: Settings, flink: FlinkRest, env: Any, topic: str) -> str:
    places = [
        (record.partition(), record.key().decode()) for record in read_topic(own.kafka_bootstrap, own.snapshots_topic)
    ]
    snapshots = Counter(partition for partition, _ in places)
    job_id = str(env.execute_async(own.job_name("partitions")).get_job_id())
    _judge_graph(flink.job(job_id))
    found = [json.loads(record.value()) for record in committed(own, job_id, topic, snapshots.total())]
    _judge_counts(found, places)
    numbers = ", ".join(f"{number}: {count}" for number, count in sorted(snapshots.items()))
    return f"Two in parallel, and every partition is counted ({numbers})."


def _judge_graph(job: dict[str, Any]) -> None:
    vertices, arrows = boxes(job)
    if not any(line.startswith("Sink: ") for box in vertices for line in box.lines):
        raise NotYet(
            "The job on the cluster has no sink: it ends with " + ", ".join(vertices[-1].lines) + ".",
            "attach_as_datastream makes the statement set a part of the job, before build returns.",
        )
    narrow = next((box for box in vertices if box.parallelism != _PARALLELISM), None)
    if narrow is not None:
        raise NotYet(f"{', '.join(narrow.lines)} runs {narrow.parallelism} in parallel; 2 were asked for.")
    if not any(arrow.shipped == "HASH" for arrow in arrows):
        raise NotYet(
            "In the job on the cluster no record changes hands by key.",
            "What is counted belongs in Flink's state, by key: a key_by before what counts.",
        )


def _judge_counts(found: list[dict[str, Any]], places: list[tuple[int, str]]) -> None:
    """Raise `NotYet` where the counts of a partition are not 1, 2, 3 and so on."""
    if not found:
        raise NotYet("The job runs, but no count was committed.")
    came = Counter((row.get("partition"), row.get("records")) for row in found)
    want = _counted(places, _by_partition)
    if came == want:
        return
    snapshots = Counter(partition for partition, _ in places)
    for number, count in sorted(snapshots.items()):
        mine = sorted(records or 0 for partition, records in came.elements() if partition == number)
        if mine != list(range(1, count + 1)):
            said = f"its counts are {_listed(mine)}, not 1, 2, … {count}" if mine else "no count of it came"
            raise NotYet(f"Partition {number} has {count} snapshots; {said}.", _why_counts(came, places))
    raise NotYet(f"{snapshots.total()} snapshots gave {len(found)} counts.", _why_counts(came, places))


def _listed(numbers: list[int]) -> str:
    head = ", ".join(map(str, numbers[:4]))
    return head if len(numbers) <= 4 else f"{head}, … {numbers[-1]} ({len(numbers)} of them)"


def _counted(places: Iterable[tuple[int, str]], key: Any) -> Counter[Any]:
    """The counts that come of a key: (partition of the record, how many of its key came so far)."""
    so_far: Counter[Any] = Counter()
    found: Counter[Any] = Counter()
    for partition, host in places:
        name = key(partition, host)
        so_far[name] += 1
        found[partition, so_far[name]] += 1
    return found


def _why_counts(came: Counter[Any], places: list[tuple[int, str]]) -> str:
    """What wrong counts look like; "" where nothing is known that makes them."""
    numbers = Counter(records for _, records in came.elements())
    if set(numbers) == {1}:
        return "Each count is 1: nothing is added up. reduce adds what came before."
    if came == _counted(places, lambda partition, host: (partition, host)) or came == _counted(
        places, lambda partition, host: host
    ):
        return "Those are counts by host: give key_by the row's partition."
    if numbers == Counter(range(1, len(places) + 1)):
        return "All records have one key: give key_by the row's partition."
    if came == Counter(
        {(records, partition): many for (partition, records), many in _counted(places, _by_partition).items()}
    ):
        return "The two columns have changed places."
    if len(came) == came.total() == len(Counter(partition for partition, _ in places)):
        return "Only the last count of each came: one for each record is asked for."
    return ""


def _by_partition(partition: int, host: str) -> int:
    return partition


JUDGES = {"04a": judge_04a, "04b": judge_04b}
