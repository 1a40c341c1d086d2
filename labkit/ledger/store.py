"""The comparing part of the ledger: expected and found lie in DuckDB tables on disk, and SQL compares them.

    expected_rows   hostname  ts             cpu_id  time_delta_ms  user_pct             …
                    web-1     1764000001000  cpu0             1000  4626322717216342016     the bits of 20.0
    found_rows      the same, and the number of the file they came from

    metrics         (hostname, ts)           -> a digest of the JSON, and the record's partition and offset
    dead letters    "(partition, offset)"    -> a digest of the bytes

Memory does not grow with the number of records: a batch goes to disk as soon as it is full, and
DuckDB spills joins to its temporary folder. Doubles are kept and compared as their 64 bits.
Source: https://duckdb.org/docs/stable/guides/performance/how_to_tune_workloads
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from labkit.errors import LabkitError
from labkit.ledger.report import TableReport
from labkit.streams.shape import Shape

__all__ = ["DEAD_LETTERS", "METRICS", "ReconciliationStore", "Table", "digest", "rows_table"]

#: What DuckDB may use. With Python and Arrow that is 500 MiB, whether there are 2 or 5 million rows on each side.
_MEMORY = "256MB"
_THREADS = 2
_BATCH_ROWS = 20_000
_BATCHES = 200  # of many small files
_NAMED_FAULTS = 5

_POSITION = [("partition", pa.int32()), ("offset", pa.int64())]
_DIGEST = [("digest", pa.binary())]
_WORDS = {
    "twice": "is there twice",
    "unexpected": "is not expected",
    "altered": "has other values than expected",
    "missing": "is missing",
}


@dataclass(frozen=True, slots=True)
class Table:
    """One side of the account: its key, the values that have to be equal, and what else a table has."""

    what: str
    table: str
    key: list[tuple[str, pa.DataType]]
    values: list[tuple[str, pa.DataType]]
    expected_more: list[tuple[str, pa.DataType]]
    found_more: list[tuple[str, pa.DataType]]
    name: Callable[[tuple[Any, ...]], str]

    @property
    def keys(self) -> list[str]:
        """The names of the key's columns."""
        return [name for name, _ in self.key]

    @property
    def expected(self) -> pa.Schema:
        """The columns of what is expected."""
        return pa.schema([*self.key, *self.values, *self.expected_more])

    @property
    def found(self) -> pa.Schema:
        """The columns of what is found."""
        return pa.schema([*self.key, *self.values, *self.found_more])


def _metric_name(key: tuple[Any, ...]) -> str:
    """A record that cannot be read has no ts; a sentence stands for its hostname."""
    return str(key[0]) if key[1] is None else repr(key)


METRICS = Table(
    "metrics", "metrics", [("hostname", pa.string()), ("ts", pa.int64())], _DIGEST, _POSITION, _POSITION, _metric_name
)
DEAD_LETTERS = Table(
    "dead letters", "dead_letters", [("position", pa.string())], _DIGEST, _POSITION, [], lambda key: str(key[0])
)
_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64()}


def rows_table(shape: Shape) -> Table:
    """The table of a stream's rows; `ts` in ms."""
    kinds = {name: pa.int64() if name == "ts" else _ARROW[kind] for name, kind in shape.columns}
    return Table(
        "rows",
        "rows",
        [(name, kinds[name]) for name in shape.key],
        [(name, kinds[name]) for name, _ in shape.values],
        [],
        [("file", pa.int64())],
        repr,
    )


def digest(value: bytes | None) -> bytes | None:
    """32 bytes that stand for `value`, however long it is; None for None."""
    return None if value is None else hashlib.blake2b(value, digest_size=32).digest()


class ReconciliationStore:
    """Expected and found, on disk below `folder`, which the caller removes.

    `store.add("found_metrics", ("web-1", 1764000001000, digest(json), 0, 17))`: columns in the order of the
    side's schema. Raises `LabkitError` where the disk is full.
    """

    def __init__(self, folder: Path, shape: Shape) -> None:
        self._folder = folder
        self.rows = rows_table(shape)
        self._schemas = {f"expected_{table.table}": table.expected for table in self.tables}
        self._schemas |= {f"found_{table.table}": table.found for table in self.tables}
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in self._schemas}
        self._batches: dict[str, list[pa.RecordBatch]] = {table: [] for table in self._schemas}
        self._files: dict[int, str] = {}
        with self._said_in_words():
            self._db = duckdb.connect(
                folder / "ledger.duckdb",
                config={
                    "memory_limit": _MEMORY,
                    "threads": _THREADS,
                    "temp_directory": str(folder / "spilled"),
                },
            )
            # In Jupyter it is on, or cannot be set at all: without ipywidgets DuckDB refuses to turn it off, too.
            if self._db.execute("SELECT current_setting('enable_progress_bar')").fetchone() != (False,):
                self._db.execute("SET enable_progress_bar = false")
            self._db.execute("PRAGMA disable_checkpoint_on_shutdown")  # the file is thrown away
            for table, schema in self._schemas.items():
                columns = ", ".join(f'"{column.name}" {_SQL_TYPES[column.type]}' for column in schema)
                self._db.execute(f"CREATE TABLE {table} ({columns})")
            self._db.execute('CREATE TABLE committed (topic VARCHAR, "partition" INTEGER, "offset" BIGINT)')
            for statement in (_PENDING_DEAD_LETTERS, _PENDING_METRICS, _PENDING_ROWS):
                self._db.execute(statement)

    @property
    def tables(self) -> tuple[Table, Table, Table]:
        """Dead letters, metrics and rows, in the order in which they are read."""
        return DEAD_LETTERS, METRICS, self.rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def add(self, table: str, row: tuple[Any, ...]) -> None:
        """One row of `table`."""
        rows = self._rows[table]
        rows.append(row)
        if len(rows) >= _BATCH_ROWS:
            self._flush(table)

    def add_batch(self, table: str, batch: pa.RecordBatch) -> None:
        """Many rows of `table`, with the columns of its schema."""
        batches = self._batches[table]
        batches.append(batch)
        if sum(waiting.num_rows for waiting in batches) >= _BATCH_ROWS or len(batches) >= _BATCHES:
            self._flush(table)

    def add_file(self, number: int, name: str) -> None:
        """What the file of that number is called, for the words of a fault."""
        self._files[number] = name

    def remove_file(self, number: int) -> None:
        """Take out the rows found in the file of that number."""
        self._flush("found_rows")
        with self._said_in_words():
            self._db.execute("DELETE FROM found_rows WHERE file = ?", [number])

    def set_committed(self, snapshots: Mapping[int, int], metrics: Mapping[int, int]) -> None:
        """{partition: offset} up to which the jobs have read their topic; 0 where nothing is said."""
        both = (("snapshots", snapshots), ("metrics", metrics))
        for topic, offsets in both:
            for partition, offset in offsets.items():
                self._db.execute("INSERT INTO committed VALUES (?, ?, ?)", [topic, partition, offset])

    def balance(self, side: Table) -> TableReport:
        """Compare one side as it is now."""
        for table in self._schemas:
            self._flush(table)
        with self._said_in_words():
            for statement in _comparison(side):
                self._db.execute(statement)
            counts = dict(self._db.execute("SELECT kind, count(*) FROM odd GROUP BY kind").fetchall())
            return TableReport(
                side.what,
                expected=self._count(f"expected_{side.table}"),
                found=self._count(f"found_{side.table}"),
                missing=counts.get("missing", 0),
                duplicates=counts.get("twice", 0),
                unexpected=counts.get("unexpected", 0),
                mismatched=counts.get("altered", 0),
                uncommitted=counts.get("in flight", 0),
                faults=[
                    f"{side.what}: {side.name(tuple(key))} {_WORDS[kind]}{self._where(side, kind, key, place)}"
                    for kind, place, *key in self._first(side)
                ],
            )

    def _first(self, side: Table) -> list[tuple[Any, ...]]:
        """(kind, place, *key) of the first faults: what is there in the order of reading, then what is missing.

        The place is the rowid of what is found or, where nothing is, of what is expected.
        """
        return self._db.execute(
            f"""SELECT kind, place, {_list(side.keys)} FROM odd WHERE kind <> 'in flight'
                ORDER BY kind = 'missing', place LIMIT {_NAMED_FAULTS}"""
        ).fetchall()

    def _where(self, side: Table, kind: str, key: Sequence[Any], place: int) -> str:
        """Where to look: the record or the file of what is there, the snapshot of a row or of what is missing.

        "" where nobody knows.
        """
        if side is DEAD_LETTERS:  # the key says it
            return ""
        found = []
        if side is self.rows and kind != "missing":
            files = self._db.execute("SELECT file FROM found_rows WHERE rowid = ?", [place]).fetchall()
            found += [f"it is in {self._files[number]}" for (number,) in files]
        if side is METRICS and kind != "missing":
            found += self._positions("it", "found_metrics WHERE rowid = ?", [place])
        elif kind in ("missing", "altered"):
            condition = f"expected_metrics WHERE {_same_values(METRICS.keys)} ORDER BY rowid DESC"
            found += self._positions("its snapshot", condition, list(key[: len(METRICS.keys)]))
        return "".join(f"; {where}" for where in found)

    def _positions(self, what: str, of: str, values: list[Any]) -> list[str]:
        """Where in its topic the first record of a query lies, if there is one."""
        places = self._db.execute(f'SELECT "partition", "offset" FROM {of} LIMIT 1', values).fetchall()
        return [f"{what} is at offset {offset} of partition {partition}" for partition, offset in places]

    def _count(self, table: str) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])

    def _flush(self, table: str) -> None:
        schema, rows, batches = self._schemas[table], self._rows[table], self._batches[table]
        if rows:
            columns = zip(schema.types, zip(*rows, strict=True), strict=True)
            batches.append(pa.record_batch([pa.array(column, kind) for kind, column in columns], schema=schema))
        if batches:
            with self._said_in_words():
                self._db.register("batch", pa.Table.from_batches([_bits(batch) for batch in batches]))
                self._db.execute(f"INSERT INTO {table} SELECT * FROM batch")
                self._db.unregister("batch")
        rows.clear()
        batches.clear()

    @contextmanager
    def _said_in_words(self) -> Iterator[None]:
        try:
            yield
        except (duckdb.IOException, duckdb.TransactionException, duckdb.OutOfMemoryException) as error:
            what = str(error).splitlines()[0].removesuffix(".")
            raise LabkitError(f"The ledger has no room for its tables in {self._folder.parent} ({what}).") from None


_SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "BIGINT",  # its bits
    pa.binary(): "BLOB",
}


def _bits(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Doubles as the integers of the same 64 bits: 0.0 and -0.0 differ, a NaN equals itself."""
    columns = [column.view(pa.int64()) if column.type == pa.float64() else column for column in batch.columns]
    return pa.record_batch(columns, names=batch.schema.names)


# What no checkpoint has committed yet: the job has not said that it has read the cause.
_PENDING = """
    SELECT here.* FROM {table} AS here LEFT JOIN committed AS read
    ON read.topic = '{topic}' AND read."partition" = here."partition"
    WHERE here."offset" >= coalesce(read."offset", 0)"""
_PENDING_DEAD_LETTERS = "CREATE VIEW pending_dead_letters AS" + _PENDING.format(
    table="expected_dead_letters", topic="snapshots"
)
_PENDING_METRICS = "CREATE VIEW pending_metrics AS" + _PENDING.format(table="expected_metrics", topic="snapshots")
# A row is on its way where its metric is there and not read, or is itself on its way.
_PENDING_ROWS = f"""
    CREATE VIEW pending_rows AS
    SELECT hostname, ts FROM ({_PENDING.format(table="found_metrics", topic="metrics")})
    UNION ALL
    SELECT hostname, ts FROM pending_metrics ANTI JOIN found_metrics USING (hostname, ts)"""


def _comparison(side: Table) -> list[str]:
    """Statements that leave in table `odd` what is not as it should be: kind, the key's columns, place.

    The first found of a key is compared with what is expected, any further one is there twice. A key
    may be expected more than once (a host that reboots with its clock set back): then the smallest
    values are compared with the smallest, because rows of several files have no order.
    """
    keys, values = side.keys, [name for name, _ in side.values]
    expected, found = f"expected_{side.table}", f"found_{side.table}"
    pending_keys = [name for name in keys if name in ("hostname", "ts", "position")]  # a metric's rows go together
    return [
        f"""
        CREATE OR REPLACE TABLE again AS
        SELECT {_list(keys)}, max(times) AS times FROM (
            SELECT {_list(keys)}, count(*) AS times FROM {expected} GROUP BY {_list(keys)} HAVING count(*) > 1
            UNION ALL
            SELECT {_list(keys)}, 0 FROM {found} GROUP BY {_list(keys)} HAVING count(*) > 1
        ) GROUP BY {_list(keys)}""",
        f"""
        CREATE OR REPLACE TABLE odd AS
        SELECT
            CASE WHEN found.nth IS NULL THEN 'missing'
                 WHEN expected.nth IS NOT NULL THEN 'altered'
                 WHEN found.nth > 1 THEN 'twice'
                 ELSE 'unexpected' END AS kind,
            {", ".join(f'coalesce(expected."{name}", found."{name}") AS "{name}"' for name in keys)},
            coalesce(found.place, expected.place) AS place
        FROM ({_numbered(expected, keys, values)}) AS expected
        FULL JOIN ({_numbered(found, keys, values)}) AS found
        ON {_same("expected", "found", keys)} AND expected.nth = found.nth
        WHERE expected.nth IS NULL OR found.nth IS NULL OR {_differ("expected", "found", values)}""",
        f"""
        UPDATE odd SET kind = 'in flight' WHERE kind = 'missing' AND EXISTS (
            SELECT 1 FROM pending_{side.table} AS pending WHERE {_same("pending", "odd", pending_keys)})""",
    ]


def _numbered(table: str, keys: Sequence[str], values: Sequence[str]) -> str:
    """Every row of `table` with `nth`: the how-manieth of its key it is, in the order of reading."""
    columns = ", ".join(f'here."{name}"' for name in (*keys, *values))
    by_value = ", ".join(f'CASE WHEN again.times > 1 THEN here."{name}" END' for name in values)
    by_key = ", ".join(f'here."{name}"' for name in keys)
    joined = f"again ON {_same('here', 'again', keys)}"
    return f"""
        SELECT {columns}, here.rowid AS place, 1 AS nth FROM {table} AS here ANTI JOIN {joined}
        UNION ALL
        SELECT {columns}, here.rowid, row_number() OVER (PARTITION BY {by_key} ORDER BY {by_value}, here.rowid)
        FROM {table} AS here JOIN {joined}"""


def _list(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _same(one: str, other: str, names: Sequence[str]) -> str:
    return " AND ".join(f'{one}."{name}" IS NOT DISTINCT FROM {other}."{name}"' for name in names)


def _same_values(names: Sequence[str]) -> str:
    return " AND ".join(f'"{name}" IS NOT DISTINCT FROM ?' for name in names)


def _differ(one: str, other: str, names: Sequence[str]) -> str:
    return "(" + " OR ".join(f'{one}."{name}" IS DISTINCT FROM {other}."{name}"' for name in names) + ")"
