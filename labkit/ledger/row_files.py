"""The Parquet files that the ledger has in its store, brought up to date with the folder.

    RowFiles(folder, store).catch_up()      reads what is new, takes out what is gone, until the two agree

A pipeline at work adds files, and `labkit compact` puts others in their place: a file may be gone
between the listing and the reading. What counts is the last listing, read as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from labkit.errors import LabkitError
from labkit.ledger.store import ReconciliationStore
from labkit.parquet.read import parquet_files

__all__ = ["RowFiles"]

_BATCH_ROWS = 20_000
_LISTINGS = 100
#: A row's time is kept in ms, whatever unit its file has.
_TS = pa.timestamp("ms", tz="UTC")

Identity = tuple[int, int, int]  # inode, bytes, time of the last change in ns


class RowFiles:
    """Which files of `folder` are in `store`, and as what they were read."""

    def __init__(self, folder: Path, store: ReconciliationStore) -> None:
        self._folder = folder
        self._store = store
        self._columns = [name for name, _ in store.rows.key + store.rows.values]
        self._numbers = count()
        self._read: dict[Path, tuple[int, Identity]] = {}

    def catch_up(self, on_file: Callable[[int, int], None] = lambda *_: None) -> bool:
        """Read until the folder holds what the store holds; whether anything was new or gone.

        `on_file` hears how many of how many files are read. Raises `LabkitError` for a file that is no Parquet.
        """
        changed = False
        for _ in range(_LISTINGS):
            there = _listing(self._folder)
            gone = [file for file, (_, read_as) in self._read.items() if there.get(file) != read_as]
            for file in gone:
                self._store.remove_file(self._read.pop(file)[0])
            new = [file for file in there if file not in self._read]
            if not gone and not new:
                return changed
            changed = True
            for file in new:
                on_file(len(self._read), len(there))
                self._take(file, there[file])
        raise _too_fast(self._folder)

    def _take(self, file: Path, identity: Identity) -> None:
        number = next(self._numbers)
        try:
            with pyarrow.parquet.ParquetFile(file) as parquet:
                # From here on it is in the store, also where it is another than the one that was listed:
                # then the next listing tells.
                self._read[file] = number, identity
                self._store.add_file(number, str(file.relative_to(self._folder)))
                for batch in parquet.iter_batches(_BATCH_ROWS, columns=self._columns):
                    self._store.add_batch("found_rows", _as_found(batch, self._store.rows.found, number))
        except FileNotFoundError:
            return
        except (pa.ArrowException, KeyError, OSError) as error:
            raise LabkitError(f"{file} cannot be read as Parquet: {error}") from None


def _listing(folder: Path) -> dict[Path, Identity]:
    """The files as they are together: where one goes while it is looked at, the folder is listed again."""
    for _ in range(_LISTINGS):
        with suppress(FileNotFoundError):
            return {file: _identity(file.stat()) for file in parquet_files(folder)}
    raise _too_fast(folder)


def _identity(status: os.stat_result) -> Identity:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _too_fast(folder: Path) -> LabkitError:
    return LabkitError(f"The files in {folder} change faster than they can be read.")


def _as_found(batch: pa.RecordBatch, found: pa.Schema, number: int) -> pa.RecordBatch:
    columns = [batch.column(name) for name in found.names[:-1]]
    ts = found.names.index("ts")
    columns[ts] = columns[ts].cast(_TS)
    typed = [column.cast(kind) for column, kind in zip(columns, found.types[:-1], strict=True)]
    return pa.record_batch([*typed, pa.array([number] * batch.num_rows, pa.int64())], schema=found)
