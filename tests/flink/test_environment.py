"""Invariant 16, as far as files go: a job goes on from its newest state that is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labkit.errors import BadInput
from labkit.flink.environment import newest_state
from labkit.settings import Settings, load_settings


@pytest.fixture
def lab(tmp_path: Path) -> Settings:
    return load_settings(state_dir=tmp_path)


def savepoint(lab: Settings, name: str, *, age_s: int, whole: bool = True, job: str = "enrichment") -> Path:
    return _state(lab.savepoints_dir / job / f"savepoint-{name}", age_s, whole)


def checkpoint(lab: Settings, name: str, *, age_s: int, whole: bool = True, job: str = "enrichment") -> Path:
    return _state(lab.checkpoints_dir / job / name, age_s, whole)


def _state(folder: Path, age_s: int, whole: bool) -> Path:
    folder.mkdir(parents=True)
    (folder / "state-file").touch()
    if whole:
        (folder / "_metadata").touch()
        os.utime(folder / "_metadata", (1_764_000_000 - age_s,) * 2)
    return folder


def test_a_job_that_never_ran_has_no_state(lab: Settings) -> None:
    assert newest_state(lab.cluster, "enrichment") is None


def test_the_newest_of_savepoints_and_checkpoints_is_taken(lab: Settings) -> None:
    savepoint(lab, "z", age_s=30)
    newer = savepoint(lab, "a", age_s=20)
    assert newest_state(lab.cluster, "enrichment") == newer
    checkpoint(lab, "ffff/chk-9", age_s=15)
    newest = checkpoint(lab, "0000/chk-10", age_s=10)
    assert newest_state(lab.cluster, "enrichment") == newest


def test_a_state_without_metadata_is_not_whole_and_not_taken(lab: Settings) -> None:
    old = savepoint(lab, "old", age_s=99)
    savepoint(lab, "broken", age_s=0, whole=False)
    checkpoint(lab, "ffff/chk-11", age_s=0, whole=False)
    checkpoint(lab, "ffff/shared", age_s=0, whole=False)
    assert newest_state(lab.cluster, "enrichment") == old


def test_the_state_of_another_job_is_not_taken(lab: Settings) -> None:
    savepoint(lab, "other", age_s=1, job="parquet")
    newest = checkpoint(lab, "0000/chk-1", age_s=0, job="parquet")
    assert newest_state(lab.cluster, "enrichment") is None
    assert newest_state(lab.cluster, "parquet") == newest


def test_a_checkpoint_that_goes_away_while_one_looks_is_passed_over(
    lab: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(lab, "ffff/chk-12", age_s=2)
    going = checkpoint(lab, "ffff/chk-11", age_s=1) / "_metadata"
    stat = Path.stat

    def late(path: Path, **options: bool) -> os.stat_result:
        if path == going:
            going.unlink()
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", late)
    found = newest_state(lab.cluster, "enrichment")
    assert not going.exists()
    assert found == lab.checkpoints_dir / "enrichment" / "ffff" / "chk-12"


def test_a_state_that_may_not_be_read_is_said_and_nothing_older_is_taken(lab: Settings) -> None:
    savepoint(lab, "old", age_s=99)
    newest = checkpoint(lab, "ffff/chk-11", age_s=0)
    newest.chmod(0)
    uid = os.geteuid()
    try:
        if uid == 0:  # root may read everything
            os.seteuid(65534)
        with pytest.raises(BadInput, match=r"The saved state in /\S+ cannot be read: Permission denied"):
            newest_state(lab.cluster, "enrichment")
    finally:
        os.seteuid(uid)
        newest.chmod(0o755)
