"""One life of a relay between two topics, in a process of its own that may be killed right after one of its calls.

python -m labkit.workshop.checks.mortal_relay FOLDER     reads FOLDER/answer.pickle and FOLDER/life.json

    {"bootstrap": "127.0.0.1:9092", "source": …, "target": …, "group": …, "id": …, "kill": ["commit_transaction", 2],
     "short": 4}

With `short` its first batch has only so many records, as where the broker keeps the next ones back; 0 changes nothing.
Writes a line of FOLDER/calls for each call that the relay has made, and FOLDER/error.json where it raised, or was told
with SIGTERM that its time is up.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from labkit.system.waiting import patience
from labkit.workshop.checks.place import of_error, of_frame

__all__ = ["AFTER_ITS_TIME", "CALLS", "ENDLESS", "main"]

#: Calls after which a relay may be killed, in the order in which they are worth trying.
CALLS = ("produce", "send_offsets_to_transaction", "commit_transaction", "commit", "flush", "begin_transaction")
#: Kinds of an end that are no error of Python: asked on and on at the end of the topic; not done in time.
ENDLESS, AFTER_ITS_TIME = "endless", "late"
_QUIET = {"log_level": 0}
_WITHIN_S = 20
_READS = ("poll", "consume")
#: At the end of the topic nothing comes any more: an answer that asks again need not wait, and so often it may ask.
_AT_THE_END_S = 0.05
_MOST_ASKED = 60


class _Watched:
    """A consumer or a producer that counts its calls, and dies right after one of them."""

    def __init__(self, inner: Any, done: Callable[[str], None], failed: Callable[[str], None], short: int = 0) -> None:
        self._inner, self._done, self._failed = inner, done, failed
        self._asked = 0
        self._short, self._in_batch = short, 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not callable(method):
            return method

        def call(*words: Any, **named: Any) -> Any:
            try:
                result = self._read(name, *words, **named) if name in _READS else method(*words, **named)
            except Exception:
                self._failed(name)
                raise
            self._done(name)
            return result

        return call

    def _read(self, name: str, *words: Any, **named: Any) -> Any:
        """What a consumer reads; once it has come to the end of the topic, without waiting for more."""
        method = getattr(self._inner, name)
        if not isinstance(self._inner, Consumer):
            return method(*words, **named)
        if self._asked:
            self._asked += 1
            if self._asked > _MOST_ASKED:
                self._failed(ENDLESS)
            count = (words[0] if words else named.get("num_messages", 1),) if name == "consume" else ()
            return method(*count, timeout=_AT_THE_END_S)
        if self._short and name == "consume":
            first, *others = words or (named.pop("num_messages", 1),)
            words, self._short = (min(first, self._short), *others), 0
        elif self._short and sys._getframe(2).f_code.co_name == "next_batch":  # others may take None for the end
            if self._in_batch == self._short:
                self._short = 0
                return None
            self._in_batch += 1
        found = method(*words, **named)
        if any(_is_the_end(record) for record in (found if isinstance(found, list) else [found])):
            self._asked = 1
        return found


def _is_the_end(record: Any) -> bool:
    return record is not None and record.error() is not None and record.error().code() == KafkaError._PARTITION_EOF


def main(folder: Path) -> None:
    """Live until the answer returns, raises, or is killed."""
    life = json.loads((folder / "life.json").read_text())
    answer = cloudpickle.loads((folder / "answer.pickle").read_bytes())
    producer = Producer(
        {"bootstrap.servers": life["bootstrap"], "transactional.id": life["id"], "linger.ms": 0, **_QUIET}
    )
    # First this: it ends what a life before left open. Until then nobody can say where the group stands (KIP-447).
    producer.init_transactions(patience(_WITHIN_S))
    consumer = _consumer(life)
    counts: Counter[str] = Counter()
    at_fault = [""]

    def end(kind: str, text: str = "", place: Any = None, call: str = "") -> None:
        told = {"kind": kind, "text": text, "at": place, "call": call}
        (folder / "error.json").write_text(json.dumps(told))

    def late(_: int, frame: FrameType | None) -> None:
        end(AFTER_ITS_TIME, place=of_frame(frame))
        os._exit(0)

    signal.signal(signal.SIGTERM, late)
    with (folder / "calls").open("a", buffering=1) as calls:

        def done(name: str) -> None:
            counts[name] += 1
            calls.write(f"{name}\n")
            if life["kill"] == [name, counts[name]]:
                if name == "produce":
                    producer.flush(patience(_WITHIN_S))  # what was produced is in the log, whatever becomes of it
                os.kill(os.getpid(), signal.SIGKILL)

        def failed(name: str) -> None:
            if name == ENDLESS:
                end(ENDLESS, place=of_frame(sys._getframe()))
                os._exit(0)
            at_fault[0] = name

        try:
            answer(_Watched(consumer, done, failed, life["short"]), _Watched(producer, done, failed), life["target"])
        except BaseException as error:
            text = error.args[0].str() if isinstance(error, KafkaException) and error.args else str(error)
            end(type(error).__name__, text, of_error(error),
                at_fault[0] if isinstance(error, KafkaException) else "")  # fmt: skip
    os._exit(0)  # without a flush: what was not sent when it returned is not sent


def _consumer(life: dict[str, Any]) -> Consumer:
    """At the group's position, without becoming a member of it: a member that was killed would stay for a while."""
    consumer = Consumer(
        {"bootstrap.servers": life["bootstrap"], "group.id": life["group"], "enable.auto.commit": False,
         "enable.partition.eof": True, "isolation.level": "read_committed", **_QUIET}
    )  # fmt: skip
    (place,) = consumer.committed([TopicPartition(life["source"], 0)], timeout=patience(_WITHIN_S))
    if place.offset < 0:
        place.offset = OFFSET_BEGINNING
    consumer.assign([place])
    return consumer


if __name__ == "__main__":
    main(Path(sys.argv[1]))
