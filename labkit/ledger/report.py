"""What the ledger says: a `TableReport` for each side of the account, and the `Ledger` of all three.

    snapshots 3600 │ first of host 1 │ rejected 2 │ dead letters 1 │ metrics expected 3596 found 3596 …

Made by `labkit.ledger.ledger`, from what `labkit.ledger.store` counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from labkit.streams.rules import Verdict

__all__ = ["Ledger", "TableReport"]


@dataclass(frozen=True, slots=True)
class TableReport:
    """One side of the ledger: how many were expected and found, and what is wrong between the two.

    `faults` names the first of them, a sentence each: "rows: ('web-1', 1764000001000, 'cpu0') is missing".
    """

    what: str
    expected: int = 0
    found: int = 0
    missing: int = 0
    duplicates: int = 0
    unexpected: int = 0
    mismatched: int = 0
    uncommitted: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def balances(self) -> bool:
        """Whether nothing is missing, doubled, unexpected or altered."""
        return not (self.missing or self.duplicates or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        parts = (
            f"{self.what} expected {self.expected} found {self.found} missing {self.missing} twice {self.duplicates}"
        )
        more = {"unexpected": self.unexpected, "altered": self.mismatched, "in flight": self.uncommitted}
        return parts + "".join(f" {name} {count}" for name, count in more.items() if count)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The whole account. `str(ledger)` is the line that people read."""

    snapshots: int
    verdicts: Counter[Verdict]
    dead_letters: TableReport
    metrics: TableReport
    rows: TableReport
    #: What may be behind it, a sentence each.
    causes: tuple[str, ...] = ()

    @property
    def balances(self) -> bool:
        """Whether every side balances; what is in flight is not held against it."""
        return self.dead_letters.balances and self.metrics.balances and self.rows.balances

    @property
    def uncommitted(self) -> int:
        """Records and rows that no checkpoint has committed yet."""
        return self.dead_letters.uncommitted + self.metrics.uncommitted + self.rows.uncommitted

    @property
    def faults(self) -> list[str]:
        """The first faults of each side, a sentence each."""
        return [*self.dead_letters.faults, *self.metrics.faults, *self.rows.faults]

    def __str__(self) -> str:
        dead = self.dead_letters
        reboots = self.verdicts[Verdict.REBOOT]
        return " │ ".join(
            [
                f"snapshots {self.snapshots}",
                f"first of host {self.verdicts[Verdict.FIRST]}",
                *([f"reboots {reboots}"] if reboots else []),
                f"rejected {self.verdicts[Verdict.REJECTED]}",
                f"dead letters {dead.found}" if dead.balances and not dead.uncommitted else str(dead),
                str(self.metrics),
                str(self.rows),
            ]
        )
