"""Rows of an earlier lab are moved out of the way of a Parquet job that begins anew, and only then."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labkit.jobs.submit import _set_rows_aside
from labkit.settings import Settings, load_settings


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return load_settings(state_dir=tmp_path / "state", output_dir=tmp_path / "output")


def row_file(settings: Settings, name: str = "part-0.parquet") -> Path:
    file = settings.parquet_dir / "date=2026-11-22" / name
    file.parent.mkdir(parents=True)
    file.write_text("rows")
    return file


def test_rows_without_the_state_of_their_job_are_kept_in_a_folder_beside(own: Settings) -> None:
    file = row_file(own)
    aside = _set_rows_aside(own)
    assert aside is not None
    assert re.fullmatch(r"cpu_metrics-\d{8}T\d{6}Z", aside.name)
    assert (aside / file.relative_to(own.parquet_dir)).read_text() == "rows"
    assert not own.parquet_dir.exists()
    assert aside.is_relative_to(own.output_dir / "earlier"), "readers of output/cpu_metrics do not meet it"


@pytest.mark.parametrize("state", ["savepoints/parquet/savepoint-1", "checkpoints/parquet/0ab/chk-7"])
def test_rows_of_a_job_that_goes_on_stay(own: Settings, state: str) -> None:
    file = row_file(own)
    metadata = own.state_dir / "flink" / state / "_metadata"
    metadata.parent.mkdir(parents=True)
    metadata.touch()
    assert _set_rows_aside(own) is None
    assert file.exists()


@pytest.mark.parametrize("name", [".part-0.parquet.inprogress", "_SUCCESS"])
def test_where_there_are_no_rows_nothing_is_moved(own: Settings, name: str) -> None:
    assert _set_rows_aside(own) is None
    file = row_file(own, name)
    assert _set_rows_aside(own) is None
    assert file.exists()
