"""Repaired dead letters back to the topic of snapshots, each once, and what will become of them there.

    Repair of procstat_dead_letters/0/17  ->  procstat_snapshots, the original key, the snapshot's own time,
    its own headers, and repaired-from: procstat_dead_letters/0/17, came-from: procstat_snapshots/2/1234

The topic itself remembers what was sent again: whether a letter was is found by reading the headers
of all its records, so there is no second list that could disagree. A letter is
known by where its record came from, since `labkit submit enrichment --fresh` numbers letters anew.

A repair comes late. An older snapshot than the last good one of its host gives no metrics
(the stream's `compare`), and every outcome says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from labkit.dead_letters.file import read_edited
from labkit.dead_letters.letters import DeadLetter, Repair, diagnoser, letter, letters
from labkit.errors import BadInput, LabkitError
from labkit.kafka.avro import ASK_AGAIN_S, HEADER_BYTES, DeserializationError, SnapshotCodec, read_schema
from labkit.kafka.consumer import read_topic
from labkit.kafka.flow import Flow
from labkit.kafka.producer import hand_over, producer_config, register_snapshot_schema
from labkit.kafka.quiet import quiet
from labkit.kafka.registry import Registry
from labkit.settings import Settings
from labkit.streams.rules import Verdict
from labkit.streams.stream import Stream
from labkit.system.locks import exclusive
from labkit.system.waiting import patience

__all__ = [
    "CAME_FROM", "REPAIRED_FROM", "Outcome", "identity", "resend", "send_files", "send_repairs", "sent_again",
]  # fmt: skip

REPAIRED_FROM = "repaired-from"
CAME_FROM = "came-from"
_FLUSH_S = 25.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one repair: where it was sent to ("procstat_snapshots/2/1300", "" where it was not).

    `words` say what it will give there, or why it was not sent; `before` that an earlier command sent it.
    """

    repair: Repair
    sent_to: str
    words: str
    before: bool = False


def identity(letter: DeadLetter | Repair) -> str:
    """What a letter is known by for good: the position its record came from."""
    return letter.came_from or letter.name


def sent_again(flow: Flow) -> dict[str, str]:
    """{identity of a letter: the position in the topic of snapshots to which its repair was sent}."""
    history = _History(flow.stream)
    for record in read_topic(flow.kafka_bootstrap, flow.snapshots_topic):
        history.hear_of(record)
    return history.sent_again


def send_repairs(settings: Settings, number: int | None = None) -> list[Outcome]:
    """Send the obvious repair of letter `number`, or of every letter that has one and was not sent before.

    Raises `BadInput` where letter `number` is not there, has none, or must not be sent.
    """
    looks = diagnoser(settings.flow)
    if number is None:
        found = (looks.repair(one) for one in letters(settings.flow))
        return resend(settings, [repair for repair in found if repair is not None], all_or_none=False)
    repair = looks.repair(letter(settings.flow, number))
    if repair is None:
        raise BadInput(
            f"Dead letter {number} has no obvious repair.",
            f"To edit what could be read: labkit dead-letters {number} --export letter-{number}.json",
        )
    return resend(settings, [repair], all_or_none=True)


def send_files(settings: Settings, files: Sequence[Path]) -> list[Outcome]:
    """Send the snapshots of exported and edited letters. Raises `BadInput` where one is wrong; then none is sent."""
    flow = settings.flow
    schema = read_schema(flow.schema_dir, flow.stream)
    find, schema_id = partial(letter, flow), partial(register_snapshot_schema, flow)
    edited = [read_edited(file, find, flow.stream, schema, schema_id) for file in files]
    return resend(settings, edited, all_or_none=True)


def resend(
    settings: Settings, repairs: Iterable[Repair], *, all_or_none: bool, now_s: Callable[[], float] = time.time
) -> list[Outcome]:
    """Send each repair to the topic of snapshots, unless it was sent before or would do harm.

    With `all_or_none`, raises `BadInput` where one of them is not to be sent, and sends nothing. Raises
    `LabkitError` where Kafka did not take one.
    """
    planned = sorted(repairs, key=lambda repair: (repair.snapshot.timestamp, repair.number))
    if not planned:
        return []
    with exclusive(settings.state_dir, "dead-letters.lock", wait=False):  # two at a time would both find nothing sent
        history = _read_history(settings, {repair.snapshot.hostname for repair in planned})
        outcomes = [history.outlook(repair, int(now_s() * 1000)) for repair in planned]
        for outcome in outcomes if all_or_none else []:
            if not outcome.sent_to:
                raise BadInput(f"Dead letter {outcome.repair.number} was not sent: {outcome.words}.")
        where = _send(settings, [outcome.repair for outcome in outcomes if outcome.sent_to])
    done = [replace(one, sent_to=where.get(one.repair.number, "")) for one in outcomes]
    return sorted(done, key=lambda outcome: outcome.repair.number)


@dataclass(slots=True)
class _History:
    """What the topics say about letters and hosts so far."""

    stream: Stream
    sent_again: dict[str, str] = field(default_factory=dict)
    last_good: dict[str, Any] = field(default_factory=dict)
    #: {schema id: ms since the epoch from which on no job remembers any more that it was unknown}
    known_from_ms: dict[int, int] = field(default_factory=dict)
    planned: set[str] = field(default_factory=set)

    def hear_of(self, record: Message) -> None:
        for name, text in record.headers() or []:
            if name == CAME_FROM and text is not None:
                self.sent_again[text.decode(errors="replace")] = _position(record)

    def outlook(self, repair: Repair, now_ms: int) -> Outcome:
        """What will become of the repair. The words say it; `sent_to` is "" where it must not be sent."""
        sent_to = self.sent_again.get(identity(repair))
        if sent_to is not None:
            return Outcome(repair, "", f"its repair was sent before, to {sent_to}", before=True)
        refusal = self._refusal(repair, now_ms)
        if refusal:
            return Outcome(repair, "", refusal)
        snapshot, host = repair.snapshot, repair.snapshot.hostname
        before = self.last_good.get(host)
        verdict, next_state, _ = self.stream.compare(before, snapshot)
        if before is not None and verdict is Verdict.REBOOT and snapshot.timestamp <= before.timestamp:
            return Outcome(repair, "", f"{host} was booted since then, and would begin anew with this old snapshot")
        self.last_good[host] = next_state
        self.planned.add(identity(repair))
        words = {
            Verdict.FIRST: f"{host} begins with it: the next snapshot gives metrics",
            Verdict.REBOOT: f"{host} was booted between the last snapshot and this one: the next one gives metrics",
            Verdict.REJECTED: f"newer snapshots of {host} are there already: it will be counted as rejected",
            Verdict.GOOD: f"it is newer than every other snapshot of {host}: it gives metrics",
        }
        return Outcome(repair, "to be sent", words[verdict])

    def _refusal(self, repair: Repair, now_ms: int) -> str:
        host = repair.snapshot.hostname
        if identity(repair) in self.planned:
            return "this command has another repair of it"
        if repair.key is not None and repair.key != host.encode():
            return f"its key is {repair.key.decode(errors='backslashreplace')}, the snapshot is of {host}"
        wait_ms = self.known_from_ms.get(int.from_bytes(repair.value[1:HEADER_BYTES], "big"), 0) - now_ms
        if wait_ms > 0:
            return f"a running job may take its schema for unknown for another {wait_ms / 1000:.0f} s; try again then"
        return ""


def _read_history(settings: Settings, hosts: set[str]) -> _History:
    flow = settings.flow
    history = _History(flow.stream)
    never_read = set()
    for one in letters(settings.flow):
        never_read.add(one.came_from)
        if one.schema_was_unknown and one.schema_id is not None:
            history.known_from_ms[one.schema_id] = one.time_ms + int(ASK_AGAIN_S * 1000)
    codec = SnapshotCodec(flow.stream, read_schema(flow.schema_dir, flow.stream), Registry.of(flow).schema)
    keys = {host.encode() for host in hosts}
    for record in read_topic(settings.kafka_bootstrap, settings.snapshots_topic):
        history.hear_of(record)
        if record.key() not in keys or _position(record) in never_read:
            continue
        try:
            snapshot = codec.decode(record.value())
        except DeserializationError:
            continue
        state = history.last_good.get(snapshot.hostname)
        _, history.last_good[snapshot.hostname], _ = flow.stream.compare(state, snapshot)
    return history


def _send(settings: Settings, repairs: list[Repair]) -> dict[int, str]:
    """{number of the letter: the position that its repair has now}."""
    within_s = patience(_FLUSH_S)
    config = producer_config(settings.kafka_bootstrap, {"message.timeout.ms": int(within_s * 1000)})
    producer = Producer(config, logger=quiet())
    where: dict[int, str] = {}
    for repair in repairs:

        def on_delivery(error: KafkaError | None, record: Message, number: int = repair.number) -> None:
            if error is None:
                where[number] = _position(record)

        ours = {REPAIRED_FROM: repair.name.encode(), CAME_FROM: identity(repair).encode()}
        own = [header for header in repair.headers if header[0] not in ours]
        hand_over(
            producer,
            settings.snapshots_topic,
            key=repair.key or repair.snapshot.hostname.encode(),
            value=repair.value,
            timestamp=repair.snapshot.timestamp,
            headers=[*own, *ours.items()],
            on_delivery=on_delivery,
        )
    producer.flush(within_s + 1)
    left = [repair.number for repair in repairs if repair.number not in where]
    if left:
        raise LabkitError(
            f"Kafka did not take the repair of dead letter {left[0]}; {len(where)} of {len(repairs)} were sent.",
            "Type it again: what was sent is not sent twice.",
        )
    return where


def _position(record: Message) -> str:
    return f"{record.topic()}/{record.partition()}/{record.offset()}"
