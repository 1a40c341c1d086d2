"""`labkit goto N`: the same start of a lesson every time, on topics, jobs and rows of its own."""

from __future__ import annotations

import pytest

from labkit.errors import BadInput
from labkit.flink.rest import FlinkRest
from labkit.jobs.submit import submit
from labkit.kafka.topics import topic_partitions
from labkit.lab.account import measure
from labkit.parquet.read import parquet_files, row_count
from labkit.pipeline.run import prepare
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT
from labkit.system.own_http import request
from labkit.workshop.beside import require_alone
from labkit.workshop.course.contents import lesson
from labkit.workshop.lesson import begin, clear
from tests.support.labs import Labkit


def subjects(settings: Settings) -> set[str]:
    return set(request("GET", f"{settings.registry_url}/subjects").json())


def of_others(lab: Settings, suffix: str) -> set[str]:
    """The topics that are not the lesson's, nor Kafka's own: __transaction_state comes with the first transaction."""
    return {name for name in topic_partitions(lab.kafka_bootstrap) if not name.endswith(suffix) and name[:2] != "__"}


def test_goto_brings_a_lesson_to_its_start_twice_the_same_and_clear_leaves_nothing(
    lab: Settings, labkit: Labkit
) -> None:
    mine = load_settings(suffix=lesson("07").suffix)
    main = of_others(lab, "_nb07")
    main_rows = parquet_files(lab.parquet_dir)
    for _ in range(2):
        done = labkit("goto", "7")
        assert done.returncode == 0, done.stderr
        assert "Open 07_analysis.ipynb" in done.stdout
        account = measure(mine)
        assert account.balances, account.faults
        assert (account.snapshots, account.uncommitted) == (601, 0)
        assert row_count(mine.parquet_dir) == 600 * 3
        assert not any(job.name.endswith("_nb07") and not job.is_over for job in FlinkRest(lab.flink_url).jobs())
    assert "procstat_snapshots_nb07-value" in subjects(lab)
    clear(mine)
    assert {name for name in topic_partitions(lab.kafka_bootstrap) if name.endswith("_nb07")} == set()
    assert not any("_nb07" in name for name in subjects(lab))
    assert not mine.parquet_dir.exists()
    assert of_others(lab, "_nb07") == main
    assert parquet_files(lab.parquet_dir) == main_rows


def test_the_main_pipeline_is_never_cleared(lab: Settings) -> None:
    with pytest.raises(BadInput, match="Only what belongs to a lesson"):
        clear(lab)


def test_an_unknown_source_is_refused_before_anything_is_cleared(lab: Settings) -> None:
    with pytest.raises(BadInput, match="one of replay, live"):
        begin("04", "reply")


def test_a_lesson_that_stops_a_service_asks_first_where_another_lessons_job_is_at_work(lab: Settings) -> None:
    theirs, mine = load_settings(suffix="_nb05"), load_settings(suffix="_nb02")
    clear(theirs)
    prepare(theirs)
    submit(theirs, ENRICHMENT)
    with pytest.raises(BadInput, match=r"Jobs of other lessons are at work: enrichment_nb05 \(lesson 05\)"):
        require_alone(mine)
    require_alone(mine, go_on=True)
    require_alone(theirs)
    clear(theirs)
    require_alone(mine)
