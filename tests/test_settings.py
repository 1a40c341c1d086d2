"""Settings come from the environment, then labkit.toml, then the blueprint; what is wrong is one sentence."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from labkit import settings as module
from labkit.errors import BadInput
from labkit.settings import Settings, load_settings

DEFAULT_PORTS = {
    "kafka_port": 9092,
    "kafka_controller_port": 9093,
    "registry_port": 8081,
    "registry_management_port": 8083,
    "flink_port": 8082,
    "flink_rpc_port": 6123,
    "jupyter_port": 8888,
}


@pytest.fixture(autouse=True)
def toml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty environment, and the path of a labkit.toml that is not there yet."""
    for name in [name for name in os.environ if name.startswith("LABKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(module, "REPOSITORY", tmp_path)
    return tmp_path / "labkit.toml"


def test_the_defaults_are_those_of_the_blueprint() -> None:
    settings = load_settings()
    assert settings.ports == DEFAULT_PORTS
    assert settings.kafka_bootstrap == "127.0.0.1:9092"
    assert settings.registry_url == "http://127.0.0.1:8081/apis/ccompat/v7"
    assert settings.flink_url == "http://127.0.0.1:8082"
    topics = (settings.snapshots_topic, settings.metrics_topic, settings.dead_letters_topic)
    assert topics == ("procstat_snapshots", "procstat_metrics", "procstat_dead_letters")
    assert settings.flow.subject == "procstat_snapshots-value"
    assert (settings.partitions, settings.interval_s) == (4, 1.0)


def test_an_argument_wins_over_the_environment_over_the_file(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text("interval_s = 2\npartitions = 2\nkafka_port = 12000\n")
    monkeypatch.setenv("LABKIT_INTERVAL_S", "3")
    monkeypatch.setenv("LABKIT_PARTITIONS", "3")
    settings = load_settings(interval_s=4)
    assert (settings.interval_s, settings.partitions, settings.kafka_port) == (4, 3, 12000)


def test_folders_are_absolute_whatever_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    settings = load_settings(state_dir="lab", output_dir="~/out")
    assert (settings.state_dir, settings.output_dir) == (tmp_path / "lab", Path("/home/somebody/out"))


@given(offset=st.integers(10, 50_000), name=st.sampled_from(sorted(DEFAULT_PORTS)))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the environment stays empty
def test_port_offset_moves_every_port_but_one_that_is_set_itself(offset: int, name: str) -> None:
    moved = {other: port + offset for other, port in DEFAULT_PORTS.items()}
    assert load_settings(port_offset=offset).ports == moved
    assert load_settings(port_offset=offset, **{name: 1024}).ports == {**moved, name: 1024}


WRONG = {
    "two ports that are equal": {"kafka_port": 8081},
    "two ports that the offset made equal": {"port_offset": 2, "kafka_port": 8084},
    "a port that is no number": {"kafka_port": "abc"},
    "a port that needs root": {"flink_port": 80},
    "a port that does not exist": {"flink_port": 65536},
    "an offset below 0": {"port_offset": -1},
    "no interval": {"interval_s": 0},
    "an interval below 0": {"interval_s": -1},
    "an interval that is not a number": {"interval_s": "nan"},
    "an interval without an end": {"interval_s": "inf"},
    "no checkpoints": {"checkpoint_interval_s": 0},
    "checkpoints never": {"checkpoint_interval_s": "inf"},
    "no partitions": {"partitions": 0},
    "half a partition": {"partitions": 1.5},
    "no name of the host": {"hostname": ""},
    "no parallelism": {"enrichment_parallelism": 0},
    "a host that is an address with a port": {"kafka_host": "kafka:9092"},
    "a host that is a path": {"registry_host": "http://registry"},
    "no host": {"flink_host": ""},
    "a deployment that there is not": {"deployment": "kubernetes"},
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_setting_is_one_sentence_that_names_it(given: dict[str, object]) -> None:
    with pytest.raises(BadInput) as caught:
        load_settings(**given)
    assert re.fullmatch(r"The setting \w+ is not right: [^\n]+\.", caught.value.what)
    assert list(given)[-1] in caught.value.what


def test_a_wrong_value_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_KAFKA_PORT", "abc")
    with pytest.raises(BadInput, match=r"kafka_port \(from LABKIT_KAFKA_PORT in the environment\).*'abc'"):
        load_settings()


def test_of_a_wrong_value_or_name_in_the_file_the_file_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("labkit.settings.REPOSITORY", tmp_path)
    (tmp_path / "labkit.toml").write_text('interval_s = "fast"')
    with pytest.raises(BadInput, match=r"interval_s \(in labkit.toml\) is not right.*'fast'"):
        load_settings()
    (tmp_path / "labkit.toml").write_text("port_ofset = 100")
    with pytest.raises(BadInput, match=r"no setting port_ofset \(in labkit.toml\).*mean port_offset\?"):
        load_settings()


@pytest.mark.parametrize(("text", "words"), [("kafka_prot = 1", "kafka_prot"), ("kafka_port", "cannot be read")])
def test_a_wrong_labkit_toml_is_one_sentence(toml: Path, text: str, words: str) -> None:
    toml.write_text(text)
    with pytest.raises(BadInput, match=words) as caught:
        load_settings()
    assert "\n" not in str(caught.value)


def test_the_same_settings_lead_to_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DEPLOYMENT": "compose", "KAFKA_HOST": "kafka", "REGISTRY_HOST": "schema-registry",
                        "FLINK_HOST": "jobmanager", "CONTROL_PASSWORD": "not to be shown"}.items():  # fmt: skip
        monkeypatch.setenv(f"LABKIT_{name}", value)
    settings = load_settings()
    assert settings.kafka_bootstrap == "kafka:9092"
    assert settings.registry_url == "http://schema-registry:8081/apis/ccompat/v7"
    assert settings.flink_url == "http://jobmanager:8082"
    assert (settings.in_containers, settings.bind_host) == (True, "0.0.0.0")
    assert "not to be shown" not in repr(settings)
    assert settings.own_hosts == ("127.0.0.1", "localhost", "kafka", "schema-registry", "jobmanager")


def test_a_browser_finds_the_pages_on_127_0_0_1_wherever_the_services_run() -> None:
    for hosts in ({}, {"deployment": "compose", "flink_host": "jobmanager", "registry_host": "schema-registry"}):
        settings = load_settings(port_offset=100, **hosts)
        assert settings.flink_page == "http://127.0.0.1:8182"
        assert settings.registry_page == "http://127.0.0.1:8181/apis/ccompat/v7/subjects"


def test_on_one_machine_services_listen_on_127_0_0_1_only() -> None:
    assert {load_settings(deployment=name).bind_host for name in ("auto", "local")} == {"127.0.0.1"}


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().kafka_port = 1  # type: ignore[misc]


def test_a_suffix_is_on_every_topic_but_one_that_is_set_itself() -> None:
    settings = load_settings(suffix="_nb05", metrics_topic="elsewhere")
    topics = (settings.snapshots_topic, settings.metrics_topic, settings.dead_letters_topic)
    assert topics == ("procstat_snapshots_nb05", "elsewhere", "procstat_dead_letters_nb05")


def test_what_was_worked_out_is_not_worked_out_again() -> None:
    settings = load_settings(port_offset=100, suffix="_nb05", flink_port=1024)
    assert settings.model_fields_set == {"port_offset", "suffix", "flink_port"}
    assert Settings(**json.loads(settings.model_dump_json())) == settings
    assert load_settings(**settings.model_dump(include=settings.model_fields_set)) == settings


def test_loading_settings_leaves_the_environment_as_it_is() -> None:
    before = dict(os.environ)
    load_settings(kafka_host="kafka")
    assert dict(os.environ) == before


@pytest.mark.parametrize("name", ["a b", "it's", 'say "x"', "a;b", "$HOME", "50%(here)s", "Übung 日本", "#1,2", "^|~`"])
def test_a_folder_may_have_any_name(name: str, tmp_path: Path) -> None:
    assert load_settings(state_dir=tmp_path / name).state_dir == tmp_path / name


@pytest.mark.parametrize("name", ["a:b", "a[1]", "b]", "{c}", "a\\b", "a\nb", "😀", "\udcff"])
def test_a_folder_that_java_cannot_take_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"state_dir.*Java cannot take the path"):
        load_settings(state_dir=tmp_path / name)


def test_a_mistyped_variable_and_two_equal_topics_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="three different topics"):
        load_settings(metrics_topic="procstat_snapshots")
    with pytest.raises(BadInput, match="no setting kafka_prot"):
        load_settings(kafka_prot=9092)
    monkeypatch.setenv("LABKIT_KAFKA_PROT", "9093")
    with pytest.raises(BadInput, match="no setting LABKIT_KAFKA_PROT"):
        load_settings()
