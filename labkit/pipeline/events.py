"""What a run tells, as values: whoever loops over `run` draws them, prints them or counts them.

    StepBegan(Step.TOPICS_AND_SCHEMA)
    StepDone(Step.TOPICS_AND_SCHEMA, "3 topics created, schema id 1", seconds=1.2)
    SnapshotSent(sent=12, acknowledged=11, parquet_files=2, elapsed_s=11.0, left_s=49.0)

Texts are for people. What a program has to decide it decides by the types, and by `Step`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, auto

from labkit.lab.services import ServiceStatus
from labkit.ledger.report import Ledger

__all__ = [
    "Event", "LedgerDrawn", "MemorySeen", "RowsReady", "Said", "ServicesSeen", "SnapshotSent", "Step", "StepBegan",
    "StepDone",
]  # fmt: skip


class Step(IntEnum):
    """The way of a run, in its order: `step < Step.LIVE` is before anything has been sent."""

    SERVICES = auto()
    TOPICS_AND_SCHEMA = auto()
    SUBMIT_JOBS = auto()
    LIVE = auto()
    STOP_ENRICHMENT = auto()
    STOP_PARQUET = auto()
    LEDGER = auto()
    SERVICES_DOWN = auto()

    @property
    def next(self) -> Step:
        """The step after this one; the last one's is the last."""
        return Step(min(self + 1, Step.SERVICES_DOWN))

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class StepBegan:
    """A step begins. A run that is broken off goes from where it is to `Step.SERVICES_DOWN`, or ends."""

    step: Step


@dataclass(frozen=True, slots=True)
class StepDone:
    """The step is over; `what` says what came of it, and may be empty."""

    step: Step
    what: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ServicesSeen:
    """How the services are, while they start."""

    rows: tuple[ServiceStatus, ...]


@dataclass(frozen=True, slots=True)
class SnapshotSent:
    """A snapshot was handed to Kafka's client; `acknowledged` counts those that the broker has."""

    sent: int
    acknowledged: int
    parquet_files: int
    elapsed_s: float
    left_s: float


@dataclass(frozen=True, slots=True)
class MemorySeen:
    """Memory of each service in MiB while both jobs were at work: {"kafka": 310.5, …}."""

    mib: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RowsReady:
    """A stream's Parquet is complete. Intervals that end at `since_ms` (ms since 1970) or later lie within this run."""

    since_ms: int
    snapshots: int
    stream: str


@dataclass(frozen=True, slots=True)
class LedgerDrawn:
    """The ledger of everything of a stream that was ever sent, this run's snapshots included."""

    ledger: Ledger
    stream: str


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence that a person should read."""

    text: str


Event = StepBegan | StepDone | ServicesSeen | SnapshotSent | MemorySeen | RowsReady | LedgerDrawn | Said
