"""Every kind of trace that is explained, really provoked: a notebook's cells on real services, and what they show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from labkit.settings import Settings
from labkit.workshop.explain import KINDS
from tests.support.labs import free_ports

#: One kernel. `environment` gives a job that fails for good at its first failure, so that its client hears of it;
#: nobody listens on port AWAY.
SETUP = """\
%load_ext labkit.workshop.explain
import logging, socket
from contextlib import suppress
from pathlib import Path

import duckdb, httpx2, pandas as pd
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from labkit.flink.environment import remote_environment
from labkit.settings import load_settings
from labkit.workshop.waiting import wait_until

settings = load_settings(suffix="_explain")
Path("only_here.py").write_text("def double(number):\\n    return 2 * number\\n")

def environment(settings=settings, job="provoked", **options):
    env, tables = remote_environment(settings.cluster, f"{job}_explain", parallelism=1, resume_from=None)
    from pyflink.common import Configuration
    config = Configuration()
    for key, value in {"restart-strategy.type": "none", "rest.retry.max-attempts": "0", **options}.items():
        config.set_string(key, value)
    env.configure(config)
    return env, tables

def from_kafka(tables, topic, server, within_ms=20_000):
    tables.execute_sql(f"CREATE TABLE asked (word STRING) WITH ('connector' = 'kafka', 'topic' = '{topic}', "
        f"'properties.bootstrap.servers' = '{server}', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json', "
        f"'properties.default.api.timeout.ms' = '{within_ms}', 'properties.request.timeout.ms' = '{within_ms}')")
    tables.execute_sql("SELECT * FROM asked").wait()
"""

#: kind: [(the cell, what its error message has to say)]. In this order: the last one ends the kernel's JVM.
PROVOKED = {
    "no connector or format": [
        (
            """_, tables = environment()
tables.execute_sql("CREATE TABLE typo (word STRING) WITH ('connector' = 'kafak', 'format' = 'json')")
tables.execute_sql("SELECT * FROM typo")""",
            r"(?s)no connector or format called 'kafak' here\. It knows: .*\bkafka\b.*line 3 of this cell: tables\.",
        ),
        (
            """tables.execute_sql("CREATE TABLE parket (word STRING) WITH ('connector' = 'filesystem', "
    "'path' = 'file:///tmp/none', 'format' = 'parket')")
tables.execute_sql("INSERT INTO parket VALUES ('hello')")""",
            r"no connector or format called 'parket' here\.\n.*spelling",
        ),
    ],
    "Flink's own words": [
        (
            """_, tables = environment()
tables.execute_sql("SELECT word FROM nowhere")""",
            r"Flink says: .*Object 'nowhere' not found",
        )
    ],
    "exactly once without a name": [
        (
            """_, tables = environment()
tables.execute_sql("CREATE TABLE exact (word STRING) WITH ('connector' = 'kafka', 'topic' = 'any', "
    f"'format' = 'json', 'properties.bootstrap.servers' = '{settings.kafka_bootstrap}', "
    "'sink.delivery-guarantee' = 'exactly-once')")
tables.execute_sql("INSERT INTO exact VALUES ('hello')")""",
            r"needs a name for its transactions, and checkpoints.*\n.*sink\.transactional-id-prefix",
        )
    ],
    "SQL that cannot be read": [
        (
            """_, tables = environment()
tables.execute_sql("SELECT timestamp > 3 FROM nowhere")""",
            r"cannot read this SQL: Encountered \"timestamp >\" at line 1, column 8\.\n.*backticks",
        )
    ],
    "a result that changes": [
        (
            """_, tables = environment()
tables.execute_sql("CREATE TABLE words (word STRING) WITH ('connector' = 'datagen')")
tables.execute_sql("CREATE TABLE plain (word STRING, times BIGINT) WITH ('connector' = 'kafka', 'topic' = 'any', "
    f"'format' = 'json', 'properties.bootstrap.servers' = '{settings.kafka_bootstrap}')")
tables.execute_sql("INSERT INTO plain SELECT word, COUNT(*) FROM words GROUP BY word")""",
            r"rows of this query are replaced later.*table plain only takes new rows\.\n.*upsert-kafka",
        )
    ],
    "two times of event in a row": [
        (
            """_, tables = environment()
for name in ("lefts", "rights"):
    tables.execute_sql(f"CREATE TABLE {name} (host STRING, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts) "
        "WITH ('connector' = 'datagen')")
tables.execute_sql("CREATE TABLE times (a TIMESTAMP_LTZ(3), b TIMESTAMP_LTZ(3)) WITH ('connector' = 'blackhole')")
within = "ON lefts.host = rights.host AND rights.ts BETWEEN lefts.ts - INTERVAL '1' SECOND AND lefts.ts"
tables.execute_sql(f"INSERT INTO times SELECT lefts.ts, rights.ts FROM lefts JOIN rights {within}")""",
            r"several columns of event time \(ts, ts0\).*\n.*CAST",
        )
    ],
    "a table without versions": [
        (
            """tables.execute_sql("CREATE TABLE names (host STRING, name STRING, PRIMARY KEY (host) NOT ENFORCED) "
    f"WITH ('connector' = 'upsert-kafka', 'topic' = 'any', 'key.format' = 'raw', 'value.format' = 'json', "
    f"'properties.bootstrap.servers' = '{settings.kafka_bootstrap}')")
of_then = "LEFT JOIN names FOR SYSTEM_TIME AS OF lefts.ts ON lefts.host = names.host"
tables.explain_sql(f"SELECT name FROM lefts {of_then}")""",
            r"this one has no row time attribute\.\n.*PRIMARY KEY .* WATERMARK",
        ),
        (
            """tables.execute_sql("CREATE TABLE keyless (host STRING, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts) "
    "WITH ('connector' = 'datagen')")
tables.explain_sql("SELECT 1 FROM lefts JOIN keyless FOR SYSTEM_TIME AS OF lefts.ts ON lefts.host = keyless.host")""",
            r"this one has no primary key\.\n.*PRIMARY KEY .* WATERMARK",
        ),
    ],
    "times of two types": [
        (
            """tables.execute_sql("CREATE TABLE untimed (host STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) "
    "WITH ('connector' = 'datagen')")
tables.explain_sql("SELECT 1 FROM lefts JOIN untimed AS rights " + within)""",
            r"have to be of one type; here they are .*LTZ.* and .*TIMESTAMP.*\n.*Declare both as TIMESTAMP_LTZ",
        )
    ],
    "a worker without a module": [
        (
            """import only_here
env, _ = environment()
env.from_collection([1, 2]).map(only_here.double).print()
env.execute()""",
            r"worker of Flink cannot import only_here.*\n.*env\.add_python_file\(\"only_here\.py\"\)",
        )
    ],
    "a Python error in a function of yours": [
        (
            """def share(total):
    part = 10
    return part / total

env, _ = environment()
env.from_collection([5, 0]).map(share).print()
env.execute()""",
            r"raised ZeroDivisionError: division by zero in a Python worker of Flink, "
            r"in share, line 3 of its cell: return part / total\.",
        )
    ],
    "a topic that is not there": [
        ("""from_kafka(environment()[1], "nowhere", settings.kafka_bootstrap)""", r"Kafka has no topic of that name"),
        (
            """admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
admin.delete_topics(["nowhere"])["nowhere"].result()""",
            r"Kafka has no topic of that name",
        ),
    ],
    "a topic that is there already": [
        (
            """from confluent_kafka.admin import NewTopic
admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
for _ in range(2):
    admin.create_topics([NewTopic("twice", 1)])["twice"].result()""",
            r"The topic twice is there already: this cell has run before",
        ),
    ],
    "a consumer that is closed": [
        (
            """from confluent_kafka import Consumer
consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap, "group.id": "closed"})
consumer.close()
consumer.consume(1, timeout=1)""",
            r"This consumer is closed",
        ),
    ],
    "the broker is away": [
        ("""from_kafka(environment()[1], "any", f"127.0.0.1:{AWAY}", 1000)""", r"Kafka does not answer"),
        (
            """quiet = logging.getLogger("quiet")
AdminClient({"bootstrap.servers": f"127.0.0.1:{AWAY}"}, logger=quiet).list_topics(timeout=1)""",
            r"Kafka does not answer.*\n.*labkit up",
        ),
    ],
    "the JobManager is away": [
        (
            """away = load_settings(suffix="_explain", flink_port=AWAY)
env, _ = environment(away)
env.from_collection([1]).print()
env.execute()""",
            r"JobManager does not answer.*\n.*labkit up",
        )
    ],
    "no slots": [
        (
            """from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway

config = Configuration()  # Flink's own small cluster: the lab's waits five minutes for slots before it gives up
for key, value in {"taskmanager.numberOfTaskSlots": "1", "slot.request.timeout": "500", "rest.port": "0",
                   "restart-strategy.type": "none"}.items():
    config.set_string(key, value)
java = get_gateway().jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
env = StreamExecutionEnvironment(java.createLocalEnvironment(2, config._j_configuration))
env.from_collection([1, 2]).rebalance().print()
env.execute()""",
            r"no free slot.*\n.*set_parallelism\(1\)",
        )
    ],
    "no visible Parquet file": [
        (
            """env, tables = environment(job="hidden")
env._j_stream_execution_environment.getCheckpointConfig().disableCheckpointing()
tables.execute_sql("CREATE TABLE words (word STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '50')")
tables.execute_sql("CREATE TABLE files (word STRING) WITH ('connector' = 'filesystem', 'format' = 'parquet', "
    f"'path' = 'file://{settings.parquet_dir}')")
hidden = tables.execute_sql("INSERT INTO files SELECT * FROM words").get_job_client()
wait_until(lambda: list(settings.parquet_dir.glob(".*")), "A hidden file is there")
duckdb.sql(f"FROM '{settings.parquet_dir}/*.parquet'")""",
            r"no visible file at .*cpu_metrics_explain/\*\.parquet: .*when a checkpoint completes",
        )
    ],
    "no Parquet among the Parquet files": [
        (
            """hidden.cancel().result()
beside = settings.parquet_dir / "beside"
beside.mkdir()
pd.DataFrame({"word": ["hello"]}).to_parquet(beside / "part-0.parquet")
(beside / "cpu.png").write_bytes(b"\\x89PNG and a picture")
pd.read_parquet(beside)""",
            r"cpu\.png is no Parquet file.*\n.*output/plots",
        )
    ],
    "the registry is away": [
        (
            """url = f"http://127.0.0.1:{AWAY}/apis/ccompat/v7"
SchemaRegistryClient({"url": url, "max.retries": 0}).get_subjects()""",
            r"registry does not answer.*\n.*labkit up",
        ),
        ("""httpx2.get(f"{url}/subjects")""", r"registry does not answer"),
    ],
    "a schema that was refused": [
        (
            """registry = SchemaRegistryClient({"url": settings.registry_url})
registry.set_compatibility("words_explain-value", "BACKWARD")
record = '{"type": "record", "name": "Word", "fields": [%s]}'
registry.register_schema("words_explain-value", Schema(record % '{"name": "word", "type": "string"}', "AVRO"))
wider = '{"name": "word", "type": "string"}, {"name": "length", "type": "int"}'
registry.register_schema("words_explain-value", Schema(record % wider, "AVRO"))""",
            r"registry refuses this schema.*\n.*default",
        )
    ],
    "a port that is taken": [
        (
            """with socket.socket() as mine:
    mine.bind(("127.0.0.1", settings.kafka_port))""",
            r"Another program listens on that port.*\n.*labkit doctor.*port_offset",
        )
    ],
    "a plan that was handed over already": [
        (
            """env, _ = environment(job="twice")
env.execute_async("twice_explain")""",
            r"nothing to hand over.*\n.*remote_environment",
        )
    ],
    "a planner in another thread": [
        (
            """from pyflink.java_gateway import get_gateway
_, tables = environment(job="thread")
tables.execute_sql("CREATE TABLE cups (sizes ARRAY<INT>) WITH ('connector' = 'datagen')")
idle = get_gateway()._gateway_client.deque
taken = idle.pop()  # the way to the JVM's thread that made the environment, as if another thread were using it
try:
    tables.explain_sql("SELECT size FROM cups CROSS JOIN UNNEST(sizes) AS cup (size)")
finally:
    idle.append(taken)""",
            r"planner was called in another thread.*\n.*remote_environment",
        )
    ],
    "cells out of order": [
        ("""produce(settings, snapshots)""", r"There is no produce in this kernel.*\n.*Run All Above")
    ],
    "PyFlink's JVM is gone": [
        (
            """from pyflink.java_gateway import get_gateway
with suppress(Exception):
    get_gateway().jvm.java.lang.System.exit(0)
_, tables = environment()""",
            r"Java process behind this notebook's PyFlink has ended.*\n.*Restart the kernel",
        )
    ],
}
#: Not among KINDS: an error of labkit is its own sentence, and one that nobody knows is shown as ever.
OTHERS = {
    "an error of labkit": ("""load_settings(kafka_port=80)""", r"The setting kafka_port is not right.*\n.*LABKIT_"),
    "an unknown error": ("""[][3]""", r"(?s)Traceback.*IndexError.*list index out of range"),
}
CELLS = [(kind, cell, words) for kind, cells in PROVOKED.items() for cell, words in cells]
CELLS = [*((kind, *one) for kind, one in OTHERS.items()), *CELLS]


@pytest.fixture(scope="module")
def executed(lab: Settings, tmp_path_factory: pytest.TempPathFactory) -> list[nbformat.NotebookNode]:
    """The cells after a run, in a kernel whose folder has a module that no worker knows."""
    (away,) = free_ports(1)
    sources = [SETUP + f"AWAY = {away}", *(cell for _, cell, _ in CELLS)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    folder = tmp_path_factory.mktemp("explain")
    NotebookClient(notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": folder}}).execute()
    setup, *cells = notebook.cells
    assert not [output for output in setup.outputs if output.output_type == "error"], setup.outputs
    return cells


def plain(lines: list[str]) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


def test_every_kind_is_provoked() -> None:
    assert list(PROVOKED) != []
    assert {kind.name for kind in KINDS} == set(PROVOKED)


@pytest.mark.parametrize("number", range(len(CELLS)), ids=[kind for kind, _, _ in CELLS])
def test_the_error_is_explained_and_the_cell_has_failed(number: int, executed: list[nbformat.NotebookNode]) -> None:
    kind, _, words = CELLS[number]
    outputs = executed[number].outputs
    (error,) = [output for output in outputs if output.output_type == "error"]
    shown = plain(error.traceback)
    assert re.search(words, shown), shown
    folded = [output.data["text/html"] for output in outputs if output.output_type == "display_data"]
    assert len(folded) == (kind != "an unknown error")
    assert all("<summary>The whole trace</summary>" in text and "Traceback" in text for text in folded)
    if kind in PROVOKED:
        assert len(shown.splitlines()) <= 5, "a sentence, what to do, and where"


FAILING = "%load_ext labkit.workshop.explain\nimport labkit.settings\nlabkit.settings.load_settings(kafka_port=80)"


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    path = tmp_path / "failing.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FAILING)]), path)
    return path


def test_nbclient_stops_at_an_explained_error(failing: Path) -> None:
    with pytest.raises(CellExecutionError, match="The setting kafka_port is not right"):
        NotebookClient(nbformat.read(failing, as_version=4)).execute()


def test_nbval_fails_a_cell_with_an_explained_error(failing: Path) -> None:
    words = ["-m", "pytest", "-c", "/dev/null", "--nbval-lax", "--noconftest", "-p", "no:cacheprovider"]
    done = subprocess.run([sys.executable, *words, failing], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "The setting kafka_port is not right" in done.stdout


def test_a_terminal_shows_the_trace_and_then_the_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", "-c", FAILING],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "BadInput" in done.stdout
    assert re.search(r"The setting kafka_port is not right.*\n.*LABKIT_.*\s*$", plain([done.stdout]))
