"""Lessons side by side: before one stops a service, whose jobs are at work and would feel it.

    require_alone(settings)      Jobs of other lessons are at work: percent_nb05 (lesson 05). …

The main pipeline's jobs do not count: what they had under way comes again by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from labkit.errors import BadInput, LabkitError
from labkit.flink.rest import FlinkRest
from labkit.settings import Settings
from labkit.workshop.course.contents import owner

__all__ = ["of_others", "require_alone"]


def of_others(jobs: Iterable[str], suffix: str) -> list[str]:
    """Those of `jobs` that belong to another lesson than the one with `suffix`: ["percent_nb05 (lesson 05)"]"""
    return [f"{name} (lesson {no})" for name in sorted(jobs) if (no := owner(name)) and no != owner(suffix)]


def require_alone(settings: Settings, *, go_on: bool = False) -> None:
    """Raise `BadInput` where jobs of other lessons are at work, unless `go_on` says that they may feel it."""
    jobs: list[str] = []
    with suppress(LabkitError):  # Flink is away, so no job is at work
        jobs = [job.name for job in FlinkRest(settings.flink_url).jobs() if not job.is_over]
    others = of_others(jobs, settings.suffix)
    if others and not go_on:
        raise BadInput(
            f"Jobs of other lessons are at work: {', '.join(others)}. What comes now takes a service away from them.",
            "Let that lesson end first: its last cells end its jobs, and so does Cancel on Flink's page. "
            "To go on all the same: require_alone(settings, go_on=True)",
        )
