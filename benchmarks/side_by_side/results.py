"""What the table and the picture both read out of the results of a program."""

from __future__ import annotations

import statistics
from typing import Any


def median(program: dict[str, Any], name: str) -> float:
    """Of the repeats that did not fail."""
    return statistics.median(good[name] for good in program["repeats"] if "failed" not in good)


def failed(program: dict[str, Any]) -> bool:
    """Whether any repeat failed: then it is a failed row, whatever the others were."""
    return any("failed" in one for one in program["repeats"])
