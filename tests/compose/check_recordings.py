"""Inside a container: the Parquet rows of the shipped recordings are those of the pure function, row for row.

docker compose exec -T jupyterlab python - < tests/compose/check_recordings.py
"""

import sys
import time
from pathlib import Path

import pandas as pd

import labkit
from labkit.errors import LabkitError
from labkit.parquet.read import in_natural_order, read_metrics
from labkit.settings import load_settings
from labkit.sources.recording import ReplaySource
from labkit.streams.procstat.metrics import compare

DEADLINE = time.monotonic() + 120
settings = load_settings()
for file in sorted((Path(labkit.__file__).parent / "recordings").glob("*.gz")):
    kept, rows = None, []
    for now in ReplaySource(file):
        _, kept, metrics = compare(kept, now)
        for cpu in metrics.as_record()["cpu_metrics"] if metrics else ():
            rows.append({"hostname": now.hostname, "ts": now.timestamp, "time_delta_ms": metrics.time_delta_ms, **cpu})
    expected = pd.DataFrame(rows)
    expected["ts"] = pd.to_datetime(expected["ts"], unit="ms", utc=True).astype("datetime64[ns, UTC]")
    host = expected["hostname"].iloc[0]
    while True:  # a checkpoint makes the rows visible
        try:
            found = read_metrics(settings.parquet_dir, host)
        except LabkitError:
            found = expected.head(0)
        if len(found) >= len(expected) or time.monotonic() > DEADLINE:
            break
        time.sleep(0.5)
    wanted = in_natural_order(expected[found.columns], ["hostname", "ts", "cpu_id"])
    pd.testing.assert_frame_equal(found, wanted, check_exact=True)
    sys.stdout.write(f"{file.stem}: {len(found)} rows, as the pure function has them\n")
