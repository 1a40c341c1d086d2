"""State belongs to the topics and schemas that it was made from: others of the same name are refused, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.flink.environment import newest_state
from labkit.flink.rest import FlinkRest
from labkit.jobs import origin, running_jobs
from labkit.jobs.recovery import resubmit
from labkit.jobs.reset import delete_topics
from labkit.jobs.stop import stop_with_savepoint
from labkit.jobs.submit import submit
from labkit.kafka.producer import produce
from labkit.kafka.registry import Registry
from labkit.kafka.topics import create_topics, pipeline_topics
from labkit.lab.account import measure
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT, JOBS, PARQUET
from labkit.system import own_http
from labkit.workshop.lesson import clear
from tests.support.feeds import hosts
from tests.support.labs import Labkit
from tests.support.pipelines import finish, idle
from tests.support.waiting import wait_for

SUFFIX = "_made_anew"
HOSTS = [f"anew{number}" for number in range(8)]
FEED = hosts(HOSTS, 30, seed=31)
OTHER_FEED = hosts(HOSTS, 30, seed=32)


@pytest.fixture(scope="module")
def stopped(lab: Settings) -> Iterator[Settings]:
    """Both jobs have read everything and are stopped, each with a savepoint; topics, rows and jobs of its own."""
    own = load_settings(suffix=SUFFIX)
    clear(own)
    idle(own)
    submit(own, *JOBS)
    produce(own.flow, FEED)
    finish(own)
    yield own
    clear(own)


def make_anew(own: Settings, *names: str) -> None:
    delete_topics(own, list(names))
    create_topics(own.kafka_bootstrap, [topic for topic in pipeline_topics(own.flow) if topic.name in names])


def state_files(own: Settings) -> set[Path]:
    """All that is kept of the jobs: savepoints, checkpoints, notes."""
    folders = (own.savepoints_dir, own.checkpoints_dir, own.parquet_dir)
    return {file for folder in folders for file in folder.rglob("*") if SUFFIX in str(file)}


def refused(labkit: Labkit, own: Settings, *jobs: str) -> str:
    """What `labkit submit` says when it refuses; it has changed nothing."""
    before = state_files(own)
    answer = labkit("submit", *jobs, LABKIT_SUFFIX=SUFFIX)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert state_files(own) == before
    assert all(FlinkRest(own.flink_url).running(own.job_name(job)) is None for job in JOBS)
    assert not any(running_jobs.is_listed(own, job) for job in JOBS)
    return answer.stderr


def test_what_the_state_was_made_from_is_noted_beside_it_and_it_is_resumed(stopped: Settings) -> None:
    saved = origin.read_origin(origin.state_note(stopped, ENRICHMENT))
    assert saved is not None
    assert set(saved.topics) == {stopped.snapshots_topic, stopped.metrics_topic, stopped.dead_letters_topic}
    assert len(saved.schemas) == 1
    assert origin.require_same(stopped, ENRICHMENT) == saved
    state = {job: newest_state(stopped.cluster, stopped.job_name(job)) for job in JOBS}
    assert [job.resumed_from for job in submit(stopped, *JOBS)] == list(state.values())
    finish(stopped)


def test_a_schema_that_the_registry_lost_or_has_another_of_is_refused(stopped: Settings, labkit: Labkit) -> None:
    saved = origin.read_origin(origin.state_note(stopped, ENRICHMENT))
    assert saved is not None
    try:
        ((number, digest),) = saved.schemas.items()
        for schemas, what in (
            ({number: digest, 999_999: digest}, "the registry has lost schema id 999999."),
            ({number: "another"}, f"the registry has another schema under id {number}."),
        ):
            origin.note(stopped, ENRICHMENT, origin.Origin(saved.lab, saved.cluster, saved.topics, schemas))
            assert what in refused(labkit, stopped, ENRICHMENT)
    finally:
        origin.note(stopped, ENRICHMENT, saved)


def test_rows_that_another_lab_has_made_are_refused(stopped: Settings, labkit: Labkit, tmp_path: Path) -> None:
    output = str(tmp_path / "output")
    other = load_settings(suffix=SUFFIX, output_dir=output)
    file = other.parquet_dir / "date=2026-11-22" / "part-0.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"rows")
    theirs = origin.Origin(str(tmp_path / "state"), "their-cluster", {other.metrics_topic: "their-topic"})
    origin.write_origin(other.parquet_dir / ".made-from.json", theirs)
    answer = labkit("submit", PARQUET, LABKIT_SUFFIX=SUFFIX, LABKIT_OUTPUT_DIR=output)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"The rows in {other.parquet_dir} are of an earlier lab, not of this one's ")
    assert len(answer.stderr.splitlines()) == 1
    assert file.read_bytes() == b"rows"
    assert FlinkRest(other.flink_url).running(other.job_name(PARQUET)) is None


def test_a_metrics_topic_made_anew_is_refused_by_the_job_that_reads_it_and_the_one_that_wrote_it(
    stopped: Settings, labkit: Labkit
) -> None:
    make_anew(stopped, stopped.metrics_topic)
    for job in JOBS:
        assert refused(labkit, stopped, job).startswith(
            f"The saved state of the job {stopped.job_name(job)} does not belong to what is there: "
            f"topic {stopped.metrics_topic} was deleted and made anew. Nothing was submitted."
        )


def test_a_snapshots_topic_made_anew_or_gone_is_refused_and_named_by_the_ledger(
    stopped: Settings, labkit: Labkit
) -> None:
    make_anew(stopped, stopped.snapshots_topic)
    produce(stopped.flow, FEED)
    named = f"topic {stopped.snapshots_topic} was deleted and made anew."
    assert named in refused(labkit, stopped, *JOBS)
    assert named in labkit("ledger", LABKIT_SUFFIX=SUFFIX).stderr
    delete_topics(stopped, [stopped.snapshots_topic])
    assert f"topic {stopped.snapshots_topic} is gone" in refused(labkit, stopped, ENRICHMENT)
    make_anew(stopped, stopped.snapshots_topic)


def test_a_job_that_was_at_work_is_not_brought_back_on_a_topic_made_anew_and_the_log_says_why(
    stopped: Settings, labkit: Labkit
) -> None:
    running_jobs.add(stopped, ENRICHMENT)
    said: list[str] = []
    try:
        resubmit(stopped, said.append)
        assert FlinkRest(stopped.flink_url).running(stopped.job_name(ENRICHMENT)) is None
        assert [f"topic {stopped.snapshots_topic} was deleted and made anew." in words for words in said] == [True]
        status = labkit("status", LABKIT_SUFFIX=SUFFIX)
        assert status.returncode == 1
        assert f"topic {stopped.snapshots_topic} was deleted and made anew." in status.stdout
    finally:
        running_jobs.remove(stopped, ENRICHMENT)


def test_begun_anew_nothing_is_left_out(stopped: Settings, labkit: Labkit) -> None:
    produce(stopped.flow, FEED)
    begun = labkit("submit", *JOBS, "--fresh", "--yes", LABKIT_SUFFIX=SUFFIX)
    assert begun.returncode == 0, begun.stderr
    account = finish(stopped)
    assert account.metrics.found == len(FEED) - len(HOSTS)


def test_a_topic_made_anew_under_running_jobs_is_named_while_they_run(stopped: Settings, labkit: Labkit) -> None:
    submit(stopped, *JOBS)
    try:
        make_anew(stopped, stopped.snapshots_topic)
        produce(stopped.flow, OTHER_FEED)  # as many again: the job's offsets are there, and mean other records
        named = f"topic {stopped.snapshots_topic} was deleted and made anew."
        wait_for(lambda: named in labkit("status", LABKIT_SUFFIX=SUFFIX).stdout)
        ledger = labkit("ledger", LABKIT_SUFFIX=SUFFIX)
        assert named in ledger.stderr
        assert ledger.returncode == 1
    finally:
        for job in JOBS:
            stop_with_savepoint(stopped, job)
    assert named in refused(labkit, stopped, ENRICHMENT)


def test_state_from_before_there_were_notes_is_resumed(stopped: Settings) -> None:
    for job in JOBS:
        origin.state_note(stopped, job).unlink()
    assert all(job.resumed_from is not None for job in submit(stopped, *JOBS))
    for job in JOBS:
        stop_with_savepoint(stopped, job)
    assert measure(stopped).snapshots == len(OTHER_FEED)


def test_a_subject_that_was_deleted_is_no_loss_while_the_registry_still_knows_the_ids(stopped: Settings) -> None:
    saved = origin.read_origin(origin.state_note(stopped, ENRICHMENT))
    assert saved is not None
    subject = f"{stopped.registry_url}/subjects/{stopped.flow.subject}"
    for words in ("", "?permanent=true"):
        own_http.request("DELETE", f"{subject}{words}").raise_for_status()
    assert Registry.of(stopped.flow).versions(stopped.flow.subject) == {}
    assert origin.require_same(stopped, ENRICHMENT).schemas == saved.schemas
