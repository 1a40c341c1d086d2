"""The job of lesson 08: what it saw, and the windows that it has closed; records of no host do not count.

job_id = submit(settings, "waits", source(settings, bound_s=5))
seen, closed = so_far(settings, "waits", count=140, clock=…)        once it has read 140, and closed all that is over

A record without a key is a heartbeat: it moves the watermark, which the source makes, and goes no further.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pyflink.common import Row, Time, Types
from pyflink.datastream import ProcessFunction, ProcessWindowFunction
from pyflink.datastream.window import TumblingEventTimeWindows

from labkit.errors import LabkitError
from labkit.flink.environment import remote_environment
from labkit.flink.rest import FlinkRest
from labkit.kafka.topics import Topic, create_topics
from labkit.settings import Settings
from labkit.workshop.parts.time_job import ONE_BY_ONE, sink
from labkit.workshop.pictures.event_time import Closed, Seen, is_late
from labkit.workshop.waiting import wait_for_records

__all__ = ["SIZE_MS", "end_of", "so_far", "submit"]

SIZE_MS = 10_000
_LINE = Types.ROW_NAMED(["value"], [Types.STRING()])


class Note(ProcessFunction):
    """Each record, beside the watermark that there was before it."""

    def process_element(self, value: Row, ctx: ProcessFunction.Context) -> Iterator[str]:
        """Row(host, ts) -> the JSON of a `Seen`."""
        watermark = ctx.timer_service().current_watermark()
        yield json.dumps({"host": value[0], "timestamp": ctx.timestamp(), "watermark": watermark})


class Count(ProcessWindowFunction):
    """Each window, when it has closed."""

    def process(self, key: str, context: ProcessWindowFunction.Context, elements: Any) -> Iterator[str]:
        """All that is in a window -> the JSON of a `Closed`."""
        window, count = context.window(), sum(1 for _ in elements)
        watermark = context.current_watermark()
        yield json.dumps({"start": window.start, "end": window.end, "count": count, "watermark": watermark})


def submit(settings: Settings, name: str, ddl: str) -> str:
    """Start the job `name` on the table `snapshots` that `ddl` makes (`time_job.source`); its id.

    Raises `LabkitError` where it runs already.
    """
    job = settings.job_name(name)
    if FlinkRest(settings.flink_url).running(job):
        raise LabkitError(f"{job} runs already.", "To begin anew, run all cells from begin on.")
    env, tables = remote_environment(settings.cluster, job, parallelism=1, resume_from=None, **ONE_BY_ONE)
    tables.execute_sql(ddl)
    # Behind the source: it has made the watermark of the heartbeats by then.
    rows = tables.to_data_stream(tables.sql_query("SELECT host, ts FROM snapshots WHERE host IS NOT NULL"))
    windows = rows.key_by(lambda row: "all", Types.STRING()).window(
        TumblingEventTimeWindows.of(Time.milliseconds(SIZE_MS))
    )
    ways = {"seen": rows.process(Note(), Types.STRING()), "closed": windows.process(Count(), Types.STRING())}
    statements = tables.create_statement_set()
    for way, stream in ways.items():
        create_topics(settings.kafka_bootstrap, [Topic(_topic(settings, name, way), 1)])
        tables.execute_sql(sink(settings, way, _topic(settings, name, way), job))
        statements.add_insert(way, tables.from_data_stream(stream.map(lambda text: Row(text), _LINE)))
    statements.attach_as_datastream()
    return str(env.execute_async(job).get_job_id())


def end_of(timestamp: int) -> int:
    """The end of the window to which that time belongs, in ms."""
    return timestamp - timestamp % SIZE_MS + SIZE_MS


def so_far(settings: Settings, name: str, count: int, clock: int) -> tuple[list[Seen], list[Closed]]:
    """What the job has seen, and the windows that it has closed.

    It is waited for until it has seen `count` records, and closed each of their windows that is over when its
    watermark is `clock` (ms). Raises `LabkitError` where that does not come.
    """
    seen = [Seen(**one) for one in _read(settings, name, "seen", count)]
    over = {end_of(one.timestamp) for one in seen if not is_late(one, SIZE_MS) and end_of(one.timestamp) - 1 <= clock}
    return seen, [Closed(**one) for one in _read(settings, name, "closed", len(over))]


def _read(settings: Settings, name: str, way: str, count: int) -> list[dict[str, Any]]:
    return [json.loads(record.value()) for record in wait_for_records(settings, _topic(settings, name, way), count)]


def _topic(settings: Settings, name: str, way: str) -> str:
    return f"procstat_{name}_{way}{settings.suffix}"
