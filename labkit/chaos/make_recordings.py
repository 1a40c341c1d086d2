"""How the shipped recordings were made. Each is written with a .json beside it that says what is in it.

python -m labkit.chaos.make_recordings two_cpus two_cpus.gz            a real machine with burns; takes ten minutes
python -m labkit.chaos.make_recordings eight_cpus eight_cpus.gz        simulated: the same bytes every time
python -m labkit.chaos.make_recordings cpu_goes_away cpu_goes_away.gz  simulated: the same bytes every time
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from labkit.chaos.burn import burn
from labkit.errors import BadInput
from labkit.sources.live import live_readings
from labkit.sources.recording import Reading, write_recording
from labkit.sources.scenario import BURN_KINDS, Load, Offline, load_scenario
from labkit.sources.simulator import FleetSource, as_readings

__all__ = ["RECORDINGS", "SIMULATED", "Simulated", "main", "make_simulated", "make_two_cpus"]

#: Where the shipped recordings are, and their scenarios.
RECORDINGS = Path(__file__).resolve().parent.parent / "recordings"
START_MS = 1_795_165_200_000  # 2026-11-20T09:00:00Z

HOSTNAME = "two-cpus"
SECONDS = 600
#: (from, until) in seconds after the first reading, CPU, kind, share of the CPU's time
BURNS = (
    (60, 120, 1, "user", 1.0),
    (180, 240, 0, "system", 1.0),
    (300, 330, 0, "user", 0.5),
    (390, 420, 0, "user", 1.0),
    (390, 420, 1, "system", 1.0),
    (480, 540, 1, "system", 0.5),
)


@dataclass(frozen=True, slots=True)
class Simulated:
    """A recording of one host that does not exist; its scenario has the recording's name."""

    what: str
    hostname: str
    cpus: int
    seconds: int
    seed: int


SIMULATED = {
    "eight_cpus": Simulated(
        "Ten minutes of a simulated machine with eight CPUs: three burns, and one second in which cpu4 waits "
        "for a disk (iowait) and for the hypervisor (steal).",
        "eight-cpus", cpus=8, seconds=600, seed=8,
    ),
    "cpu_goes_away": Simulated(
        "Five minutes of a simulated machine with four CPUs: cpu3 goes offline and comes back. Then its idle and "
        "iowait start over at 0 and its other counters go on, as on Linux 3.10 to 6.7. The line cpu sums all CPUs, "
        "offline ones as well: nothing steps back in it when cpu3 goes, idle and iowait do when it is back.",
        "cpu-goes-away", cpus=4, seconds=300, seed=4,
    ),
}  # fmt: skip


def make_simulated(name: str, path: Path) -> None:
    """Write the recording `name` of SIMULATED to `path`, and its description beside it. Raises `BadInput`."""
    plan = SIMULATED[name]
    scenario = load_scenario(RECORDINGS / "scenarios" / f"{name}.toml", 1, plan.cpus)
    fleet = FleetSource(1, plan.cpus, plan.seed, scenario, interval_s=1.0, start_ms=START_MS, seconds=plan.seconds)
    count = write_recording(path, as_readings(replace(snapshot, hostname=plan.hostname) for snapshot in fleet))
    about = {
        "what": plan.what,
        "made_by": f"labkit/chaos/make_recordings.py {name}, from labkit/recordings/scenarios/{name}.toml; simulated",
        "seed": plan.seed,
        "hostname": plan.hostname,
        "readings": count,
        "interval_s": 1.0,
        "first_ms": START_MS,
        "cpus": ["cpu", *(f"cpu{number}" for number in range(plan.cpus))],
        "background": asdict(scenario.background),
        "burns": [
            {"cpu_id": cpu_id, "kind": load.kind, "share": load.share, **span}
            for load in scenario.loads if load.kind in BURN_KINDS for cpu_id, span in _cpus_and_span(load)
        ],
        "iowait": _waits(scenario.loads, "iowait"),
        "steal": _waits(scenario.loads, "steal"),
        "offline": [{"cpu_id": cpu_id, **span} for event in scenario.offline for cpu_id, span in _cpus_and_span(event)],
    }  # fmt: skip
    _describe(path, about)


def make_two_cpus(path: Path) -> None:
    """Record this machine for ten minutes with the burns of BURNS, and describe what was recorded."""
    with ExitStack() as stack:
        start = time.monotonic()
        threads = [threading.Thread(target=_burn_at, args=(start, plan)) for plan in BURNS]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        first: list[Reading] = []

        def readings() -> Iterator[Reading]:
            for reading in live_readings(HOSTNAME, 1.0, threading.Event(), limit_s=SECONDS):
                first[:] = first or [reading]
                yield reading

        count = write_recording(path, readings())
    begin = first[0].timestamp
    about = {
        "what": "Ten minutes of a virtual machine with two CPUs and nothing else to do, burns pinned to a CPU.",
        "made_by": "labkit/chaos/make_recordings.py two_cpus on a real machine; nothing in it was changed afterwards",
        "kernel": platform.release().split("-")[0],
        "hostname": HOSTNAME,
        "readings": count,
        "interval_s": 1.0,
        "first_ms": begin,
        "cpus": ["cpu", *(f"cpu{number}" for number in sorted(os.sched_getaffinity(0)))],
        "burns": [
            {"cpu_id": f"cpu{cpu}", "kind": kind, "share": share, "from_ms": begin + start * 1000,
             "until_ms": begin + until * 1000}
            for start, until, cpu, kind, share in BURNS
        ],
    }  # fmt: skip
    _describe(path, about)


def main(words: list[str]) -> int:
    """NAME FILE -> the exit status: 0, or 2 and one sentence on stderr."""
    names = ["two_cpus", *SIMULATED]
    try:
        if len(words) != 2 or words[0] not in names:
            raise BadInput(f"Give NAME and FILE; NAME is one of {', '.join(names)}.")
        name, path = words[0], Path(words[1])
        if name in SIMULATED:
            make_simulated(name, path)
        else:
            make_two_cpus(path)
    except BadInput as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


def _burn_at(start: float, plan: tuple[int, int, int, str, float]) -> None:
    """Wait for the time of one burn, and burn."""
    begin, until, cpu, kind, share = plan
    time.sleep(max(0.0, start + begin - time.monotonic()))
    with burn(cpu, kind, share):
        time.sleep(max(0.0, start + until - time.monotonic()))


def _waits(loads: tuple[Load, ...], kind: str) -> list[dict[str, Any]]:
    return [
        {"cpu_id": cpu_id, "share": load.share, **span}
        for load in loads if load.kind == kind for cpu_id, span in _cpus_and_span(load)
    ]  # fmt: skip


def _cpus_and_span(event: Load | Offline) -> Iterator[tuple[str, dict[str, int]]]:
    """("cpu3", {"from_ms": …, "until_ms": …}) for each CPU of `event`."""
    for cpu in event.cpus:
        yield (
            f"cpu{cpu}",
            {
                "from_ms": START_MS + round(event.from_s * 1000),
                "until_ms": START_MS + round(event.until_s * 1000),
            },
        )


def _describe(path: Path, about: dict[str, Any]) -> None:
    path.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
