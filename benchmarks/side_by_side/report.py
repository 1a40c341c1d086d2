"""The results as text: a sentence for each run, a table for the page."""

from __future__ import annotations

import statistics
from typing import Any


def sentence(result: dict[str, Any]) -> str:
    """One run, for a person who waits."""
    if "steady_per_s" not in result:
        return f"FAILED: {result['failed']}"
    text = (
        f"{result['steady_per_s']:,.0f} snapshots/s, first record after {result['start_up_s']:.1f} s, "
        f"peak {result['peak_mib']:,.0f} MiB, {result['cpu_ms_a_snapshot']:.3f} ms of CPU a snapshot, "
        f"{result['found']:,} of {result['expected']:,} records, {result['equal']:,} of {result['compared']:,} equal"
    )
    return f"FAILED: {result['failed']} ({text})" if "failed" in result else text


def median(program: dict[str, Any], name: str) -> float:
    """Of the repeats that did not fail."""
    return statistics.median(good[name] for good in program["repeats"] if "failed" not in good)


def table(results: dict[str, Any]) -> str:
    """Markdown: a row a program, fastest first, medians of the repeats and their spread."""
    head = ["", "snapshots/s", "start-up, s", "peak memory, MiB", "CPU ms a snapshot", "delivery", "lines of code"]
    lines = [head, ["---", *["---:"] * 4, "---", "---:"]]
    good, bad = [], []
    for program in results["programs"]:
        (bad if any("failed" in one for one in program["repeats"]) else good).append(program)
    for program in sorted(good, key=lambda program: -median(program, "steady_per_s")):
        rates = [one["steady_per_s"] for one in program["repeats"]]
        spread = f" ({min(rates):,.0f} – {max(rates):,.0f})" if len(rates) > 1 else ""
        lines.append([
            program["title"],
            f"**{statistics.median(rates):,.0f}**{spread}",
            f"{median(program, 'start_up_s'):.1f}",
            f"{median(program, 'peak_mib'):,.0f}",
            f"{median(program, 'cpu_ms_a_snapshot'):.3f}",
            program["promise"],
            str(program["lines"]),
        ])  # fmt: skip
    for program in bad:
        faults = [one["failed"] for one in program["repeats"] if "failed" in one]
        what = f"failed in {len(faults)} of {len(program['repeats'])} runs: {faults[0]}"
        lines.append([program["title"], what.replace("|", "/"), "", "", "", program["promise"], str(program["lines"])])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
