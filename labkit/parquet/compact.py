"""A past date's many Parquet files become few, while others read and the Parquet job writes other dates.

    date=2025-11-22/  part-7c1e-0.parquet … part-7c1e-8639.parquet   ->   compacted-1f0a9c3e-0.parquet

One step is what readers can see: the folder is exchanged for a finished one (`labkit.system.exchange`). Before it
the old files are there, after it the new ones. The work is done in output/.cpu_metrics.compact, beside the
folder that readers open, because some of them (DuckDB) look into hidden folders too.

    1. written    .cpu_metrics.compact/date=…        the merged files, on the disk, rows counted
    2. noted      .cpu_metrics.compact/date=….json   which files went into them
    3. exchanged  the merged files are below cpu_metrics, the old ones below .cpu_metrics.compact
    4. removed    the old ones; a file that came up in the meantime is carried over to the new folder

A process killed at any point leaves the old or the new folder in place; `compact` first clears up what one left.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from labkit.errors import BadInput, LabkitError
from labkit.parquet.folder import RowFolder
from labkit.parquet.merge import TARGET_BYTES, merge
from labkit.parquet.read import parquet_files, row_count
from labkit.system.exchange import exchange, sync
from labkit.system.locks import exclusive

__all__ = ["Compacted", "compact", "nothing_half_done", "work_folder"]

_FOLDER = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
#: A hidden file that nobody has written to for this long (and for three checkpoints) was left behind by a job that
#: was killed. It does not keep the date from being merged, and is kept as it is.
_LEFT_BEHIND_S = 600.0


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of one date: how many files and bytes it had and has, or why it was left alone."""

    date: str
    files_before: int
    files_after: int
    bytes_before: int = 0
    bytes_after: int = 0
    rows: int = 0
    left_alone: str = ""

    def __str__(self) -> str:
        if self.left_alone:
            return f"{self.date}: left alone, {self.left_alone}."
        sizes = f"{_mib(self.bytes_before)} -> {_mib(self.bytes_after)} MiB"
        return f"{self.date}: {self.files_before} files -> {self.files_after}, {self.rows} rows, {sizes}"


def compact(
    rows: RowFolder,
    only: str | None = None,
    on_step: Callable[[str, str], None] = lambda *_: None,
    target_bytes: int = TARGET_BYTES,
) -> list[Compacted]:
    """Merge the files of every date before today's (UTC), or of the date `only` ("2025-11-22"); what became of each.

    Dates that have as few files as they can are left out. `on_step` hears (date, "written" | "noted" |
    "exchanged" | "removed"). Raises `BadInput` for a date that is none or is not there, where another
    compact is at work, and where the file system cannot exchange folders; `LabkitError` where files cannot be read.
    """
    if only is not None:
        _require_date(only)
    dates = _dates(rows.path)
    if only is not None and only not in dates:
        known = f"there is {', '.join(sorted(dates))}" if dates else "there is no date at all"
        raise BadInput(f"{rows.path} has nothing of {only}; {known}.")
    if not dates:
        return []
    today = datetime.now(UTC).date().isoformat()
    with exclusive(rows.state_dir, "compact.lock", wait=False):
        work = _Work(rows, on_step, target_bytes)
        try:
            work.clear_up()
            chosen = [only] if only is not None else sorted(day for day in dates if day < today)
            results = [work.compact(day) for day in chosen]
        except (OSError, pa.ArrowException) as error:
            raise LabkitError(f"The files could not be merged: {error}.", "All rows are where readers look.") from error
    return [result for result in results if result.left_alone or result.files_after < result.files_before]


def _require_date(text: str) -> None:
    try:
        good = date.fromisoformat(text).isoformat() == text
    except ValueError:
        good = False
    if not good:
        raise BadInput(f"{text!r} is not a date.", "A date looks like this: 2025-11-22")


def _dates(folder: Path) -> set[str]:
    """The dates that have a folder: {"2025-11-22", …}."""
    if not folder.is_dir():
        return set()
    found = [(_FOLDER.fullmatch(path.name), path) for path in folder.iterdir()]
    return {match[1] for match, path in found if match and path.is_dir() and not path.is_symlink()}


def work_folder(rows: RowFolder) -> Path:
    """Where the next files are made: beside the folder that readers open, on the same file system."""
    readers = rows.path.resolve()
    return readers.with_name(f".{readers.name}.compact")


@contextmanager
def nothing_half_done(rows: RowFolder) -> Iterator[None]:
    """Hold compact off, once one at work has ended and what a killed one left is cleared up."""
    with exclusive(rows.state_dir, "compact.lock", wait=True):
        _Work(rows, lambda *_: None, TARGET_BYTES).clear_up()
        yield


class _Work:
    """The folder beside `readers` in which the next files are made."""

    def __init__(self, rows: RowFolder, on_step: Callable[[str, str], None], target_bytes: int) -> None:
        self._shape = rows.shape
        self._readers = rows.path.resolve()
        self._folder = work_folder(rows)
        self._left_behind_s = max(_LEFT_BEHIND_S, 3 * rows.checkpoint_interval_s)
        self._on_step = on_step
        self._target_bytes = target_bytes

    def compact(self, day: str) -> Compacted:
        """One date, from its old folder to its new one."""
        old, new = self._readers / f"date={day}", self._folder / f"date={day}"
        files = parquet_files(old)
        size = _size(files)
        untouched = Compacted(day, len(files), len(files), size, size)
        in_the_way = _in_the_way(old, {file.name for file in files}, self._left_behind_s)
        if in_the_way:
            return replace(untouched, left_alone=in_the_way)
        if len(files) <= max(1, math.ceil(size / self._target_bytes)):
            return untouched
        names = sorted(os.listdir(old))
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        try:
            written = merge(files, new, self._shape, self._target_bytes)
            shutil.copystat(old, new)  # those who may read or write the old folder may the new one
            sync(new)
            self._on_step(day, "written")
            self._note(day, [file.name for file in files + written])
            self._on_step(day, "noted")
            if sorted(os.listdir(old)) != names:
                self._remove(day)
                return replace(untouched, left_alone="its files changed while they were merged")
            exchange(old, new)
        except BaseException:
            self._remove(day)
            raise
        result = Compacted(day, len(files), len(written), size, _size(parquet_files(old)), row_count(old))
        sync(self._readers)
        sync(self._folder)
        self._on_step(day, "exchanged")
        self._remove(day)
        self._on_step(day, "removed")
        return result

    def clear_up(self) -> None:
        """Remove what a compact left that was killed."""
        for day in {match[1] for path in self._folder.glob("date=*") if (match := _FOLDER.match(path.name))}:
            self._remove(day)

    def _note(self, day: str, names: Sequence[str]) -> None:
        """Write down which files are merged ones or in a merged one; any other is somebody's only copy."""
        note = self._folder / f"date={day}.json"
        part = note.with_suffix(".part")
        part.write_text(json.dumps(list(names)))
        sync(part)
        part.rename(note)
        sync(self._folder)

    def _remove(self, day: str) -> None:
        """Remove that date's folder here, old or new; a file that is in no merged one goes back to the readers."""
        folder, note = self._folder / f"date={day}", self._folder / f"date={day}.json"
        in_place = self._readers / folder.name
        if not note.exists() or not in_place.exists():  # nothing was exchanged yet, or the date was emptied since
            shutil.rmtree(folder, ignore_errors=True)
        merged = set(json.loads(note.read_text())) if note.exists() else set()
        while folder.exists():
            for path in folder.iterdir():
                if path.name in merged:
                    path.unlink()
                else:
                    path.rename(in_place / path.name)
            try:
                folder.rmdir()
            except OSError:
                if not any(folder.iterdir()):
                    raise
        note.unlink(missing_ok=True)
        note.with_suffix(".part").unlink(missing_ok=True)
        if self._folder.exists() and not any(self._folder.iterdir()):
            self._folder.rmdir()


def _in_the_way(folder: Path, finished: set[str], left_behind_s: float) -> str:
    """What in the folder keeps it from being merged, or ""."""
    for name in sorted(set(os.listdir(folder)) - finished):
        if name[0] not in "._":
            return f"it holds {name}, which is no finished Parquet file"
        try:
            age_s = time.time() - (folder / name).stat().st_mtime
        except FileNotFoundError:
            age_s = 0.0
        if age_s < left_behind_s:
            return f"the Parquet job writes it now ({name})"
    return ""


def _size(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f}"
