"""One life of a relay between two topics, in a process of its own that may be killed right after one of its calls.

python -m labkit.workshop.checks.mortal_relay FOLDER     reads FOLDER/answer.pickle and FOLDER/life.json

    {"bootstrap": "127.0.0.1:9092", "source": …, "target": …, "group": …, "id": …, "kill": ["commit_transaction", 2]}

Writes a line of FOLDER/calls for each call that the relay has made, and FOLDER/error where it raised.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from labkit.system.waiting import patience

__all__ = ["CALLS", "main"]

#: Calls after which a relay may be killed, in the order in which they are worth trying.
CALLS = ("produce", "send_offsets_to_transaction", "commit_transaction", "commit", "flush", "begin_transaction")
_QUIET = {"log_level": 0}
_WITHIN_S = 20


class _Watched:
    """A consumer or a producer that counts its calls, and dies right after one of them."""

    def __init__(self, inner: Any, done: Callable[[str], None]) -> None:
        self._inner, self._done = inner, done

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not callable(method):
            return method

        def call(*words: Any, **named: Any) -> Any:
            result = method(*words, **named)
            self._done(name)
            return result

        return call


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
    with (folder / "calls").open("a", buffering=1) as calls:

        def done(name: str) -> None:
            counts[name] += 1
            calls.write(f"{name}\n")
            if life["kill"] == [name, counts[name]]:
                if name == "produce":
                    producer.flush(patience(_WITHIN_S))  # what was produced is in the log, whatever becomes of it
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            answer(_Watched(consumer, done), _Watched(producer, done), life["target"])
        except BaseException as error:
            (folder / "error").write_text(f"{type(error).__name__}\n{error}")
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
