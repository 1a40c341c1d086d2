"""Compacting: few files instead of many, the same rows, and no moment at which a reader sees anything else."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labkit.errors import BadInput, LabkitError
from labkit.lab.reset import what_goes
from labkit.parquet.compact import Compacted, compact, work_folder
from labkit.parquet.merge import merge
from labkit.parquet.read import columns_of, parquet_files, read_metrics, row_count
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS
from labkit.streams.procstat.stream import PROCSTAT
from labkit.system.exchange import exchange
from labkit.system.locks import exclusive

#: 2025-11-22 00:00:00 UTC
DAY_MS = 1_763_769_600_000
DATE = "2025-11-22"
#: As Flink's footers tell it: a time without a zone, in ms, which is UTC.
COLUMNS = columns_of(PROCSTAT.shape)
AS_FLINK = pa.schema([COLUMNS.field("hostname"), ("ts", pa.timestamp("ms")), *[COLUMNS.field(i) for i in range(2, 13)]])


@pytest.fixture
def lab(tmp_path: Path) -> Settings:
    return load_settings(state_dir=tmp_path / "state", output_dir=tmp_path / "output")


def write(folder: Path, name: str, ts_ms: list[int], hosts: tuple[str, ...] = ("web-1",), cpus: int = 11) -> Path:
    """A file as Flink writes one: CPUs and hosts as they come, no notes of Arrow's in the footer."""
    rng = random.Random(name)
    ids = ["cpu", *(f"cpu{number}" for number in range(cpus))]
    rows = [(host, ts, 1000, cpu) for ts in ts_ms for host in hosts for cpu in ids]
    rng.shuffle(rows)
    columns = dict(zip(AS_FLINK.names, zip(*rows, strict=True), strict=False))
    shares = {share: [rng.random() * 100 for _ in rows] for share in UTILIZATION_COLUMNS}
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table({name: pa.array(list(values)) for name, values in (columns | shares).items()}).cast(AS_FLINK)
    pq.write_table(table, folder / name, store_schema=False)
    return folder / name


def fill(lab: Settings, date: str = DATE, files: int = 6, begin_ms: int = DAY_MS) -> Path:
    """A date with `files` files of ten intervals each, of two hosts."""
    folder = lab.parquet_dir / f"date={date}"
    for number in range(files):
        first = begin_ms + number * 10_000
        times = [first + second * 1000 for second in range(10)]
        write(folder, f"part-{random.Random(number).randrange(16**8):08x}-{number}.parquet", times, ("web-2", "web-1"))
    return folder


def test_many_files_become_one_with_the_same_rows_columns_and_types(lab: Settings) -> None:
    folder = fill(lab)
    before = read_metrics(lab.parquet_dir)
    schema = pq.ParquetFile(parquet_files(folder)[0]).schema
    (done,) = compact(lab.rows)
    assert (done.date, done.files_before, done.files_after, done.rows) == (DATE, 6, 1, len(before))
    assert done.bytes_after < done.bytes_before
    (file,) = parquet_files(lab.parquet_dir)
    assert [path.name for path in folder.iterdir()] == [file.name]
    assert pq.ParquetFile(file).schema.equals(schema)
    assert pq.read_schema(file).equals(AS_FLINK, check_metadata=True)
    pd.testing.assert_frame_equal(read_metrics(lab.parquet_dir), before)
    assert not work_folder(lab.rows).exists()


def test_every_reader_finds_the_same_rows_as_before(lab: Settings) -> None:
    fill(lab)

    def by_all() -> list[tuple[int, float, object]]:
        by_pandas = pd.read_parquet(lab.parquet_dir)
        by_duckdb = duckdb.sql(
            f"SELECT count(*), sum(user_pct), max(ts) FROM read_parquet('{lab.parquet_dir}/*/*.parquet')"
        ).fetchall()[0]
        by_labkit = read_metrics(lab.parquet_dir)
        return [
            (len(by_pandas), round(by_pandas["user_pct"].sum(), 6), by_pandas["ts"].max().to_pydatetime()),
            (by_duckdb[0], round(by_duckdb[1], 6), by_duckdb[2]),
            (len(by_labkit), round(by_labkit["user_pct"].sum(), 6), by_labkit["ts"].max().to_pydatetime()),
        ]

    before = by_all()
    assert compact(lab.rows)
    assert by_all() == before


def test_rows_of_a_file_are_in_the_order_of_read_metrics(lab: Settings) -> None:
    folder = fill(lab)
    compact(lab.rows)
    (file,) = parquet_files(folder)
    rows = pq.read_table(file, partitioning=None).to_pandas()
    expected = read_metrics(lab.parquet_dir)
    for column in ("hostname", "cpu_id", "user_pct"):
        assert list(rows[column]) == list(expected[column])


def test_memory_is_bounded_by_sorting_in_runs_that_follow_each_other_in_time(tmp_path: Path) -> None:
    one = write(tmp_path, "part-a.parquet", [DAY_MS + 1000 * second for second in range(50, 100)])
    two = write(tmp_path, "part-b.parquet", [DAY_MS + 1000 * second for second in range(50)])
    (tmp_path / "new").mkdir()
    (written,) = merge([one, two], tmp_path / "new", PROCSTAT.shape, run_rows=500)
    rows = pq.read_table(written).to_pandas()
    for begin in range(0, 1200, 500):
        run = rows.iloc[begin : begin + 500]
        assert run["ts"].is_monotonic_increasing
    assert rows["ts"].iloc[:600].max() < rows["ts"].iloc[600:].min(), "the earlier file comes first"
    both = pd.concat([pd.read_parquet(file) for file in (one, two)])
    key = ["ts", "cpu_id"]
    pd.testing.assert_frame_equal(
        rows.sort_values(key, ignore_index=True), both.sort_values(key, ignore_index=True), check_dtype=True
    )


def test_a_file_that_has_grown_to_the_target_is_followed_by_another_and_then_nothing_is_left_to_do(
    lab: Settings, tmp_path: Path
) -> None:
    files = parquet_files(fill(lab, files=12))
    target = sum(file.stat().st_size for file in files) // 3
    (tmp_path / "new").mkdir()
    written = merge(files, tmp_path / "new", PROCSTAT.shape, target, run_rows=240)
    assert 2 <= len(written) <= 4
    assert all(file.stat().st_size >= target for file in written[:-1])
    exchange(files[0].parent, tmp_path / "new")
    assert row_count(lab.parquet_dir) == 12 * 10 * 2 * 12
    before = parquet_files(lab.parquet_dir)
    assert compact(lab.rows, target_bytes=target) == []
    assert parquet_files(lab.parquet_dir) == before


def test_today_and_a_date_with_one_file_are_left_as_they_are(lab: Settings) -> None:
    now = datetime.now(UTC)
    today, now_ms = now.date().isoformat(), int(now.timestamp()) * 1000
    fill(lab, today, begin_ms=now_ms)
    fill(lab, files=1)
    before = parquet_files(lab.parquet_dir)
    assert compact(lab.rows) == []
    assert parquet_files(lab.parquet_dir) == before
    (named,) = compact(lab.rows, today)
    assert (named.date, named.files_after) == (today, 1)


def test_no_folder_at_all_is_nothing_to_do_and_nothing_is_made(lab: Settings) -> None:
    assert compact(lab.rows) == []
    assert not lab.state_dir.exists()
    assert not lab.output_dir.exists()


def test_a_date_that_the_parquet_job_writes_is_left_alone_and_said(lab: Settings) -> None:
    folder = fill(lab)
    fill(lab, "2025-11-21", begin_ms=DAY_MS - 86_400_000)
    (folder / ".part-9.parquet.inprogress.7c1e").write_bytes(b"PAR1 half a file")
    before = parquet_files(folder)
    merged, left = compact(lab.rows)
    assert (merged.date, merged.files_after) == ("2025-11-21", 1)
    assert str(left) == f"{DATE}: left alone, the Parquet job writes it now (.part-9.parquet.inprogress.7c1e)."
    assert parquet_files(folder) == before


def test_a_hidden_file_that_a_killed_job_left_is_kept_and_in_nobodys_way(lab: Settings) -> None:
    folder = fill(lab)
    left = folder / ".part-9.parquet.inprogress.7c1e"
    left.write_bytes(b"PAR1 half a file")
    os.utime(left, (time.time() - 3600,) * 2)
    (done,) = compact(lab.rows)
    assert done.files_after == 1
    assert left.read_bytes() == b"PAR1 half a file"
    assert not work_folder(lab.rows).exists()


def test_a_file_of_something_else_is_not_merged_away(lab: Settings) -> None:
    folder = fill(lab)
    (folder / "notes.txt").write_text("mine")
    (done,) = compact(lab.rows)
    assert done.left_alone == "it holds notes.txt, which is no finished Parquet file"
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_file_that_the_job_finishes_or_begins_while_its_date_is_merged_is_not_lost(lab: Settings) -> None:
    folder = fill(lab)
    rows = row_count(folder)

    def finish_one(_: str, step: str) -> None:
        if step == "written":
            write(folder, "part-late.parquet", [DAY_MS + 3_600_000])

    (left,) = compact(lab.rows, on_step=finish_one)
    assert left.left_alone == "its files changed while they were merged"
    assert row_count(folder) == rows + 12

    def too_late_to_notice(_: str, step: str) -> None:
        if step == "exchanged":  # a writer that had opened the old folder
            old = work_folder(lab.rows) / folder.name
            (old / ".part-later.parquet.inprogress").write_bytes(b"PAR1")
            write(old, "part-later.parquet", [DAY_MS + 3_700_000])

    compact(lab.rows, on_step=too_late_to_notice)
    assert row_count(folder) == rows + 24
    assert (folder / ".part-later.parquet.inprogress").exists()
    assert not work_folder(lab.rows).exists()


@pytest.mark.parametrize("given", ["yesterday", "20251122", "2025-11-31", "2025-W47-6", "", "../2025-11-22"])
def test_what_is_no_date_is_one_sentence(lab: Settings, given: str) -> None:
    fill(lab)
    with pytest.raises(BadInput, match="is not a date"):
        compact(lab.rows, given)
    assert not lab.state_dir.exists()


def test_a_date_that_is_not_there_is_told_those_that_are(lab: Settings) -> None:
    fill(lab)
    with pytest.raises(BadInput, match=r"nothing of 2025-11-23; there is 2025-11-22\."):
        compact(lab.rows, "2025-11-23")


def test_a_broken_file_is_named_and_nothing_is_changed(lab: Settings) -> None:
    folder = fill(lab)
    (folder / "part-broken.parquet").write_bytes(b"not Parquet at all")
    before = parquet_files(folder)
    with pytest.raises(LabkitError, match=r"part-broken\.parquet cannot be read as Parquet"):
        compact(lab.rows)
    assert parquet_files(folder) == before
    assert not work_folder(lab.rows).exists()


def test_files_with_other_columns_are_not_merged(lab: Settings) -> None:
    folder = fill(lab)
    pq.write_table(pq.read_table(parquet_files(folder)[0]).drop_columns(["cpu_id"]), folder / "part-x.parquet")
    with pytest.raises(LabkitError, match="does not have the columns of its stream"):
        compact(lab.rows)
    with_zone = pq.read_table(parquet_files(folder)[0]).cast(COLUMNS)
    pq.write_table(with_zone, folder / "part-x.parquet")
    with pytest.raises(LabkitError, match="has other columns than"):
        compact(lab.rows)


def test_a_full_disk_is_one_sentence_and_changes_nothing(lab: Settings) -> None:
    folder = fill(lab)
    before = parquet_files(folder)
    work_folder(lab.rows).write_text("a file in the place of the work")
    with pytest.raises(LabkitError, match="All rows are where readers look"):
        compact(lab.rows)
    assert parquet_files(folder) == before


def test_only_one_compact_is_at_work_at_a_time(lab: Settings) -> None:
    fill(lab)
    with (
        exclusive(lab.state_dir, "compact.lock", wait=False),
        pytest.raises(BadInput, match="Another `labkit compact`"),
    ):
        compact(lab.rows)
    assert compact(lab.rows)


def test_a_file_system_that_cannot_exchange_says_so_and_changes_nothing(
    lab: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(lab)
    before = parquet_files(folder)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())  # a C library without renameat2
    with pytest.raises(BadInput, match="cannot exchange two folders in one step"):
        compact(lab.rows)
    assert parquet_files(folder) == before
    assert not work_folder(lab.rows).exists()


def test_a_folder_behind_a_link_is_merged_where_it_is(lab: Settings, tmp_path: Path) -> None:
    fill(lab)
    elsewhere = tmp_path / "elsewhere"
    lab.parquet_dir.rename(elsewhere)
    lab.parquet_dir.symlink_to(elsewhere)
    (done,) = compact(lab.rows)
    assert done.files_after == 1
    assert lab.parquet_dir.is_symlink()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_a_killed_compact_left_goes_with_reset(lab: Settings) -> None:
    fill(lab)
    work_folder(lab.rows).mkdir()
    compact_lock = lab.state_dir / "compact.lock"
    compact_lock.parent.mkdir()
    compact_lock.touch()
    assert work_folder(lab.rows) in what_goes(lab)


KILLED = """
import os, signal, sys
from labkit.parquet.compact import compact
from labkit.settings import load_settings
def kill(date, step):
    if step == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
compact(load_settings().rows, on_step=kill)
"""


def environment(lab: Settings) -> dict[str, str]:
    return {**os.environ, "LABKIT_STATE_DIR": str(lab.state_dir), "LABKIT_OUTPUT_DIR": str(lab.output_dir)}


@pytest.mark.parametrize(
    ("step", "then", "files"),
    [
        ("written", "", 6),
        ("noted", "", 6),
        ("exchanged", "", 1),
        ("exchanged", "some are removed", 1),
        ("exchanged", "all are removed", 1),
        ("removed", "", 1),
    ],
)
def test_killed_at_any_step_leaves_the_old_or_the_new_files_and_the_next_compact_clears_up(
    lab: Settings, step: str, then: str, files: int
) -> None:
    folder = fill(lab)
    kept = folder / ".part-9.parquet.inprogress.7c1e"
    kept.write_bytes(b"PAR1 half a file")
    os.utime(kept, (time.time() - 3600,) * 2)
    before = read_metrics(lab.parquet_dir)
    done = subprocess.run([sys.executable, "-c", KILLED, step], cwd=REPOSITORY, env=environment(lab), check=False)
    assert done.returncode == -signal.SIGKILL
    old = work_folder(lab.rows) / folder.name
    if then == "some are removed":
        next(old.glob("part-*")).unlink()
    elif then:
        (old / kept.name).rename(kept)
        shutil.rmtree(old)
    assert len(parquet_files(lab.parquet_dir)) == files
    pd.testing.assert_frame_equal(read_metrics(lab.parquet_dir), before)
    assert len(compact(lab.rows)) == (files > 1)
    assert len(parquet_files(lab.parquet_dir)) == 1
    pd.testing.assert_frame_equal(read_metrics(lab.parquet_dir), before)
    assert not work_folder(lab.rows).exists()
    assert kept.exists()


def test_killed_at_any_moment_no_row_is_missing_or_twice(lab: Settings, tmp_path: Path) -> None:
    """Not at a step but anywhere: after a delay that grows until the work is done before it."""
    folder = fill(lab)
    rows = row_count(folder)
    original = tmp_path / "original"
    shutil.copytree(folder, original)
    script = KILLED.replace("import os, signal, sys", "import os, signal, sys, threading")
    script = script.replace("compact(load_settings().rows, on_step=kill)", """
settings = load_settings()
threading.Timer(float(sys.argv[1]), os.kill, (os.getpid(), signal.SIGKILL)).start()
compact(settings)
""")  # fmt: skip
    outcomes = set()
    for delay_ms in range(0, 16, 2):
        subprocess.run(
            [sys.executable, "-c", script, str(delay_ms / 1000)], cwd=REPOSITORY, env=environment(lab), check=False
        )
        count = len(parquet_files(lab.parquet_dir))
        outcomes.add(count)
        assert row_count(lab.parquet_dir) == rows
        compact(lab.rows)
        assert not work_folder(lab.rows).exists()
        shutil.rmtree(folder)
        shutil.copytree(original, folder)
    assert outcomes <= {1, 6}


READER = """
import sys
from pathlib import Path
from labkit.parquet.read import read_metrics, row_count
folder = Path(sys.argv[1])
print("ready", flush=True)
while not (folder.parent / "stop").exists():
    print(len(read_metrics(folder)), row_count(folder), flush=True)
"""


@pytest.fixture
def reader(lab: Settings) -> Iterator[subprocess.Popen[str]]:
    """Another process that reads all rows again and again."""
    fill(lab)
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(lab.parquet_dir)],
        cwd=REPOSITORY, env=environment(lab), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_reader_at_any_moment_sees_every_row_once(
    lab: Settings, tmp_path: Path, reader: subprocess.Popen[str]
) -> None:
    folder = lab.parquet_dir / f"date={DATE}"
    rows = row_count(folder)
    assert rows == 6 * 10 * 2 * 12
    original = tmp_path / "original"
    shutil.copytree(folder, original)
    for turn in range(60):
        (done,) = compact(lab.rows)
        assert (done.files_after, done.rows) == (1, rows)
        again = tmp_path / "again"  # many files once more, by the same single step
        again.mkdir()
        for file in original.iterdir():
            os.link(file, again / f"part-{turn}-{file.name}")
        exchange(folder, again)
        shutil.rmtree(again)
    (lab.output_dir / "stop").touch()
    told, said = reader.communicate(timeout=60)
    assert reader.returncode == 0, said
    readings = set(told.split())
    assert readings == {str(rows)}
    assert len(told.splitlines()) >= 20, "it did read meanwhile"


def test_what_became_of_a_date_is_one_line() -> None:
    done = Compacted(DATE, 8640, 2, 700 * 2**20, 200 * 2**20, 77_760_000)
    assert str(done) == "2025-11-22: 8640 files -> 2, 77760000 rows, 700.0 -> 200.0 MiB"
