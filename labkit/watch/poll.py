"""`labkit watch`: what comes now, host by host, from the end of the metrics topic.

    watch(console, flow, stop)     a terminal: one picture, drawn anew in place; else a line for each interval
    show(flow, seconds=20)         a notebook: the same picture, in one output of the cell

It belongs to no consumer group and commits nothing, so it takes nothing away from anybody.

Uncommitted, an interval shows as soon as the enrichment job has written it, half a second after its snapshot: a
record batch (up to 0.1 s), the buffer between two tasks (up to 0.1 s) and the
drawing (up to 0.2 s). Committed (KIP-98), it shows when a checkpoint has completed and its transaction is
committed: 0 to 10 s of waiting for the next checkpoint, and some tenths of a second for the two.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from rich.console import Console
from rich.live import Live

from labkit.errors import BadInput, LabkitError
from labkit.kafka.flow import Flow
from labkit.kafka.quiet import quiet
from labkit.kafka.topics import DISCOVERY_S, kafka_unavailable, topic_partitions
from labkit.streams.names import stream_option
from labkit.system.waiting import patience
from labkit.watch.latest import LatestByHost, parse
from labkit.watch.view import Frame, plain_line

__all__ = ["PollResult", "follow", "frames", "how_it_reads", "show", "watch"]

_TICK_S = 0.1
_DRAW_S = 0.2
_DRAW_IN_NOTEBOOK_S = 0.5
_MOST_AT_ONCE = 1000
_LOOK_AGAIN_S = 1.0
_SILENT_S = 5.0
_NOTEBOOK_WIDTH = 100
_NOTEBOOK_LINES = 40
_TOPIC_IS_GONE = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PollResult:
    """What came since the last look; `trouble` is a sentence while Kafka or the topic is away, else ""."""

    metrics: tuple[Any, ...]
    trouble: str


def follow(
    flow: Flow,
    stop: threading.Event,
    *,
    committed: bool = False,
    host: str | None = None,
    seconds: float | None = None,
) -> Iterator[PollResult]:
    """What is written to the metrics topic from now on (by one host), ten times a second and as soon as it comes.

    Ends when `stop` is set or after `seconds`. A broker that goes away is waited for, and so is a topic that is
    deleted and made anew. Raises `LabkitError` where Kafka is not there at the start, `BadInput` without the topic.
    """
    end_s = time.monotonic() + (float("inf") if seconds is None else seconds)
    with _Tail(flow, committed) as tail:
        while not stop.is_set() and time.monotonic() < end_s:
            found = [metrics for value in tail.read() if (metrics := parse(value, flow.stream)) is not None]
            yield PollResult(tuple(one for one in found if host in (None, one.hostname)), tail.trouble)


def frames(
    flow: Flow,
    stop: threading.Event,
    *,
    committed: bool = False,
    host: str | None = None,
    seconds: float | None = None,
    every_s: float = _DRAW_S,
    lines: int | None = None,
    checkpoint_interval_s: float = 10.0,
    why_silent: Callable[[], str] = lambda: "",
) -> Iterator[Frame]:
    """`follow` as pictures, at most one every `every_s` seconds; the first one at once.

    While nothing comes, `why_silent` is asked now and then for a sentence, "" where there is none.
    """
    board = LatestByHost()
    how = how_it_reads(flow, committed, checkpoint_interval_s)
    silence = _Silence(why_silent, checkpoint_interval_s if committed else 0)
    drawn = -every_s
    for news in follow(flow, stop, committed=committed, host=host, seconds=seconds):
        now_s = time.monotonic()
        for metrics in news.metrics:
            board.add(metrics, now_s)
        cause = silence.cause(is_broken=bool(news.metrics))
        if now_s - drawn >= every_s:
            drawn = now_s
            hosts = board.newest(now_s)
            note = (
                news.trouble
                or cause
                or ("" if hosts else _waiting(host, stream_option(flow.stream.name), long=silence.is_long))
            )
            yield Frame(hosts, time.time_ns() // 1_000_000, how, note, lines, flow.stream)


def how_it_reads(flow: Flow, committed: bool, checkpoint_interval_s: float) -> str:
    """A sentence or two: whether it reads uncommitted, and what that means."""
    if committed:
        return (
            f"{flow.metrics_topic}, read committed: an interval shows once a checkpoint has committed it. "
            f"Its delay is the wait for the next checkpoint (one every {checkpoint_interval_s:g} s), "
            "the checkpoint itself and its commit."
        )
    return (
        f"{flow.metrics_topic}, read uncommitted: an interval shows as soon as it is written, before a checkpoint "
        "commits it. If the job fails, what was not committed is taken back and written again, and shows twice. "
        "To wait for the commit: --committed"
    )


def watch(
    console: Console,
    flow: Flow,
    stop: threading.Event,
    *,
    committed: bool = False,
    host: str | None = None,
    seconds: float | None = None,
    say: Callable[[str], None] = lambda _: None,
    checkpoint_interval_s: float = 10.0,
    why_silent: Callable[[], str] = lambda: "",
) -> None:
    """Show on `console` what comes, until `stop` is set or `seconds` are over.

    A terminal gets pictures in place, and keeps the last one. Anything else gets a line for each interval,
    while `say` hears how it is read and what is wrong. While nothing comes, `why_silent` is asked now and then for a
    sentence, "" where there is none. Errors as `follow`.
    """
    if not console.is_terminal:
        say(how_it_reads(flow, committed, checkpoint_interval_s))
        trouble = ""
        silence = _Silence(why_silent, checkpoint_interval_s if committed else 0)
        for news in follow(flow, stop, committed=committed, host=host, seconds=seconds):
            for metrics in news.metrics:
                console.print(
                    plain_line(metrics, time.time_ns() // 1_000_000, flow.stream), markup=False, soft_wrap=True
                )
            found = news.trouble or silence.cause(is_broken=bool(news.metrics))
            if found and found != trouble:
                say(found)
            trouble = found
        return
    pictures = frames(
        flow, stop, committed=committed, host=host, seconds=seconds, checkpoint_interval_s=checkpoint_interval_s,
        why_silent=why_silent,
    )  # fmt: skip
    last = next(pictures, None)  # errors are said before the screen is taken
    if last is None:
        return
    with Live(last, console=console, screen=True, auto_refresh=False) as live:
        live.refresh()
        for last in pictures:
            live.update(last, refresh=True)
    console.print(last)


def show(
    flow: Flow,
    seconds: float = 20.0,
    *,
    committed: bool = False,
    host: str | None = None,
) -> None:
    """In a notebook: what comes, for `seconds`, in one output that is drawn anew in place. Interrupt ends it sooner.

    Errors as `follow`. Outside a notebook nothing is shown.
    """
    from IPython.display import display

    pictures = frames(
        flow, threading.Event(),
        committed=committed, host=host, seconds=seconds, every_s=_DRAW_IN_NOTEBOOK_S, lines=_NOTEBOOK_LINES,
    )  # fmt: skip
    output = None
    try:
        for frame in pictures:
            if output is None:
                output = display(_as_output(frame), raw=True, display_id=True)  # type: ignore[no-untyped-call]
            else:
                output.update(_as_output(frame), raw=True)
    except KeyboardInterrupt:
        pass


def _as_output(frame: Frame) -> dict[str, str]:
    """A picture as a notebook keeps it: HTML, and text for what shows no HTML."""
    console = Console(
        record=True, file=io.StringIO(), width=_NOTEBOOK_WIDTH, height=_NOTEBOOK_LINES,
        force_terminal=True, force_jupyter=False, color_system="truecolor", no_color=False,
    )  # fmt: skip
    console.print(frame)
    page = '<pre style="line-height: 1.25; font-family: monospace">{code}</pre>'
    html = console.export_html(inline_styles=True, code_format=page, clear=False)
    return {"text/html": html, "text/plain": console.export_text()}


def _waiting(host: str | None, option: str, *, long: bool) -> str:
    hint = (
        f" Nothing comes: is the enrichment job there (labkit submit enrichment{option}), "
        f"and a producer (labkit produce{option})?"
    )
    return f"Waiting for the next interval of {host or 'any host'}." + (hint if long else "")


class _Silence:
    """How long nothing has come, and why: `why` is asked when that is long, and again every `_SILENT_S`.

    What comes at all comes `delay_s` late at most.
    """

    def __init__(self, why: Callable[[], str], delay_s: float) -> None:
        self._why = why
        self._patience_s = _SILENT_S + delay_s
        self._since = time.monotonic()
        self._asked = float("-inf")
        self._cause = ""

    @property
    def is_long(self) -> bool:
        return time.monotonic() - self._since > self._patience_s

    def cause(self, *, is_broken: bool) -> str:
        """The cause, "" where none is known; `is_broken`: something came just now."""
        if is_broken:
            self._since, self._cause = time.monotonic(), ""
        elif self.is_long and time.monotonic() - self._asked > _SILENT_S:
            self._cause, self._asked = self._why(), time.monotonic()
        return self._cause


class _Tail:
    """A consumer at the end of the metrics topic, in no group, that outlives a broker's restart."""

    def __init__(self, flow: Flow, committed: bool) -> None:
        self._flow = flow
        self._topic = flow.metrics_topic
        self._looked_s = 0.0
        self._topic_gone = False
        self.trouble = ""
        partitions = self._partitions()
        if not partitions:
            raise BadInput(
                f"Topic {self._topic} is not there.", f"To make it: labkit topics{stream_option(flow.stream.name)}"
            )
        self._consumer = Consumer(
            {
                "bootstrap.servers": flow.kafka_bootstrap,
                "group.id": "labkit-watch",  # the client asks for one; nobody joins it
                "enable.auto.commit": False,
                "isolation.level": "read_committed" if committed else "read_uncommitted",
                "auto.offset.reset": "latest",
                "reconnect.backoff.max.ms": 1000,
                "error_cb": self._on_error,
            },
            logger=quiet(),
        )
        self._known = 0
        self._counted_s = time.monotonic()
        self._begin_at_the_end(partitions)

    def __enter__(self) -> _Tail:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read(self) -> Iterator[bytes | None]:
        """The values that are there; waits a tenth of a second for the first."""
        wait_s = _TICK_S
        for _ in range(_MOST_AT_ONCE):
            record = self._consumer.poll(wait_s)
            if record is None:
                break
            wait_s = 0.0
            if record.error() is not None:
                self._on_bad(record)
            else:
                self.trouble = ""
                yield record.value()
        if self.trouble and time.monotonic() - self._looked_s > _LOOK_AGAIN_S:
            self._look_again()
        elif not self.trouble and time.monotonic() - self._counted_s > DISCOVERY_S:
            self._take_new_partitions()

    def _take_new_partitions(self) -> None:
        """Partitions that the topic has been given since are read from their start."""
        self._counted_s = time.monotonic()
        with suppress(LabkitError):  # a broker that is away says so by itself
            partitions = self._partitions()
            if new := [TopicPartition(self._topic, number, 0) for number in range(self._known, partitions)]:
                self._consumer.incremental_assign(new)
                self._known = partitions

    def _begin_at_the_end(self, partitions: int) -> None:
        """Read what comes from this very moment on; committed, also what is being written and not committed yet."""
        parts = [TopicPartition(self._topic, number) for number in range(partitions)]
        try:
            for part in parts:
                part.offset = self._consumer.get_watermark_offsets(part, timeout=patience(5))[1]
        except KafkaException:
            raise kafka_unavailable(self._flow.kafka_bootstrap) from None
        self._consumer.assign(parts)
        self._known = partitions

    def _partitions(self) -> int:
        return topic_partitions(self._flow.kafka_bootstrap, 5).get(self._topic, 0)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.trouble = f"{kafka_unavailable(self._flow.kafka_bootstrap).what} Waiting for it."

    def _on_bad(self, record: Message) -> None:
        error = record.error()
        if error.fatal():
            raise LabkitError(f"Kafka could not be read: {error.str()}.")
        self._topic_gone = self._topic_gone or error.code() in _TOPIC_IS_GONE
        self.trouble = f"Kafka says: {error.str()}. Waiting for it to pass."

    def _look_again(self) -> None:
        """Whether the trouble is over; a topic that was made anew is read from its new end."""
        self._looked_s = time.monotonic()
        try:
            partitions = self._partitions()
            if not partitions:
                self._topic_gone = True
                self.trouble = f"Topic {self._topic} is not there. Waiting for it."
                return
            if self._topic_gone:
                self._begin_at_the_end(partitions)
        except LabkitError:
            return
        self._topic_gone = False
        self.trouble = ""
