"""Fault drills on services of their own.

    python -m tests.drills                    all of them, and the comparison of delivery guarantees
    python -m tests.drills --short            one, drawn from a seed that is printed
    python -m tests.drills kafka --seed 7     this one

Prints a table at the end, and writes it to test-output/drills/. Exit status 0 only where every drill passed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from tests.drills.compare import compared, comparison_table
from tests.drills.faults import DRILLS
from tests.drills.fleet import HOSTS, Fleet
from tests.drills.judge import Verdict, run
from tests.drills.own_lab import keep, new_folder, out, own_lab

#: Of the simulated fleet: 200 hosts, each a snapshot a second. Fewer would be read before a fault comes.
SECONDS = 1500
#: Of one drill for CI: its moments are shares of what is read, so they are as they were, and sooner.
SHORT_SECONDS = 800


def main(
    names: Annotated[list[str] | None, typer.Argument(help=", ".join([*DRILLS, "compare"]))] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the fleet and the moments of the faults; else a new one.")
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="One drill, drawn from the seed.")] = False,
    seconds: Annotated[
        int | None, typer.Option(help=f"How much of the fleet is sent; else {SECONDS}, with --short {SHORT_SECONDS}.")
    ] = None,
) -> None:
    """Kill, freeze and fill, under load; then count."""
    seconds = seconds or (SHORT_SECONDS if short else SECONDS)
    seed = random.SystemRandom().randrange(10_000) if seed is None else seed
    known = [name for name in DRILLS if name != "full-disk" or os.geteuid() == 0]
    wanted = names or [*known, "compare"]
    if short:
        wanted = [random.Random(seed).choice(known)]
    for name in wanted:
        if name not in DRILLS and name != "compare":
            raise typer.BadParameter(f"There is no drill {name!r}; there is {', '.join([*DRILLS, 'compare'])}.")
    out.print(f"seed {seed}: {', '.join(wanted)}")
    if "full-disk" not in known:
        out.print("full-disk is left out: it mounts a small disk, and only root may.")
    folder = new_folder()
    begin = time.monotonic()

    def say(text: str) -> None:
        out.print(f"  {time.monotonic() - begin:6.1f} s  {text}", markup=False)

    verdicts: list[Verdict] = []
    comparison = None
    with own_lab(folder):
        fleet = Fleet(seed, seconds)
        say(f"services up; the fleet: {HOSTS} hosts, {fleet.snapshots} snapshots, {fleet.intervals} intervals")
        for name in wanted:
            out.print(f"── {name}")
            if name == "compare":
                comparison = compared(fleet, random.Random(f"{seed} compare"), say)
                continue
            verdict = run(name, fleet, seed, say)
            verdicts.append(verdict)
            say(verdict.ledger)
            for fault in verdict.faults:
                out.print(f"  ✗ {fault}", markup=False)
            out.print(f"  {'✗ failed' if verdict.faults else '✓ passed'} after {verdict.took_s:.0f} s")
    failed = sum(bool(verdict.faults) for verdict in verdicts)
    if verdicts:
        out.print(table(verdicts))
    if comparison is not None:
        out.print(comparison_table(comparison))
        failed += not comparison[-1].exact
    record = {"seed": seed, "drills": [asdict(verdict) for verdict in verdicts],
              "compare": [asdict(row) for row in comparison or []]}  # fmt: skip
    keep(f"seed-{seed}.json", json.dumps(record, indent=1))
    if failed:
        out.print(f"The lab of these drills is in {folder}; seed {seed} gives the same faults again.")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    out.print(f"{len(wanted) - failed} passed, {failed} failed")
    raise typer.Exit(1 if failed else 0)


def table(verdicts: list[Verdict]) -> Table:
    """A row a drill: records in, expected, found, missing, twice, time to recover."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    result.add_column("drill")
    for title in ("records in", "metrics expected", "found", "missing", "twice", "rows expected", "found", "missing",
                  "twice", "back after (s)", "reader looked"):  # fmt: skip
        result.add_column(title, justify="right")
    for verdict in verdicts:
        cells = []
        for side in (verdict.metrics, verdict.rows):
            cells += [f"{n}" for n in (side.expected, side.found, side.missing, side.duplicates)] if side else ["–"] * 4
        result.add_row(
            verdict.drill, str(verdict.records_in), *cells,
            " ".join(f"{seconds:.1f}" for seconds in verdict.recovered_s), str(verdict.looks),
        )  # fmt: skip
    return result


if __name__ == "__main__":
    typer.run(main)
