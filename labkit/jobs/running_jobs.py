"""Which jobs are at work, so that they come back when the JobManager has died.

    add(settings, "enrichment")      .lab/flink/checkpoints/enrichment/at-work.json, with the job's settings

A cluster without ZooKeeper or Kubernetes forgets its jobs with its JobManager; their checkpoints stay on the disk.
A job is added when it is submitted and removed when it is stopped. `labkit.jobs.recovery` submits again what is
listed. What was at work before the services were stopped is not: then somebody meant to stop it.
"""

from __future__ import annotations

import json
from pathlib import Path

from labkit.settings import Settings

__all__ = ["add", "clear", "is_listed", "listed", "remove", "remove_suffix"]

_FILE = "at-work.json"


def add(settings: Settings, job: str) -> None:
    """`job` (enrichment or parquet) runs with these settings."""
    file = _file(settings, job)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"job": job, "settings": settings.model_dump(mode="json")}))
    draft.rename(file)  # whole or not there: the JobManager may die at any moment


def remove(settings: Settings, job: str) -> None:
    """`job` is not to come back."""
    _file(settings, job).unlink(missing_ok=True)


def remove_suffix(settings: Settings) -> None:
    """No job whose name ends with this suffix is to come back: of _nb12, that of _none_nb12 neither."""
    for own, job in listed(settings):
        if own.suffix.endswith(settings.suffix):
            remove(own, job)


def is_listed(settings: Settings, job: str) -> bool:
    """Whether `job` would come back."""
    return _file(settings, job).exists()


def listed(settings: Settings) -> list[tuple[Settings, str]]:
    """Each job that is at work in this lab, of any suffix, with the settings that it was submitted with."""
    found = []
    for file in sorted(settings.checkpoints_dir.glob(f"*/{_FILE}")):
        record = json.loads(file.read_text())
        found.append((Settings(**record["settings"]), str(record["job"])))
    return found


def clear(settings: Settings) -> None:
    """The services start from nothing: no job is at work."""
    for file in settings.checkpoints_dir.glob(f"*/{_FILE}"):
        file.unlink(missing_ok=True)


def _file(settings: Settings, job: str) -> Path:
    return settings.checkpoints_dir / settings.job_name(job) / _FILE
