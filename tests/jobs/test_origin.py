"""State and rows belong to what they were made from; what has changed since is named, and what to type."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labkit.errors import BadInput
from labkit.jobs import origin, running_jobs
from labkit.jobs.origin import Change, Origin, change
from labkit.jobs.partitions import in_ranges
from labkit.jobs.rows import note_rows, require_own_rows
from labkit.parquet.read import parquet_files
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT, PARQUET

SAVED = Origin("/lab/.lab", "cluster-1", {"snapshots": "id-1", "metrics": "id-2"}, {1: "aa", 2: "bb"})


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (replace(SAVED, topics={"snapshots": "id-9", "metrics": "id-2"}), "topic snapshots was deleted and made anew"),
        (replace(SAVED, topics={"snapshots": "id-1"}), "topic metrics is gone, or has another name in the settings"),
        (
            replace(SAVED, cluster="cluster-2", topics={"snapshots": "id-8", "metrics": "id-9"}),
            "Kafka is another one: its cluster id was cluster-1 and is cluster-2",
        ),
        (replace(SAVED, topics={**SAVED.topics, "more": "id-3"}),
         "the settings name topic more, and it knows only snapshots, metrics"),
        (replace(SAVED, schemas={1: "aa"}), "the registry has lost schema id 2"),
        (replace(SAVED, schemas={1: "aa", 2: "cc"}), "the registry has another schema under id 2"),
    ],
)  # fmt: skip
def test_what_is_gone_or_another_is_named(now: Origin, what: str) -> None:
    found = change(SAVED, now)
    assert found is not None
    assert found.what == what


def test_what_is_there_as_it_was_and_what_came_since_is_no_change() -> None:
    assert change(SAVED, SAVED) is None
    assert change(SAVED, replace(SAVED, lab="/moved", schemas={**SAVED.schemas, 3: "cc"})) is None
    assert change(replace(SAVED, schemas={}), SAVED) is None


def test_a_note_is_read_as_it_was_written_and_one_that_says_nothing_is_none(tmp_path: Path) -> None:
    file = tmp_path / "not" / "there" / "made-from.json"
    assert origin.read_origin(file) is None
    origin.write_origin(file, SAVED)
    assert origin.read_origin(file) == SAVED
    for text in ("", "[]", "{}", '{"lab": "", "cluster": "", "topics": [], "schemas": {}}'):
        file.write_text(text)
        assert origin.read_origin(file) is None, text


def test_a_schemas_fingerprint_goes_by_what_it_says() -> None:
    assert origin.fingerprint({"type": "int", "doc": "x"}) == origin.fingerprint({"doc": "x", "type": "int"})
    assert origin.fingerprint({"type": "int"}) != origin.fingerprint({"type": "long"})


def test_what_to_type_follows_from_what_has_changed() -> None:
    own, meminfo = load_settings(), load_settings(stream="meminfo")
    anew = "labkit up, then labkit submit enrichment --fresh"
    assert origin.begin_anew(own, ENRICHMENT) == anew
    assert origin.begin_anew(meminfo, PARQUET, with_topics=True) == (
        "labkit up, then labkit topics --stream meminfo, then labkit submit parquet --stream meminfo --fresh"
    )


def test_a_job_at_work_is_stopped_first_and_a_lost_schema_needs_no_other_topic(tmp_path: Path) -> None:
    own = load_settings(state_dir=tmp_path)
    anew, gone = Change("…"), Change("…", gone=True)
    begin = "labkit submit enrichment --fresh"
    assert origin._todo(own, ENRICHMENT, anew) == f"To begin anew: labkit up, then {begin}"
    assert origin._todo(own, ENRICHMENT, gone) == f"To begin anew: labkit up, then labkit topics, then {begin}"
    running_jobs.add(own, ENRICHMENT)
    assert origin._todo(own, ENRICHMENT, anew) == (
        f"To begin anew: labkit stop enrichment parquet; labkit up, then {begin}"
    )
    assert origin._todo(own, ENRICHMENT, Change("…", schema=True)).startswith("To register it again: labkit register-")


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """A lab with rows of its metrics topic; its Parquet job has no saved state."""
    own = load_settings(state_dir=tmp_path / "state", output_dir=tmp_path / "output")
    note_rows(own, rows_from(own))
    file = own.parquet_dir / "date=2026-11-22" / "part-0.parquet"
    file.parent.mkdir()
    file.write_text("rows")
    return own


def rows_from(own: Settings, topic_id: str = "id-1") -> Origin:
    return Origin(str(own.state_dir), "cluster-1", {own.metrics_topic: topic_id})


def save_state(own: Settings) -> None:
    metadata = own.savepoints_dir / own.job_name(PARQUET) / "savepoint-1" / "_metadata"
    metadata.parent.mkdir(parents=True)
    metadata.touch()


def test_own_rows_are_written_to_and_the_note_is_no_row(own: Settings) -> None:
    require_own_rows(own, rows_from(own))
    save_state(own)
    require_own_rows(own, rows_from(own))
    assert [file.name for file in parquet_files(own.parquet_dir)] == ["part-0.parquet"]


def test_rows_of_a_topic_that_is_gone_are_refused_by_a_job_that_goes_on_and_not_by_one_that_begins(
    own: Settings,
) -> None:
    require_own_rows(own, rows_from(own, "id-2"))
    save_state(own)
    with pytest.raises(BadInput, match=r"The rows in .*cpu_metrics are of an earlier lab, not of this one's"):
        require_own_rows(own, rows_from(own, "id-2"))
    require_own_rows(own, rows_from(own, "id-2"), begins_anew=True)
    next(own.parquet_dir.rglob("*.parquet")).unlink()
    require_own_rows(own, rows_from(own, "id-2"))


@pytest.mark.parametrize("goes_on", [True, False])
def test_rows_of_another_lab_that_is_still_there_are_refused_by_every_job(
    own: Settings, tmp_path: Path, *, goes_on: bool
) -> None:
    origin.note(own, PARQUET, rows_from(own))
    other = load_settings(state_dir=tmp_path / "other", output_dir=own.output_dir)
    if goes_on:
        save_state(other)
    with pytest.raises(BadInput, match=rf"are of the lab in {own.state_dir}, not of this one's") as refused:
        require_own_rows(other, rows_from(other, "id-2"), begins_anew=True)
    with pytest.raises(BadInput, match=rf"are of the lab in {own.state_dir}"):
        require_own_rows(other, rows_from(other, "id-2"))
    assert "--fresh" not in refused.value.todo, "it would empty the other lab's folder"


def test_rows_without_a_note_are_taken_for_their_own(own: Settings) -> None:
    (own.parquet_dir / ".made-from.json").unlink()
    save_state(own)
    require_own_rows(own, rows_from(own, "id-2"))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [({4}, "partition 4"), ({4, 5, 6, 7}, "partitions 4 to 7"), ({9, 1, 2, 4}, "partitions 1 to 2, 4, 9")],
)
def test_partitions_are_named_in_few_words(numbers: set[int], words: str) -> None:
    assert in_ranges(numbers) == words
