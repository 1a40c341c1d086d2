"""The one place for addresses, ports, names, folders and intervals.

A value comes from the first of these that has it: the environment (`LABKIT_KAFKA_PORT=19092`),
the file labkit.toml beside the Makefile (`kafka_port = 19092`), the default below.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
import tomllib
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from labkit.errors import BadInput
from labkit.flink.environment import Cluster
from labkit.kafka.flow import Flow
from labkit.parquet.folder import RowFolder
from labkit.setup.place import install_dir
from labkit.streams.names import job_name, topic_name
from labkit.streams.registry import STREAMS
from labkit.system.repository import REPOSITORY

__all__ = ["LOOPBACK", "REPOSITORY", "Settings", "load_settings"]

LOOPBACK = "127.0.0.1"

_PORTS = (
    "kafka_port", "kafka_controller_port", "registry_port", "registry_management_port", "flink_port",
    "flink_rpc_port", "jupyter_port",
)  # fmt: skip
_TOPICS = ("snapshots_topic", "metrics_topic", "dead_letters_topic")
_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"
#: A class path is cut at colons, Flink takes a backslash for a slash, Quarkus cannot make an address of a bracket,
#: setuptools takes a brace for a variable, and Java's class loader mistakes a character beyond U+FFFF.
_UNFIT = re.compile(r"[][{}:\\\x00-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]")
#: Read by set-up, before there are settings.
_OTHER_VARIABLES = {"LABKIT_MAVEN_MIRROR", "LABKIT_VENV"}
#: supervisord reads it too; it is in no settings object, so that no print of one shows it.
_SECRETS = {"LABKIT_CONTROL_PASSWORD"}


def _moved(port: int) -> Callable[[dict[str, Any]], int]:
    """The default of a port: `port` and the offset."""
    return lambda given: port + int(given["port_offset"])


def _named(kind: str) -> Callable[[dict[str, Any]], str]:
    """The default of a topic: the stream, what is in it, and the suffix."""
    return lambda given: topic_name(kind, given["stream"], given["suffix"])


class Settings(BaseSettings):
    """Everything that may differ between two labs. Times in seconds carry `_s` in their name."""

    model_config = SettingsConfigDict(env_prefix="LABKIT_", extra="forbid", frozen=True, validate_default=True)

    # folders
    state_dir: Path = REPOSITORY / ".lab"
    output_dir: Path = REPOSITORY / "output"
    schema_dir: Path = REPOSITORY / "schemas"
    install_dir: Path = Field(default_factory=install_dir)
    work_dir: Path = REPOSITORY / "work"

    # where it runs: local is processes of this machine, compose a container for each service, and auto
    # is local unless the containers of this folder are up
    deployment: Literal["auto", "local", "compose"] = "auto"

    # addresses: on this machine everything listens on 127.0.0.1; containers have a network of their own
    kafka_host: str = Field(LOOPBACK, pattern=_HOST)
    registry_host: str = Field(LOOPBACK, pattern=_HOST)
    flink_host: str = Field(LOOPBACK, pattern=_HOST)
    port_offset: int = Field(0, ge=0, le=50_000, description="added to every port that is not set itself")
    kafka_port: int = Field(default_factory=_moved(9092), ge=1024, le=65535)
    kafka_controller_port: int = Field(default_factory=_moved(9093), ge=1024, le=65535)
    registry_port: int = Field(default_factory=_moved(8081), ge=1024, le=65535)
    registry_management_port: int = Field(default_factory=_moved(8083), ge=1024, le=65535)
    flink_port: int = Field(default_factory=_moved(8082), ge=1024, le=65535)
    flink_rpc_port: int = Field(default_factory=_moved(6123), ge=1024, le=65535)
    jupyter_port: int = Field(default_factory=_moved(8888), ge=1024, le=65535)

    # what flows, and its topics
    stream: str = "procstat"
    suffix: str = Field("", pattern=r"^(_[a-z0-9_]{1,20})?$", description="of own topics, jobs and rows: _nb05")
    snapshots_topic: str = Field(default_factory=_named("snapshots"))
    metrics_topic: str = Field(default_factory=_named("metrics"))
    dead_letters_topic: str = Field(default_factory=_named("dead_letters"))
    partitions: int = Field(4, ge=1, le=1000, description="at least, of snapshots and of metrics")

    # the pipeline
    hostname: str = Field(default_factory=socket.gethostname, min_length=1)
    interval_s: float = Field(1.0, gt=0, le=86_400, allow_inf_nan=False)
    checkpoint_interval_s: float = Field(10.0, ge=1, le=3_600, allow_inf_nan=False)
    # the longest outage after which no result is lost
    transaction_timeout_s: int = Field(3_600, ge=60, le=86_400)
    # how long a host that fell silent is remembered; a day more than labkit.streams.rules says
    host_state_s: int = Field(31 * 86_400, ge=1)
    enrichment_parallelism: int = Field(2, ge=1, le=64)
    task_slots: int = Field(8, ge=4, le=128)
    task_heap_mib: int = Field(256, ge=256, le=65_536, description="of the TaskManager's JVM, for the jobs")
    # what the enrichment's sinks promise; anything else is for comparing
    delivery: Literal["exactly-once", "at-least-once", "none"] = "exactly-once"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values given in code, then the environment, then labkit.toml."""
        file = TomlConfigSettingsSource(settings_cls, REPOSITORY / "labkit.toml")
        return init_settings, env_settings, file

    @field_validator("stream")
    @classmethod
    def _known(cls, stream: str) -> str:
        if stream not in STREAMS:
            raise ValueError(f"there is no stream {stream}; there is {', '.join(STREAMS)}")
        return stream

    @field_validator("state_dir", "output_dir", "schema_dir", "install_dir", "work_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        if _UNFIT.search(str(path)):
            raise ValueError(
                "Java cannot take the path: it has a colon, a backslash, a bracket, a brace, a control character, "
                "a character beyond U+FFFF (such as an emoji), or bytes that are no UTF-8"
            )
        return path.expanduser().absolute()

    @model_validator(mode="after")
    def _ports_and_topics_apart(self) -> Self:
        seen: dict[int, str] = {}
        for name in _PORTS:
            port = getattr(self, name)
            if port in seen:
                raise ValueError(f"{seen[port]} and {name} are both {port}")
            seen[port] = name
        if len({self.snapshots_topic, self.metrics_topic, self.dead_letters_topic}) != len(_TOPICS):
            raise ValueError(f"{', '.join(_TOPICS)} have to be three different topics")
        return self

    @property
    def in_containers(self) -> bool:
        """Whether each service is in a container of its own."""
        return self.deployment == "compose"

    @property
    def ports(self) -> dict[str, int]:
        """Every port the lab listens on: {"kafka_port": 9092, …}."""
        return {name: getattr(self, name) for name in _PORTS}

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """Where the lab's services are; a proxy that is set for downloads is not to be asked for them."""
        return tuple(dict.fromkeys([LOOPBACK, "localhost", self.kafka_host, self.registry_host, self.flink_host]))

    @property
    def kafka_bootstrap(self) -> str:
        """host:port of the broker."""
        return f"{self.kafka_host}:{self.kafka_port}"

    @property
    def registry_url(self) -> str:
        """Base of the registry's Confluent API."""
        return f"http://{self.registry_host}:{self.registry_port}/apis/ccompat/v7"

    @property
    def registry_ready_url(self) -> str:
        """Answers 200 once the registry has read back what was registered; until then it denies knowing any of it."""
        return f"http://{self.registry_host}:{self.registry_management_port}/health/ready"

    @property
    def flink_url(self) -> str:
        """Flink's REST API, as programs of the lab reach it."""
        return f"http://{self.flink_host}:{self.flink_port}"

    @property
    def flink_page(self) -> str:
        """Flink's page, as a browser on this machine reaches it."""
        return f"http://{LOOPBACK}:{self.flink_port}"

    @property
    def registry_page(self) -> str:
        """The registry's subjects, as a browser on this machine reaches them."""
        return f"http://{LOOPBACK}:{self.registry_port}/apis/ccompat/v7/subjects"

    @property
    def bind_host(self) -> str:
        """Where services listen: in a container on its own network, else on 127.0.0.1 only."""
        return "0.0.0.0" if self.in_containers else LOOPBACK

    @property
    def flow(self) -> Flow:
        """The stream in this lab's Kafka: what clients of it have to be told."""
        return Flow(
            STREAMS[self.stream],
            self.kafka_bootstrap,
            self.registry_url,
            self.registry_ready_url,
            suffix=self.suffix,
            snapshots_topic=self.snapshots_topic,
            metrics_topic=self.metrics_topic,
            dead_letters_topic=self.dead_letters_topic,
            partitions=self.partitions,
            schema_dir=self.schema_dir,
        )

    @property
    def rows(self) -> RowFolder:
        """The folder of the stream's rows, for who merges it."""
        return RowFolder(self.parquet_dir, STREAMS[self.stream].shape, self.state_dir, self.checkpoint_interval_s)

    @property
    def cluster(self) -> Cluster:
        """The Flink cluster: what it takes to submit a job there."""
        return Cluster(
            self.flink_host, self.flink_port, self.install_dir, self.state_dir, self.checkpoints_dir,
            self.savepoints_dir, self.checkpoint_interval_s,
        )  # fmt: skip

    def for_stream(self, stream: str) -> Settings:
        """The same lab with another stream: its topics, jobs and rows."""
        if stream == self.stream:
            return self
        values = self.model_dump(exclude={"stream", *_TOPICS})
        topics = {name: topic_name(name.removesuffix("_topic"), stream, self.suffix) for name in _TOPICS}
        return Settings(**{**values, **topics, "stream": stream})

    def job_name(self, job: str) -> str:
        """The name of the stream's job (`labkit.streams.names`) in Flink's list, its group, and its state's folder."""
        return job_name(job, self.stream, self.suffix)

    @property
    def parquet_dir(self) -> Path:
        """The folder of the stream's Parquet files, and of nothing else."""
        return self.output_dir / f"{'cpu' if self.stream == 'procstat' else self.stream}_metrics{self.suffix}"

    @property
    def plots_dir(self) -> Path:
        """The folder of pictures."""
        return self.output_dir / "plots"

    @property
    def checkpoints_dir(self) -> Path:
        """Where Flink keeps checkpoints, a folder a job."""
        return self.state_dir / "flink" / "checkpoints"

    @property
    def savepoints_dir(self) -> Path:
        """Where Flink keeps savepoints, a folder a job."""
        return self.state_dir / "flink" / "savepoints"


def _from(name: str, given: Collection[str]) -> str:
    """Where a setting's value comes from, in words: " (in labkit.toml)"; "" where the program gave or worked it out."""
    if name in given:
        return ""
    if (variable := f"LABKIT_{name.upper()}") in os.environ:
        return f" (from {variable} in the environment)"
    with suppress(OSError, ValueError):
        return " (in labkit.toml)" if name in tomllib.loads((REPOSITORY / "labkit.toml").read_text()) else ""
    return ""


def _meant(name: str, known: Iterable[str]) -> str:
    alike = difflib.get_close_matches(name, known, 1)
    return f"Do you mean {alike[0]}?" if alike else "All settings: labkit/settings.py"


def load_settings(**values: object) -> Settings:
    """Settings of this process; `values` win over the environment and the file. Raises `BadInput`."""
    known = {f"LABKIT_{name.upper()}" for name in Settings.model_fields} | _OTHER_VARIABLES | _SECRETS
    for name in os.environ:
        if name.startswith("LABKIT_") and name not in known:
            raise BadInput(f"There is no setting {name}.", _meant(name, known))
    try:
        return Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "extra_forbidden":
            name = str(first["loc"][0])
            todo = _meant(name, Settings.model_fields)
            raise BadInput(f"There is no setting {name}{_from(name, values)}.", todo) from None
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        given, origin = f" (given: {first['input']!r})" if first["loc"] else "", _from(name, values)
        raise BadInput(
            f"The setting {name}{origin} is not right: {first['msg']}{given}.",
            "" if origin else "Look at LABKIT_… in your environment and at labkit.toml.",
        ) from None
    except ValueError as error:  # labkit.toml that is not TOML
        raise BadInput(f"labkit.toml cannot be read: {error}.") from None
