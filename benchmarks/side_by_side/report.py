"""The results as text: a sentence for each run, tables, and the page that they stand on.

python -m benchmarks.side_by_side.report      output/bench/side_by_side.json -> docs/benchmarks.md and its picture
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import orjson

from benchmarks.side_by_side.picture import draw
from benchmarks.side_by_side.results import failed, median
from labkit.settings import REPOSITORY, load_settings

PAGE = REPOSITORY / "docs" / "benchmarks.md"
_LONG_ENOUGH = 300_000
_QUIET_PCT = 20
BEGIN, END = "<!-- side by side: begin -->", "<!-- side by side: end -->"


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


def table(results: dict[str, Any]) -> str:
    """Markdown: a row a program, fastest first, medians of the repeats and their spread."""
    head = ["", "snapshots/s", "start-up, s", "peak memory, MiB", "CPU ms a snapshot", "delivery", "lines of code"]
    lines = [head, ["---", *["---:"] * 4, "---", "---:"]]
    good, bad = [], []
    for program in results["programs"]:
        (bad if failed(program) else good).append(program)
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
    return _rows(lines)


def rules_table(results: dict[str, Any]) -> str:
    """Markdown: a row a rule, a column a program."""
    programs = [program for program in results["programs"] if program.get("rules")]
    lines = [["rule", *(program["title"] for program in programs)], ["---", *[":---:"] * len(programs)]]
    for rule in dict.fromkeys(rule for program in programs for rule in program["rules"]):
        lines.append([rule, *("✓" if program["rules"].get(rule) else "✗" for program in programs)])
    return _rows(lines)


def conditions(results: dict[str, Any]) -> str:
    """What was measured, on what."""
    machine, repeats = results["machine"], len(results["programs"][0]["repeats"])
    busiest = max(one["others_busy_pct"] for program in results["programs"] for one in program["repeats"])
    doubts = ""
    if results["snapshots"] < _LONG_ENOUGH:
        doubts += f" Fewer than {_LONG_ENOUGH:,} are read before programs have warmed up: do not compare."
    noisy = [
        f"{program['title']}, run {number} ({one['others_busy_pct']:.0f} %)"
        for program in results["programs"]
        for number, one in enumerate(program["repeats"], 1)
        if one["others_busy_pct"] > _QUIET_PCT
    ]
    if noisy:
        doubts += f" It was not quiet before {'; '.join(noisy)}: do not rely on these."
    in_rounds = f"{repeats} repeat, in rounds" if repeats == 1 else f"{repeats} repeats, in rounds"
    return (
        f"Measured on {results['when']}: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, Python {machine['python']}. {results['snapshots']:,} snapshots of "
        f"{results['hosts']} hosts, {in_rounds}. Before each run the machine was watched for two "
        f"seconds; it was busy for at most {busiest:.0f} % of them.{doubts}"
    )


def with_results(page: str, results: dict[str, Any], picture: str) -> str:
    """The page with what is between its markers made anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    parts = [BEGIN, conditions(results), f"![Snapshots a second of each program]({picture})", table(results)]
    if any(program.get("rules") for program in results["programs"]):
        parts += ["### What each gives up", rules_table(results)]
    return before + "\n\n".join([*parts, END]) + after


def _rows(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Write the page and its picture from the results of `make bench`."""
    folder: Path = load_settings().output_dir / "bench"
    results = orjson.loads((folder / "side_by_side.json").read_bytes())
    draw(results).savefig(PAGE.parent / "side_by_side.png", dpi=110)
    PAGE.write_text(with_results(PAGE.read_text(), results, "side_by_side.png"))
    print(f"{PAGE.relative_to(REPOSITORY)} and its picture are made anew.")


if __name__ == "__main__":
    main()
