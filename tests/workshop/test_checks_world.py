"""What an answer must leave alone: topics, subjects, compatibility, jobs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labkit.workshop.checks.world import World, changes

BEFORE = World(
    topics={"procstat_snapshots": ("a1", 4), "orders": ("b2", 1)},
    subjects={"procstat_snapshots-value": (1, 2)},
    compatibility={"": "BACKWARD", "procstat_snapshots-value": "BACKWARD_TRANSITIVE"},
    jobs={"enrichment": "f0"},
)


@pytest.mark.parametrize(("after", "said"), [
    ({}, []),
    ({"topics": {"orders": ("b2", 1)}}, ["the topic procstat_snapshots is gone"]),
    ({"topics": {**(BEFORE.topics or {}), "mine": ("c", 1)}}, ["the topic mine is new"]),
    ({"topics": {**(BEFORE.topics or {}), "orders": ("b3", 1)}}, ["the topic orders is another one"]),
    ({"topics": {**(BEFORE.topics or {}), "orders": ("b2", 3)}}, ["the topic orders is another one"]),
    ({"subjects": {}}, ["the subject procstat_snapshots-value is gone"]),
    ({"subjects": {"procstat_snapshots-value": (2,)}}, ["the subject procstat_snapshots-value is another one"]),
    (
        {"compatibility": {"": "NONE", "procstat_snapshots-value": "BACKWARD_TRANSITIVE"}},
        ["the compatibility of the whole registry was BACKWARD and is NONE"],
    ),
    (
        {"compatibility": {"": "BACKWARD", "procstat_snapshots-value": "FULL"}},
        ["the compatibility of procstat_snapshots-value was BACKWARD_TRANSITIVE and is FULL"],
    ),
    ({"jobs": {}}, ["the job enrichment is gone"]),
    ({"jobs": {"enrichment": "f1"}}, ["the job enrichment is another one"]),
    ({"topics": None, "subjects": None, "compatibility": None, "jobs": None}, []),  # nobody answers: nothing is known
])  # fmt: skip
def test_what_has_changed_is_told(after: dict[str, object], said: list[str]) -> None:
    assert changes(BEFORE, replace(BEFORE, **after)) == said  # type: ignore[arg-type]


def test_of_what_was_not_known_before_nothing_is_told() -> None:
    assert changes(World(), BEFORE) == []
