"""Checks on real services: an answer that changes something else is told so, and what was new is taken away."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress

import httpx2
import pytest
from confluent_kafka import Producer

from labkit.kafka.consumer import read_topic
from labkit.kafka.registry import Registry
from labkit.kafka.topics import Topic, create_topics, topic_partitions
from labkit.settings import Settings
from labkit.system import own_http
from labkit.workshop import check as checks
from labkit.workshop.checks import lesson_03
from labkit.workshop.checks.slow_broker import SlowBroker
from labkit.workshop.checks.world import world
from tests.support.waiting import wait_for

SCHEMA = {"type": "record", "name": "Mine", "fields": [{"name": "a", "type": "long"}]}


def asked(settings: Settings, method: str, path: str, **options: object) -> httpx2.Response:
    return own_http.request(method, f"{settings.registry_url}{path}", **options)


def a_topic(settings: Settings) -> None:
    create_topics(settings.kafka_bootstrap, [Topic("beside", 1)])


def a_subject(settings: Settings) -> None:
    Registry.of(settings.flow).register("beside-value", SCHEMA)


def a_compatibility(settings: Settings) -> None:
    asked(settings, "PUT", "/config", json={"compatibility": "FULL"})


@pytest.mark.parametrize(("change", "said"), [
    (a_topic, "the topic beside is new"),
    (a_subject, "the subject beside-value is new"),
    (a_compatibility, r"the compatibility of the whole registry was \w+ and is FULL"),
])  # fmt: skip
def test_what_an_answer_changes_beside_its_task_is_told_and_put_back(
    monkeypatch: pytest.MonkeyPatch, lab: Settings, change: Callable[[Settings], None], said: str
) -> None:
    def judge(answer: object, settings: Settings) -> str:
        change(settings)
        return "right in all else"

    monkeypatch.setitem(lesson_03.JUDGES, "03a", judge)
    before = world(lab)
    for _ in range(2):  # the second time too
        verdict = checks.judge("03a", None, lab)
        assert not verdict.passed
        assert re.search(said, verdict.reason), str(verdict)
        assert world(lab) == before
    assert "beside" not in topic_partitions(lab.kafka_bootstrap)


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_an_answer_made_is_taken_away_too_where_it_raises(
    monkeypatch: pytest.MonkeyPatch, lab: Settings, error: BaseException
) -> None:
    def judge(answer: object, settings: Settings) -> str:
        a_topic(settings)
        raise error

    monkeypatch.setitem(lesson_03.JUDGES, "03a", judge)
    before = world(lab)
    with suppress(KeyboardInterrupt):
        assert not checks.judge("03a", None, lab).passed
    assert world(lab) == before


def test_what_an_exercise_makes_for_itself_is_no_change(monkeypatch: pytest.MonkeyPatch, lab: Settings) -> None:
    def judge(answer: object, settings: Settings) -> str:
        create_topics(settings.kafka_bootstrap, [Topic("asked_ex03", 1)])
        Registry.of(settings.flow).register("asked_ex03-value", SCHEMA)
        return "right"

    monkeypatch.setitem(lesson_03.JUDGES, "03a", judge)
    assert checks.judge("03a", None, lab).passed


def test_a_slow_broker_has_a_record_at_once_and_says_so_late(lab: Settings) -> None:
    topic, reports = "asked_slow_ex02", []
    create_topics(lab.kafka_bootstrap, [Topic(topic, 1)])
    with SlowBroker(lab.kafka_bootstrap, 2.0) as broker:
        producer = Producer({"bootstrap.servers": broker.address, "log_level": 0})
        producer.poll(0)
        assert not broker.is_asked
        began = time.monotonic()
        producer.produce(topic, b"1", on_delivery=lambda error, _: reports.append(error))
        wait_for(lambda: [record.value() for record in read_topic(lab.kafka_bootstrap, topic)] == [b"1"])
        assert producer.flush(0.1) == 1
        assert producer.flush() == 0
        assert time.monotonic() - began >= 2.0
        assert broker.is_asked
    assert reports == [None]
