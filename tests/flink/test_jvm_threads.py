"""A plan is made in one thread of the JVM, whatever other threads of Python do."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from labkit.flink.jvm_threads import OwnConnections


def test_a_thread_gets_back_the_connection_that_it_gave_back_last_and_never_that_of_another() -> None:
    idle, found = OwnConnections(), []
    idle.append("first")
    idle.append("last")

    def other() -> None:
        found.append(len(idle))
        idle.append("of the other")

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [0]
    assert [idle.pop(), idle.pop()] == ["last", "first"]
    with pytest.raises(IndexError):
        idle.pop()


PLANS = """
import sys, threading
from pyflink.java_gateway import get_gateway
from labkit.flink.environment import remote_environment
from labkit.flink.gateway import close_client
from labkit.settings import load_settings

_, tables = remote_environment(load_settings(state_dir=sys.argv[1]).cluster, "beside", parallelism=1, resume_from=None)
tables.execute_sql("CREATE TABLE cups (sizes ARRAY<INT>) WITH ('connector' = 'datagen')")
stop = threading.Event()

def talk():
    while not stop.is_set():
        get_gateway().jvm.java.lang.System.currentTimeMillis()

threads = [threading.Thread(target=talk) for _ in range(3)]
for thread in threads:
    thread.start()
try:
    for _ in range(5):
        assert "cups" in tables.explain_sql("SELECT size FROM cups CROSS JOIN UNNEST(sizes) AS cup (size)")
finally:
    stop.set()
    for thread in threads:
        thread.join()
    close_client()
print("five plans")
"""


def test_a_plan_is_made_while_other_threads_talk_to_the_jvm(tmp_path: Path) -> None:
    words = [sys.executable, "-c", PLANS, tmp_path]  # a process of its own: its JVM has not begun yet
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.endswith("five plans\n"), done.stderr[-2000:]


AGAIN = """
import sys
from labkit.jobs.submit import _build
from labkit.flink.gateway import close_client
from labkit.lab.supervisor.configuration import write_configuration
from labkit.settings import load_settings
from labkit.workshop.parts import record_job

settings = load_settings(state_dir=sys.argv[1])
write_configuration(settings)  # the client reads Flink's
for _ in range(2):
    _build(settings, "enrichment", None)
    record_job.build(settings, None)
    _build(settings, "parquet", None)
    close_client()
print("planned twice")
"""


def test_a_process_that_has_closed_its_jvm_can_plan_every_job_again_with_a_new_one(tmp_path: Path) -> None:
    words = [sys.executable, "-c", AGAIN, tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.endswith("planned twice\n"), done.stderr[-2000:]
