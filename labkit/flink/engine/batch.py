"""What the enrichment does with a batch, without Flink: the function that the job calls, and `labkit try`.

enrich(rules_of(stream, schema), None, batch, wall_s, keep_for_s)  ->  ((state, heard_s), results)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labkit.flink.engine.scalar import ScalarRules
from labkit.kafka.avro import Schema
from labkit.streams.stream import Columnar, Stream

__all__ = ["Known", "enrich", "rules_of"]

#: The last good snapshot of each host, and when (wall clock, s) it was last heard of: float64[hosts].
Known = tuple[Any, npt.NDArray[np.float64]]


def rules_of(stream: Stream, schema: Schema) -> Columnar:
    """The stream's rules on columns, or its `check` and `compare` for each record."""
    return stream.columnar() if stream.columnar else ScalarRules(stream, schema)


def enrich(rules: Columnar, known: Known | None, now: Any, wall_s: float, keep_for_s: float) -> tuple[Known, Any]:
    """What is known of hosts, and a batch of snapshots -> what is known after it, the results.

    A host that was not heard of for `keep_for_s` is dropped.
    """
    state, heard_s = known or (rules.empty(), np.empty(0))
    kept = heard_s > wall_s - keep_for_s
    if not kept.all():
        state, heard_s = state.take(np.flatnonzero(kept)), heard_s[kept]
    state, results = rules.compare_all(state, now)
    # Hosts stay in their order; new ones are at the end.
    heard_s = np.concatenate((heard_s, np.full(len(state.hostnames) - len(heard_s), wall_s)))
    place = {name: index for index, name in enumerate(state.hostnames)}
    heard_s[[place[name] for name in set(now.hostnames)]] = wall_s
    return (state, heard_s), results
