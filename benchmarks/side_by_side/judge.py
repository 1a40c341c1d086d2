"""Did a program write what this project writes? Every record is counted, those of one host in ten are compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import orjson

from benchmarks.side_by_side.feed import Feed
from labkit.kafka.consumer import read_topic
from labkit.settings import Settings


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many records were expected and found, and of those compared how many are as they must be.

    `disordered` is how many records come after a later one of their host, `newest` how many there are of the last
    second, which no snapshot follows; both are said, and are no fault.
    """

    expected: int
    found: int
    compared: int
    equal: int
    twice: int
    disordered: int
    newest: int
    first_fault: str = ""

    @property
    def good(self) -> bool:
        """Whether the program wrote just what it had to."""
        return self.expected == self.found and self.compared == self.equal and not self.first_fault


def judge(settings: Settings, feed: Feed, expected: dict[tuple[str, int], dict[str, object]]) -> Verdict:
    """Read the committed records of the metrics topic, to its end."""
    found: Counter[str] = Counter()
    seen: Counter[tuple[str, int]] = Counter()
    latest: Counter[str] = Counter()
    equal, disordered, at_the_end, fault = 0, 0, 0, ""
    for record in read_topic(settings.kafka_bootstrap, settings.metrics_topic):
        host = record.key().decode()
        metrics = orjson.loads(record.value())
        key = metrics["hostname"], metrics["timestamp"]
        if key[1] >= feed.end_ms:
            at_the_end += 1
            continue
        found[key[0]] += 1
        disordered += key[1] < latest[key[0]]
        latest[key[0]] = max(latest[key[0]], key[1])
        if key[0] != host:
            fault = fault or f"{key} came with the key {host}"
        if key[0] not in feed.compared:
            continue
        seen[key] += 1
        if metrics == expected.get(key) and seen[key] == 1:
            equal += 1
        else:
            fault = fault or f"{key} {'is there twice' if seen[key] > 1 else 'has other values'}"
    wrong = next((host for host in feed.hosts if found[host] != feed.records_of_a_host), None)
    if wrong:
        fault = fault or f"{wrong} has {found[wrong]} records, not {feed.records_of_a_host}"
    twice = sum(count - 1 for count in seen.values())
    return Verdict(feed.records, found.total(), len(expected), equal, twice, disordered, at_the_end, fault)
