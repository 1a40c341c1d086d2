"""kafka-topics and kafka-console-consumer in .venv/bin: Kafka's own tools, run from its jars.

They take Kafka's own options; where --bootstrap-server is left out, it is this lab's broker.
"""

from __future__ import annotations

import os
import sys

from labkit.flink.home import C1_ONLY, java
from labkit.flink.jvm import clean
from labkit.lab.supervisor.kafka import kafka_classpath
from labkit.settings import load_settings

__all__ = ["console_consumer", "topics"]


def topics() -> None:
    """Entry point of `kafka-topics`."""
    _run("org.apache.kafka.tools.TopicCommand")


def console_consumer() -> None:
    """Entry point of `kafka-console-consumer`."""
    _run("org.apache.kafka.tools.consumer.ConsoleConsumer")


def _run(tool: str) -> None:
    settings = load_settings()
    given = sys.argv[1:]
    asks_for_words = not given or {"--help", "--version"} & set(given)
    if not asks_for_words and not any(word.startswith("--bootstrap-server") for word in given):
        given = ["--bootstrap-server", settings.kafka_bootstrap, *given]
    words = [str(java()), "-Xmx256m", C1_ONLY, "-cp", kafka_classpath(settings), tool, *given]
    os.execve(words[0], words, clean())
