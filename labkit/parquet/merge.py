"""Many Parquet files of one date -> few, sorted by hostname, ts and part (a CPU, by its number).

    part-7c1e-0.parquet … part-7c1e-8639.parquet   ->   compacted-1f0a9c3e-0.parquet

Memory is bounded: rows are sorted in runs of at most a million. A date that has more rows than that is sorted
within each run, and the runs follow each other as the files do in time. Columns, types (ts included) and
compression stay as Flink wrote them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labkit.errors import LabkitError
from labkit.parquet.read import columns_of, natural
from labkit.streams.shape import Shape
from labkit.system.exchange import sync

__all__ = ["TARGET_BYTES", "merge"]

#: A file that has grown beyond this is closed and the next one begun.
TARGET_BYTES = 128 * 1024 * 1024
#: More than a day of one host with 8 CPUs at 1 Hz (777,600). Sorting that many takes the process to half a GiB.
RUN_ROWS = 1_000_000
#: Small enough that one host of a sorted file is read without most others.
_GROUP_ROWS = 131_072
_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class _Footer:
    """What is needed of a file's footer; `begin` is its earliest ts in its own unit, 0 where it does not tell."""

    schema: pa.Schema
    rows: int
    begin: int


def _footer(file: Path, shape: Shape) -> _Footer:
    try:
        with pq.ParquetFile(file) as parquet:
            schema, told = parquet.schema_arrow.remove_metadata(), parquet.metadata
    except pa.ArrowException as error:
        raise LabkitError(f"{file} cannot be read as Parquet: {error}") from error
    if schema.names != columns_of(shape).names:
        raise LabkitError(f"{file} does not have the columns of its stream; it cannot be merged.")
    ts = schema.names.index("ts")
    stats = [told.row_group(number).column(ts).statistics for number in range(told.num_row_groups)]
    begin = min((stat.min_raw for stat in stats if stat is not None and stat.has_min_max), default=0)
    return _Footer(schema, told.num_rows, begin)


def merge(
    files: Sequence[Path], folder: Path, shape: Shape, target_bytes: int = TARGET_BYTES, run_rows: int = RUN_ROWS
) -> list[Path]:
    """Write the rows of `files` into new files in `folder`, on the disk when this returns; their paths.

    Raises `LabkitError` where the files do not have the same columns, or where rows are missing in the end.
    """
    footers = {file: _footer(file, shape) for file in files}
    schema = footers[files[0]].schema
    for file in files:
        if footers[file].schema != schema:
            raise LabkitError(f"{file} has other columns than {files[0].name}; the two cannot be merged.")
    name = f"compacted-{uuid.uuid4().hex[:8]}"  # new each time: no reader can take a new file for an old one
    written: list[Path] = []
    writer: pq.ParquetWriter | None = None
    try:
        for run in _runs(sorted(files, key=lambda file: (footers[file].begin, file.name)), schema, run_rows):
            if writer is None:
                written.append(folder / f"{name}-{len(written)}.parquet")
                # store_schema: Arrow's own notes would make the footer another one than Flink's
                writer = pq.ParquetWriter(written[-1], schema, compression="snappy", store_schema=False)
            writer.write_table(_sorted(run, shape), row_group_size=_GROUP_ROWS)
            if written[-1].stat().st_size >= target_bytes:
                writer.close()
                writer = None
    finally:
        if writer is not None:
            writer.close()
    before, after = (
        sum(one.rows for one in some) for some in (footers.values(), (_footer(file, shape) for file in written))
    )
    if before != after:
        raise LabkitError(f"{before} rows became {after} as {folder.name} was merged; nothing was changed.")
    for file in written:
        sync(file)
    return written


def _runs(files: Sequence[Path], schema: pa.Schema, most_rows: int) -> Iterator[pa.Table]:
    """The rows of `files`, one after the other, in tables of `most_rows` (the last one has what is left)."""
    batches: list[pa.RecordBatch] = []
    rows = 0
    for file in files:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(min(_BATCH_ROWS, most_rows)):
                space = most_rows - rows
                batches.append(batch.slice(0, space))
                rows += batches[-1].num_rows
                if rows == most_rows:
                    yield pa.Table.from_batches(batches, schema)
                    batches = [batch.slice(space)]
                    rows = batches[0].num_rows
    if rows:
        yield pa.Table.from_batches(batches, schema)


def _sorted(table: pa.Table, shape: Shape) -> pa.Table:
    """By hostname, ts and the names of the parts (cpu9 before cpu10), as `read_rows` gives them."""
    parts = shape.part_key
    for name in parts:
        texts = table[name].combine_chunks().dictionary_encode()
        known = texts.dictionary.to_pylist()
        rank = {text: place for place, text in enumerate(sorted(known, key=lambda text: natural(text or "")))}
        places = pa.array([rank[text] for text in known], pa.int64())
        table = table.append_column(f"place of {name}", places.take(texts.indices))
    order = table.sort_by([(name, "ascending") for name in ("hostname", "ts", *(f"place of {name}" for name in parts))])
    return order.drop_columns([f"place of {name}" for name in parts])
