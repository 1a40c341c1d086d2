"""Topics and schema: made once, refused in words where they do not fit, kept over a restart."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.errors import BadInput
from labkit.kafka.avro import read_schema
from labkit.kafka.producer import register_snapshot_schema
from labkit.kafka.registry import Registry
from labkit.kafka.topics import topic_partitions
from labkit.lab import services
from labkit.pipeline.run import prepare
from labkit.settings import Settings
from labkit.streams.procstat.stream import PROCSTAT
from tests.support.labs import Labkit


def test_setup_makes_the_topics_once_and_registers_the_schema_once(lab: Settings, labkit: Labkit) -> None:
    first = prepare(lab)
    again = prepare(lab)
    assert again == ([], first[1])
    there = topic_partitions(lab.kafka_bootstrap)
    assert {name: there[name] for name in ("procstat_snapshots", "procstat_metrics", "procstat_dead_letters")} == {
        "procstat_snapshots": 4, "procstat_metrics": 4, "procstat_dead_letters": 1,
    }  # fmt: skip
    for words in (["topics"], ["register-schema"]):
        assert labkit(*words).returncode == 0


def test_a_topic_with_fewer_partitions_is_one_sentence_and_nothing_changes(lab: Settings, labkit: Labkit) -> None:
    prepare(lab)
    before = topic_partitions(lab.kafka_bootstrap)
    refused = labkit("topics", LABKIT_PARTITIONS="5", LABKIT_DEAD_LETTERS_TOPIC="never_made")
    assert refused.returncode == 2
    assert refused.stderr.startswith("Topic procstat_snapshots has 4 partitions, the settings ask for at least 5")
    assert topic_partitions(lab.kafka_bootstrap) == before


def test_a_schema_that_the_registry_refuses_is_one_sentence(lab: Settings, labkit: Labkit, tmp_path: Path) -> None:
    register_snapshot_schema(lab.flow)
    text = (lab.schema_dir / "procstat_snapshot.v1.avsc").read_text()
    without_default = text.replace('{"name": "btime"', '{"name": "uptime", "type": "long"},\n    {"name": "btime"')
    (tmp_path / "procstat_snapshot.v1.avsc").write_text(without_default)
    refused = labkit("register-schema", LABKIT_SCHEMA_DIR=str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr.startswith("The registry refuses the schema for procstat_snapshots-value")
    assert len(refused.stderr.splitlines()) == 1


def test_a_new_field_with_a_default_is_accepted_and_an_unknown_id_is_nobody(lab: Settings) -> None:
    registry = Registry(lab.registry_url)
    schema = read_schema(lab.schema_dir, PROCSTAT)
    wider = copy.deepcopy(schema)
    wider["fields"].append({"name": "uptime_ms", "type": "long", "default": 0})
    subject = "test-evolution-value"
    assert registry.register(subject, schema) != registry.register(subject, wider)
    with pytest.raises(BadInput, match="refuses"):
        registry.register(subject, {**schema, "fields": [*schema["fields"], {"name": "x", "type": "long"}]})
    assert registry.schema(999_999) is None


def test_schemas_survive_a_restart_of_the_registry(lab: Settings) -> None:
    schema_id = register_snapshot_schema(lab.flow)
    services.stop_one(lab, "registry")
    services.up(lab)
    restored = Registry(lab.registry_url).schema(schema_id)
    assert restored is not None
    assert restored["name"] == "ProcStatSnapshot"
    assert register_snapshot_schema(lab.flow) == schema_id


def test_kafkas_own_tools_are_on_the_path_of_the_environment(lab: Settings) -> None:
    prepare(lab)
    tools = Path(sys.executable).parent
    listed = subprocess.run([tools / "kafka-topics", "--list"], capture_output=True, text=True, check=True)
    assert "procstat_snapshots" in listed.stdout.split()
    described = subprocess.run(
        [tools / "kafka-topics", "--bootstrap-server", lab.kafka_bootstrap, "--describe", "--topic", lab.metrics_topic],
        capture_output=True, text=True, check=True, env=dict(os.environ),
    )  # fmt: skip
    assert "retention.ms=-1" in described.stdout
    assert "max.message.bytes=4194304" in described.stdout
