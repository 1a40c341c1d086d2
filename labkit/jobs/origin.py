"""What a job's saved state was made from: which Kafka, which topics, which schemas. Kept beside the state.

    .lab/flink/checkpoints/enrichment/made-from.json
    {"lab": "/home/me/.lab", "cluster": "Xk3…", "topics": {"procstat_snapshots": "qP0…", …}, "schemas": {"1": "9f…"}}

A topic that is deleted and made anew keeps its name and gets another id (KIP-516). The offsets in the state mean
nothing there: a job that went on from them would leave records out, without a word. The folder of rows has such a
note, too. State and rows without one are from before there were any, and are taken for their own.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from labkit.errors import BadInput
from labkit.flink.environment import newest_state
from labkit.jobs import running_jobs
from labkit.kafka.registry import Registry, RegistryUnavailable
from labkit.kafka.topics import identity
from labkit.settings import Settings
from labkit.streams.names import ENRICHMENT, JOBS, stream_option

__all__ = [
    "Change", "Origin", "begin_anew", "change", "fingerprint", "note", "origin_now", "read_origin", "require_same",
    "since_noted", "state_note", "topic_read_by", "write_origin",
]  # fmt: skip

_NOTE = "made-from.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """The lab (its state folder), its Kafka's cluster id, {topic: its id}, {schema id: fingerprint of the schema}."""

    lab: str
    cluster: str
    topics: dict[str, str]
    schemas: dict[int, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """As it is written down."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Origin | None:
        """What was written down; None where it cannot be read."""
        try:
            found = json.loads(text)
            topics = {str(name): str(topic_id) for name, topic_id in found["topics"].items()}
            schemas = {int(number): str(digest) for number, digest in found["schemas"].items()}
            return cls(str(found["lab"]), str(found["cluster"]), topics, schemas)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


@dataclass(frozen=True, slots=True)
class Change:
    """What is another now, in words; `gone`: a topic has to be made before anything, `schema`: it is no topic."""

    what: str
    gone: bool = False
    schema: bool = False


def change(saved: Origin, now: Origin) -> Change | None:
    """The first thing of `saved` that is gone or another in `now`; None where all of it is there as it was."""
    for name, topic_id in saved.topics.items():
        if now.topics.get(name) == topic_id:
            continue
        if saved.cluster != now.cluster:
            kafkas = f"its cluster id was {saved.cluster} and is {now.cluster}"
            return Change(f"Kafka is another one: {kafkas}", gone=name not in now.topics)
        if name not in now.topics:
            return Change(f"topic {name} is gone, or has another name in the settings", gone=True)
        return Change(f"topic {name} was deleted and made anew")
    for name in now.topics:
        if name not in saved.topics:
            return Change(f"the settings name topic {name}, and it knows only {', '.join(saved.topics)}")
    for number, digest in saved.schemas.items():
        if number not in now.schemas:
            return Change(f"the registry has lost schema id {number}", schema=True)
        if now.schemas[number] != digest:
            return Change(f"the registry has another schema under id {number}", schema=True)
    return None


def fingerprint(schema: dict[str, Any]) -> str:
    """The same for the same JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:16]


def topic_read_by(settings: Settings, job: str) -> str:
    """The topic that `job` (enrichment or parquet) reads."""
    return settings.snapshots_topic if job == ENRICHMENT else settings.metrics_topic


def origin_now(settings: Settings, job: str) -> Origin:
    """What the job would be made from now. Raises `LabkitError` where Kafka does not answer.

    The enrichment's results belong to its state, too: what it has written once it does not write again. A registry that
    does not answer is taken to have what it had: the job waits for it.
    """
    names = [topic_read_by(settings, job)]
    if job == ENRICHMENT:
        names += [settings.metrics_topic, settings.dead_letters_topic]
    now = _as_it_is(settings, read_origin(state_note(settings, job)), names)
    if job == ENRICHMENT:
        with suppress(RegistryUnavailable):
            now.schemas.update(_fingerprints(Registry.of(settings.flow).versions(settings.flow.subject)))
    return now


def require_same(settings: Settings, job: str, *, schemas: bool = True) -> Origin:
    """What the job would be made from now, for `note`.

    Raises `BadInput` where it has saved state, and that was made from something else; without `schemas` those are not
    looked at, because they are about to be registered.
    """
    now = origin_now(settings, job)
    saved = read_origin(state_note(settings, job))
    if saved is None or newest_state(settings.cluster, settings.job_name(job)) is None:
        return now
    if not schemas:
        saved = replace(saved, schemas={})
    if (found := change(saved, now)) is not None:
        raise BadInput(_sentence(settings, job, found) + " Nothing was submitted.", _todo(settings, job, found))
    return now


def since_noted(settings: Settings, job: str) -> tuple[str, str] | None:
    """Where the topics and schemas that the job's state was made from are others now: a sentence, and what to do.

    Raises `LabkitError` where Kafka does not answer.
    """
    saved = read_origin(state_note(settings, job))
    if saved is None:
        return None
    found = change(saved, _as_it_is(settings, saved, list(saved.topics)))
    return None if found is None else (_sentence(settings, job, found), _todo(settings, job, found))


def note(settings: Settings, job: str, origin: Origin) -> None:
    """Write down what the state of `job` is made from, from now on."""
    write_origin(state_note(settings, job), origin)


def _as_it_is(settings: Settings, saved: Origin | None, names: list[str]) -> Origin:
    """Kafka and the topics `names` now, and what the registry has under the ids of `saved`."""
    found = identity(settings.kafka_bootstrap, names)
    known = saved.schemas if saved else {}
    registry = Registry.of(settings.flow)
    try:
        schemas = {number: schema for number in known if (schema := registry.schema(number)) is not None}
        return Origin(str(settings.state_dir), found.cluster, found.topics, _fingerprints(schemas))
    except RegistryUnavailable:
        return Origin(str(settings.state_dir), found.cluster, found.topics, dict(known))


def _fingerprints(schemas: dict[int, dict[str, Any]]) -> dict[int, str]:
    return {number: fingerprint(schema) for number, schema in schemas.items()}


def _sentence(settings: Settings, job: str, found: Change) -> str:
    return f"The saved state of the job {settings.job_name(job)} does not belong to what is there: {found.what}."


def _todo(settings: Settings, job: str, found: Change) -> str:
    """A job that is at work, and the one that reads its results, have to be stopped first."""
    if settings.suffix:
        return "Begin the lesson again: its first cell makes everything anew."
    if found.schema:
        again = f"labkit register-schema{stream_option(settings.stream)}"
        return f"To register it again: {again}. Where it gets another id: labkit reset"
    stop = ""
    if running_jobs.is_listed(settings, job):
        stop = f"labkit stop {' '.join(JOBS[JOBS.index(job) :])}{stream_option(settings.stream)}; "
    return f"To begin anew: {stop}{begin_anew(settings, job, with_topics=found.gone)}"


def begin_anew(settings: Settings, job: str, *, with_topics: bool = False) -> str:
    """What to type so that the job begins anew; `with_topics`: one of them has to be made first."""
    option = stream_option(settings.stream)
    first = f"labkit topics{option}, then " if with_topics else ""
    return f"labkit up, then {first}labkit submit {job}{option} --fresh"


def state_note(settings: Settings, job: str) -> Path:
    """The file that says what the state of `job` was made from."""
    return settings.checkpoints_dir / settings.job_name(job) / _NOTE


def read_origin(file: Path) -> Origin | None:
    """What is written down in `file`; None where it is not there or says nothing."""
    try:
        return Origin.from_json(file.read_text())
    except OSError:
        return None


def write_origin(file: Path, origin: Origin) -> None:
    """Write it down; seen whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(origin.to_json())
    draft.rename(file)
