"""Why a run gave no rows, where its topics say so."""

from __future__ import annotations

from collections import Counter

from labkit.dead_letters.letters import letters
from labkit.kafka.consumer import read_topic
from labkit.kafka.flow import Flow
from labkit.watch.latest import parse

__all__ = ["why_no_rows"]


def why_no_rows(flow: Flow, since_ms: int) -> str:
    """A sentence about what became of the snapshots since then (ms since the epoch); "" where nobody knows."""
    reasons = Counter(letter.reason for letter in letters(flow) if letter.time_ms >= since_ms)
    if reasons:
        ((reason, count),) = reasons.most_common(1)
        return f"{count} dead letters: {reason}. To see them: labkit dead-letters"
    parts = flow.stream.shape.parts
    found = (parse(record.value(), flow.stream) for record in read_topic(flow.kafka_bootstrap, flow.metrics_topic))
    new = [one for one in found if one is not None and one.timestamp >= since_ms]
    if parts and new and not any(getattr(one, parts) for one in new):
        passed_s = sum(one.time_delta_ms for one in new) / 1000
        return f"In {passed_s:.0f} s nothing was counted: does {flow.stream.reads} of this system count at all?"
    return ""
