"""What of the lab an answer must leave alone: topics, subjects with their versions, compatibility, jobs.

before = world(settings)
…                                                 the answer is at work
changes(before, world(settings))     ->           ["the topic orders is gone", "the subject mine-value is new"]

Not looked at is what belongs to lessons and exercises (a name that ends in _nb05 or _ex05): they make their own anew,
and several may be at work beside each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2

from labkit.errors import LabkitError
from labkit.flink.rest import FlinkRest
from labkit.jobs.reset import delete_topics
from labkit.kafka.topics import identity, topic_partitions
from labkit.settings import Settings
from labkit.system import own_http
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.course.contents import owner

__all__ = ["World", "changes", "put_back", "require_unchanged", "world"]

#: Kafka's own topics begin so, and come when they are needed.
_KAFKAS = "__"
_ALL = ""


@dataclass(frozen=True, slots=True)
class World:
    """{topic: (id, partitions)}, {subject: versions}, {subject, or "" for all: compatibility}, {job's name: its id}.

    None where the service does not answer.
    """

    topics: dict[str, tuple[str, int]] | None = None
    subjects: dict[str, tuple[int, ...]] | None = None
    compatibility: dict[str, str] | None = None
    jobs: dict[str, str] | None = None


def world(settings: Settings) -> World:
    """What is there now."""
    return World(
        _asked(lambda: _topics(settings)),
        subjects := _asked(lambda: _subjects(settings)),
        _asked(lambda: _compatibility(settings, subjects or ())),
        _asked(lambda: _jobs(settings)),
    )


def _asked(ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    with suppress(LabkitError, httpx2.HTTPError):
        return ask()
    return None


def _topics(settings: Settings) -> dict[str, tuple[str, int]]:
    counts = {name: count for name, count in topic_partitions(settings.kafka_bootstrap).items() if _counts(name)}
    if not counts:
        return {}
    ids = identity(settings.kafka_bootstrap, sorted(counts)).topics
    return {name: (ids[name], count) for name, count in counts.items() if name in ids}


def _subjects(settings: Settings) -> dict[str, tuple[int, ...]]:
    found = _registry(settings, "GET", "/subjects").json()
    return {
        name: tuple(_registry(settings, "GET", f"/subjects/{name}/versions").json()) for name in found if _counts(name)
    }


def _compatibility(settings: Settings, subjects: Iterable[str]) -> dict[str, str]:
    asked = {_ALL: "/config", **{name: f"/config/{name}" for name in subjects}}
    answers = {name: _registry(settings, "GET", path) for name, path in asked.items()}
    return {name: str(answer.json()["compatibilityLevel"]) for name, answer in answers.items() if answer.is_success}


def _jobs(settings: Settings) -> dict[str, str]:
    return {job.name: job.id for job in FlinkRest(settings.flink_url).jobs() if not job.is_over and _counts(job.name)}


def _registry(settings: Settings, method: str, path: str, **options: Any) -> httpx2.Response:
    return own_http.request(method, f"{settings.registry_url}{path}", **options)


def _counts(name: str) -> bool:
    return not (name.startswith(_KAFKAS) or owner(name))


def changes(before: World, after: World) -> list[str]:
    """What is gone, new or another one, in words; in the order of the alphabet for each kind."""
    said = _differences("topic", before.topics, after.topics)
    said += _differences("subject", before.subjects, after.subjects)
    said += _differences("job", before.jobs, after.jobs)
    for name, (old, new) in _levels(before, after).items():
        whose = f"of {name}" if name else "of the whole registry"
        said.append(f"the compatibility {whose} was {old or 'that of the registry'} and is {new}")
    return said


def _differences(kind: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    if before is None or after is None:
        return []
    gone = [f"the {kind} {name} is gone" for name in sorted(before.keys() - after.keys())]
    new = [f"the {kind} {name} is new" for name in _new(before, after)]
    other = [f"the {kind} {name} is another one" for name in sorted(before.keys() & after.keys())
             if before[name] != after[name]]  # fmt: skip
    return gone + new + other


def _new(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    return [] if before is None or after is None else sorted(after.keys() - before.keys())


def _levels(before: World, after: World) -> dict[str, tuple[str, str]]:
    """{subject, or "": (its compatibility before, and now)} of those that were there and have another one."""
    if before.compatibility is None or after.compatibility is None:
        return {}
    there = {_ALL, *(before.subjects or ())}
    return {name: (old, new) for name, new in sorted(after.compatibility.items())
            if name in there and (old := before.compatibility.get(name, "")) != new}  # fmt: skip


def require_unchanged(settings: Settings, before: World) -> None:
    """Raise `NotYet` where something is not as it was, after `put_back`."""
    if said := put_back(settings, before):
        raise NotYet(
            f"Meanwhile something else has changed in the lab: {'; '.join(said)}.",
            "An answer makes and changes only what its task names. What was new was taken away again.",
        )


def put_back(settings: Settings, before: World) -> list[str]:
    """Take away what is new, and set back what was set; what had changed, in words. What is gone stays gone."""
    after = world(settings)
    said = changes(before, after)
    with suppress(LabkitError, httpx2.HTTPError):
        delete_topics(settings, _new(before.topics, after.topics))
    with suppress(httpx2.HTTPError):
        for subject in _new(before.subjects, after.subjects):
            for words in ("", "?permanent=true"):
                _registry(settings, "DELETE", f"/subjects/{subject}{words}")
        for name, (old, _) in _levels(before, after).items():
            path = f"/config/{name}" if name else "/config"
            if old:
                _registry(settings, "PUT", path, json={"compatibility": old})
            else:
                _registry(settings, "DELETE", path)
    with suppress(LabkitError, httpx2.HTTPError):
        for name in _new(before.jobs, after.jobs):
            FlinkRest(settings.flink_url).cancel((after.jobs or {})[name])
    return said
