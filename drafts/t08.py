import json, os, time

from pyflink.common import Row, Types, Time
from pyflink.datastream import ProcessFunction, ProcessWindowFunction
from pyflink.datastream.window import TumblingEventTimeWindows
from labkit.flink.environment import remote_environment
from labkit.flink.rest import FlinkRest
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce
from labkit.kafka.topics import Topic, create_topics
from labkit.sources.scenario import Scenario, HeldBack
from labkit.sources.simulator import FleetSource
from labkit.workshop.lesson import begin, tidy
from labkit.workshop.course.contents import Start
from labkit.workshop.waiting import wait_for_records, wait_for_start
from labkit.workshop.pictures.event_time import Seen, Closed, event_time

settings = begin("05", suffix="_nb08", start=Start.TOPICS, checkpoint_interval_s=2, partitions=1)
sc = Scenario(held_back=(HeldBack((1,), 12, 18), HeldBack((2,), 31, 52)))
fleet = list(FleetSource(3, 2, 8, sc, interval_s=1.0, start_ms=1_795_165_200_000, seconds=59))
produce(settings.flow, fleet)
rest = FlinkRest(settings.flink_url)


class Note(ProcessFunction):
    def process_element(self, row, ctx):
        yield json.dumps(
            {"host": row[0], "timestamp": ctx.timestamp(), "watermark": ctx.timer_service().current_watermark()}
        )


class Count(ProcessWindowFunction):
    def process(self, key, context, elements):
        w = context.window()
        yield json.dumps(
            {
                "start": w.start,
                "end": w.end,
                "count": sum(1 for _ in elements),
                "watermark": context.current_watermark(),
            }
        )


def source(bound):
    return f"""CREATE TABLE snapshots (host STRING, ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', `value` BYTES,
       WATERMARK FOR ts AS ts - INTERVAL '{bound}' SECOND) WITH (
            'connector' = 'kafka', 'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'topic' = '{settings.snapshots_topic}', 'scan.startup.mode' = 'earliest-offset',
            'scan.watermark.emit.strategy' = 'on-event',
            'key.format' = 'raw', 'key.fields' = 'host',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY')"""


def sink(name, topic, job):
    return f"""CREATE TABLE {name} (`value` STRING) WITH (
            'connector' = 'kafka', 'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'topic' = '{topic}', 'format' = 'raw', 'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = '{job}-{name}')"""


def submit(bound):
    job = settings.job_name(f"windows{bound}")
    topics = {n: f"procstat_{n}{bound}{settings.suffix}" for n in ("seen", "windows")}
    create_topics(settings.kafka_bootstrap, [Topic(t, 1) for t in topics.values()])
    env, tables = remote_environment(
        settings.cluster, job, parallelism=1, resume_from=None, **{"python.fn-execution.bundle.size": "1"}
    )
    tables.execute_sql(source(bound))
    for n, t in topics.items():
        tables.execute_sql(sink(n, t, job))
    records = tables.to_data_stream(
        tables.sql_query("SELECT host, ts FROM snapshots") if os.environ.get("Q") else tables.from_path("snapshots")
    )
    print(records.get_type())
    noted = records.process(Note(), Types.STRING())
    windows = (
        records.key_by(lambda r: "all", Types.STRING())
        .window(TumblingEventTimeWindows.of(Time.seconds(10)))
        .process(Count(), Types.STRING())
    )
    st = tables.create_statement_set()
    for n, s in (("seen", noted), ("windows", windows)):
        st.add_insert(n, tables.from_data_stream(s.map(lambda v: Row(v), Types.ROW_NAMED(["value"], [Types.STRING()]))))
    st.attach_as_datastream()
    return str(env.execute_async(job).get_job_id()), topics


t = time.time()
jid, topics = submit(5)
print("submitted", time.time() - t)
wait_for_start(rest, jid, 120)
print("running", time.time() - t)
found = wait_for_records(settings, topics["seen"], len(fleet), 120)
print("seen", time.time() - t)
seen = [Seen(**json.loads(r.value())) for r in found]
time.sleep(3)
closed = [Closed(**json.loads(r.value())) for r in read_topic(settings.kafka_bootstrap, topics["windows"])]
print(seen[:3], seen[-2:])
print(closed)
event_time(seen, closed, 10_000).savefig("/tmp/real.png", dpi=70)
tidy(settings)
