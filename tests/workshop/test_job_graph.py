"""A job's picture says what Flink said of it. The fixture is Flink 2.3.0's own answer about labkit's enrichment job."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from labkit.workshop.pictures.job_graph import Arrow, boxes, draw

FIXTURE = Path(__file__).parent.parent / "fixtures" / "flink_rest" / "enrichment_job.json"


@pytest.fixture
def job() -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(FIXTURE.read_text())
    return answer


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def add_vertex(job: dict[str, Any], name: str, vertex_id: str, before: str, how: str) -> None:
    """One more vertex after `before`, as a job with a branch has it."""
    vertex = copy.deepcopy(job["vertices"][-1]) | {"id": vertex_id, "name": name}
    job["vertices"].insert(0, vertex)
    job["plan"]["nodes"].insert(0, {"id": vertex_id, "inputs": [{"id": before, "num": 0, "ship_strategy": how}]})


def test_boxes_go_from_the_source_to_the_sink_and_have_the_names_that_people_gave(job: dict[str, Any]) -> None:
    first, second = boxes(job)[0]
    assert first.lines == ("Source: snapshots", "Process", "key_by", "Map", "Sink: dead_letters")
    assert second.lines == ("Keyed process", "Sink: metrics")
    assert (first.column, second.column) == (0, 1)


def test_a_box_has_the_numbers_of_its_vertex(job: dict[str, Any]) -> None:
    first, second = boxes(job)[0]
    assert [first.parallelism, first.read, first.written, first.state] == [2, 601, 601, "RUNNING"]
    assert [second.parallelism, second.read, second.written, second.state] == [2, 601, 600, "RUNNING"]


def test_an_arrow_says_how_records_are_shared_out(job: dict[str, Any]) -> None:
    found, arrows = boxes(job)
    assert arrows == [Arrow(found[0].id, found[1].id, "HASH")]
    assert {"by key", "(hash)"} <= set(texts(draw(job)))


def test_the_picture_says_in_words_what_state_each_task_is_in(job: dict[str, Any]) -> None:
    job["state"] = "RUNNING"
    job["vertices"][1]["status"] = "FAILED"
    job["vertices"][1]["tasks"] |= {"RUNNING": 1, "FAILED": 1}
    written = "\n".join(texts(draw(job)))
    assert f"{job['name']}   ✓ RUNNING" in written
    assert "2 in parallel\n601 in, 601 out\n✓ RUNNING" in written
    assert "2 in parallel\n601 in, 600 out\n✗ FAILED" in written


def test_tasks_that_wait_for_slots_are_scheduled_where_flink_calls_the_whole_created(job: dict[str, Any]) -> None:
    for vertex in job["vertices"]:
        vertex["status"] = "CREATED"
        vertex["tasks"] |= {"RUNNING": 0, "SCHEDULED": 2}
    assert {box.state for box in boxes(job)[0]} == {"SCHEDULED"}
    assert "… SCHEDULED" in texts(draw(job))[1] + texts(draw(job))[2]


def test_a_branch_has_boxes_above_each_other_that_do_not_touch(job: dict[str, Any]) -> None:
    source = boxes(job)[0][0].id
    add_vertex(job, "letters[3]: Writer -> letters[3]: Committer", "f" * 32, source, "REBALANCE")
    found, arrows = boxes(job)
    assert [box.column for box in found] == [0, 1, 1]
    assert Arrow(source, "f" * 32, "REBALANCE") in arrows
    frames = [patch.get_bbox() for patch in draw(job).axes[0].patches if isinstance(patch, FancyBboxPatch)]
    assert len(frames) == 3
    assert not any(one.overlaps(other) for one in frames for other in frames if one is not other)


def test_a_chain_too_long_for_its_box_keeps_its_two_ends(job: dict[str, Any]) -> None:
    job["vertices"][0]["name"] = " -> ".join(["Source: snapshots", *(f"Step{number}" for number in range(20)), "End"])
    assert "Source: snapshots\nStep0\nStep1\n…\nEnd" in texts(draw(job))


def test_a_way_of_sharing_out_that_is_not_known_is_written_as_flink_says_it(job: dict[str, Any]) -> None:
    for node in job["plan"]["nodes"]:
        for given in node.get("inputs", []):
            given["ship_strategy"] = "CUSTOM"
    assert "custom" in texts(draw(job))
