"""What the exercises of lesson 12 have to do: count what is missing and twice, and relay exactly once under kills."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none
from confluent_kafka import Producer

from labkit.jobs.reset import delete_groups, delete_topics
from labkit.kafka.consumer import read_topic
from labkit.kafka.offsets import committed_offsets
from labkit.kafka.topics import Topic, create_topics
from labkit.lab import services
from labkit.settings import Settings, load_settings
from labkit.system.scratch import scratch_folder
from labkit.system.waiting import patience
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.mortal_relay import AFTER_ITS_TIME, CALLS, ENDLESS
from labkit.workshop.checks.outcome import Judge, NotSolved, NotYet
from labkit.workshop.checks.place import in_words
from labkit.workshop.checks.rules import Meets

__all__ = ["JUDGES", "MEETS", "judge_12a", "judge_12b"]

MEETS: Meets = {
    "12a": {
        "task": "each number alone and all three together; any order; the sum holds in each case",
        "boundaries": "none, one and all missing; once, twice, three and four times; empty lists on either side",
        "arguments": "the same expected keys with other found ones, and the other way round",
        "ends": "nothing more: it is given lists, and has nothing to open",
        "twice": "a case with all three numbers is asked twice",
        "point": "keys that share their host, or their time, are different keys",
    },
    "12b": {
        "task": "keys, values, a commit for each batch, the group's position: undisturbed, and after kills",
        "boundaries": "27 records, which are two batches and a part of one; a short batch with more behind it; none at "
        "all; 120 with kills; an empty key, and no key",
        "arguments": "two pairs of topics, two groups and two transactional ids",
        "ends": "with nothing to read it returns; no transaction with something in it is left open",
        "twice": "called once more at the end of the topic: nothing is written again",
        "point": "killed right after each kind of call, what a read_committed reader finds is there once",
    },
}

Key = tuple[str, int]


# ------------------------------------------------------------------------------------------------------------ 12a


def _keys(host: str, *seconds: int) -> list[Key]:
    return [(host, 1_795_368_345_000 + 1000 * second) for second in seconds]


_TEN = _keys("web-1", *range(10))
_TWO_HOSTS = _keys("web-1", 0, 1) + _keys("db-1", 0, 1)
_GHOST, _LATER = _keys("ghost", 0), _keys("web-1", 99)
#: (what the case is, expected, found)
_ACCOUNTS: tuple[tuple[str, list[Key], list[Key]], ...] = (
    ("everything once", _TEN, _TEN),
    ("everything once, in another order", _TEN, _TEN[::-1]),
    ("one that never came", _TEN, _TEN[:4] + _TEN[5:]),
    ("one that came twice", _TEN, _TEN + _TEN[3:4]),
    ("one that came three times", _TEN, _TEN + 2 * _TEN[3:4]),
    ("one that came twice, another four times", _TEN, 3 * _TEN[3:4] + _TEN + _TEN[7:8]),
    ("one that is missing and another that came twice", _TEN, _TEN[1:] + _TEN[5:6]),
    ("two hosts that share their times, and one key missing", _TWO_HOSTS, _TWO_HOSTS[:3]),
    ("two hosts that share their times, all there", _TWO_HOSTS, _TWO_HOSTS),
    ("one that nobody expected", _TEN, _TEN + _GHOST),
    ("one that nobody expected, of a host that is known", _TEN, _LATER + _TEN),
    ("one that nobody expected, twice", _TEN, _TEN + 2 * _GHOST),
    ("one that is missing, one that came twice, and one that nobody expected, three times",
     _TEN, 2 * _GHOST + _TEN[1:] + _TEN[5:6] + _GHOST),
    ("nothing found", _TEN, []),
    ("nothing expected, and one found", [], _GHOST),
    ("nothing expected, nothing found", [], []),
)  # fmt: skip
_NAMES = ("missing", "twice", "unexpected")

Count = Callable[[list[Key], list[Key]], int]


def _right(expected: Sequence[Key], found: Sequence[Key]) -> dict[str, int]:
    times = Counter(found)
    return {
        "missing": len(set(expected) - set(found)),
        "twice": len(found) - len(times),
        "unexpected": len(set(found) - set(expected)),
    }


#: {number: (a mistake, its hint)}: where an answer says of a case what this one says, that is its mistake
_MISTAKES: Mapping[str, Sequence[tuple[Count, str]]] = {
    "missing": (
        (lambda expected, found: len(expected) - len(found),
         "A difference of two lengths does not see which key it is."),
        (lambda expected, found: max(0, len(expected) - len(found)),
         "A difference of two lengths does not see which key it is."),
        (lambda expected, found: len(set(found) - set(expected)),
         "Those were found and not expected; missing are the expected ones that were not found."),
        (lambda expected, found: sum(one != other for one, other in zip(expected, found, strict=False)),
         "The order says nothing: look whether a key is there, not at which place."),
        (lambda expected, found: len({key[1] for key in expected} - {key[1] for key in found}),
         "The key is host and time, both."),
        (lambda expected, found: len({key[0] for key in expected} - {key[0] for key in found}),
         "The key is host and time, both."),
    ),
    "twice": (
        (lambda expected, found: sum(Counter(found)[key] - 1 for key in expected),
         "A key that is missing is taken off that number: it belongs to missing only."),
        (lambda expected, found: sum((Counter(found) - Counter(expected)).values()),
         "The first record of a key that nobody expected is not one too many: the key is in unexpected."),
        (lambda expected, found: sum(count > 1 for count in Counter(found).values()),
         "That many keys came more than once; wanted are the records too many: three of a key are two."),
        (lambda expected, found: sum(count for count in Counter(found).values() if count > 1),
         "The first record of a key is not one too many: three of a key are two."),
        (lambda expected, found: sum(count == 2 for count in Counter(found).values()),
         "Those are the keys that came exactly twice: more often counts as well."),
        (lambda expected, found: sum(count - 1 for key, count in Counter(found).items() if key in set(expected)),
         "A key that nobody expected may come twice as well: it is one unexpected key, and one record too many."),
        (lambda expected, found: len(found) - len(expected),
         "A key that is missing is taken off that number: it belongs to missing only."),
        (lambda expected, found: max(0, len(found) - len(expected)),
         "A difference of two lengths does not see a key that is missing, nor one that nobody expected."),
        (lambda expected, found: len(found) - len({key[1] for key in found}), "The key is host and time, both."),
        (lambda expected, found: len(found) - len({key[0] for key in found}), "The key is host and time, both."),
    ),
    "unexpected": (
        (lambda expected, found: sum(key not in set(expected) for key in found),
         "Those are the records; the key counts once, and what more came of it is in twice."),
        (lambda expected, found: len(found) - len(set(expected) & set(found)),
         "A key that was expected is not unexpected, however often it comes: that is in twice."),
        (lambda expected, found: len(set(expected) - set(found)),
         "Those were expected and not found; unexpected are the found ones that were not expected."),
        (lambda expected, found: len(set(expected) ^ set(found)),
         "That counts both what is missing and what is unexpected."),
        (lambda expected, found: len({key[1] for key in found} - {key[1] for key in expected}),
         "The key is host and time, both."),
        (lambda expected, found: len({key[0] for key in found} - {key[0] for key in expected}),
         "The key is host and time, both."),
    ),
}  # fmt: skip


def judge_12a(answer: Any, _: Settings) -> str:
    """`account(expected, found)` on lists whose account is known."""
    before: list[_Answered] = []
    for what, expected, found in _ACCOUNTS:
        for begin in (f"In the case “{what}”", f"In the case “{what}”, asked once more,")[: 1 + (len(found) > 11)]:
            got = called(answer, (list(expected), list(found)), f"the case “{what}”", names=("expected", "found"))
            _judge_account(begin, got, expected, found, before)
            before.append((list(expected), list(found), dict(got)))
    return f"{len(_ACCOUNTS)} accounts, all of them right."


_Answered = tuple[list[Key], list[Key], dict[str, Any]]


def _judge_account(
    begin: str, got: Any, expected: Sequence[Key], found: Sequence[Key], before: Sequence[_Answered]
) -> None:
    wanted = _right(expected, found)
    if got is None:
        raise NotYet(f"{begin} it returned None.", "Is there a return at the end?")
    if not isinstance(got, Mapping):
        raise NotYet(f"{begin} it returned {shown(got)}.", f"Wanted is a dict with {', '.join(_NAMES)}.")
    if set(got) != set(_NAMES):
        raise NotYet(f"{begin} its dict has the names {', '.join(map(str, got))}.",
                     f"Wanted are the three: {', '.join(_NAMES)}.")  # fmt: skip
    for name in _NAMES:
        if isinstance(got[name], (list, set, tuple, dict, str)):
            raise NotYet(f"{begin} {name} is {shown(got[name])}.", "Wanted is a number: how many there are.")
        if got[name] != wanted[name]:
            hints = _hints(name, [*before, (list(expected), list(found), dict(got))])
            raise NotYet(
                f"{begin} {len(expected)} keys were expected and {len(found)} records found; {name} is "
                f"{wanted[name]}, and it said {shown(got[name])}.",
                hints.pop() if len(hints) == 1 else "",
            )


def _hints(name: str, answered: Sequence[_Answered]) -> set[str]:
    """Of the mistakes that would have said the same in every case so far."""
    return {hint for mistake, hint in _MISTAKES[name]
            if all(mistake(expected, found) == got[name] for expected, found, got in answered)}  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ 12b

_SUFFIX = "_ex12"
_UNDISTURBED, _KILLED = 27, 120
_EMPTY_KEY, _NO_KEY = 4, 5
#: So many records more, of which the first batch gets only so many.
_MORE, _SHORT = 17, 4
_BATCH = 10
_WITHIN_S = 40
_LAST_WORDS_S = 3.0
#: In which batch a relay is killed: the second, in the middle of it where that is possible.
_NTH = {"produce": 14}
_SECOND = 2


@dataclass(frozen=True, slots=True)
class _Way:
    """From where to where, as whom."""

    source: str
    target: str
    group: str
    id: str


_FIRST = _Way(f"relay_source{_SUFFIX}", f"relay_target{_SUFFIX}", f"relay{_SUFFIX}", f"relay-id{_SUFFIX}")
_OTHER = _Way(f"relay.from-2{_SUFFIX}", f"relay.to-2{_SUFFIX}", f"relay-2{_SUFFIX}", f"relay-id-2{_SUFFIX}")


def judge_12b(answer: Any, _: Settings) -> str:
    """`relay(consumer, producer, topic)`: twice undisturbed, then killed after each kind of call."""
    if not callable(answer):
        raise NotYet(f"The check was given {shown(answer)}, not a function.", "Give it the function, without ().")
    own = load_settings(suffix=_SUFFIX)
    if not all(row.healthy for row in services.status(own)):
        services.up(own)
    with scratch_folder(own.state_dir, "12b") as folder, _topics(own):
        relay = _Relay(own, folder, answer)
        calls = _judge_undisturbed(own, relay)
        kills = [[call, min(_NTH.get(call, _SECOND), calls.count(call))] for call in CALLS if call in calls]
        values = _send(own, _OTHER, range(_KILLED))
        killed_after = ""
        for kill in [*kills, None]:
            relay.live(_OTHER, kill)
            _require_no_fault(own, _OTHER, values, killed_after, calls)  # what a kill does shows in the life after it
            killed_after = str(kill[0]) if kill else ""
        _require_whole(own, _OTHER, values, calls)
    return f"Killed {len(kills)} times; {len(values)} records went in, {len(values)} came out, each of them once."


def _judge_undisturbed(own: Settings, relay: _Relay) -> list[str]:
    """Without a crash, and once more at the end of the topic; the calls that it made."""
    values = _send(own, _FIRST, range(_UNDISTURBED))
    calls = relay.live(_FIRST)
    _require_closed(calls)
    _require_whole(own, _FIRST, values, calls)
    _require_batches(calls)
    _require_position(own, _FIRST, len(values))
    relay.live(_FIRST)
    if (more := len(_found(own, _FIRST)) - len(values)) > 0:
        raise NotYet(f"Called once more, with nothing left to read, it wrote {more} records more.", "")
    _require_position(own, _FIRST, len(values), "Called once more, with nothing left to read, it returned")
    _judge_short(own, relay, values)
    return calls


def _judge_short(own: Settings, relay: _Relay, values: list[bytes]) -> None:
    """Its first batch is a short one, and there are more records behind that."""
    more = _send(own, _FIRST, range(len(values), len(values) + _MORE))
    calls = relay.live(_FIRST, short=_SHORT)
    came = len(_found(own, _FIRST)) - len(values)
    if came == _SHORT:
        raise NotYet(
            f"{_MORE} records were to be read, and it was given the first {_SHORT} of them as a batch. "
            f"It returned when these {_SHORT} had come out.",
            "A batch may have fewer records than it could have, and not be the last: the end is [], and nothing else.",
        )
    _require_closed(calls)
    _require_whole(own, _FIRST, [*values, *more], calls)
    _require_position(own, _FIRST, len(values) + _MORE)


@contextmanager
def _topics(own: Settings) -> Iterator[None]:
    """Topics that are new, and groups that have read nothing."""
    names = [name for way in (_FIRST, _OTHER) for name in (way.source, way.target)]

    def clear() -> None:
        delete_topics(own, names)
        delete_groups(own, [_FIRST.group, _OTHER.group])

    clear()
    create_topics(own.kafka_bootstrap, [Topic(name, 1) for name in names])
    try:
        yield
    finally:
        clear()


def _record(number: int) -> tuple[str | None, str]:
    """Its key and its value; the key of one is empty, and one has none."""
    value = ("cpu{}", "softirq-{}", "Intr_{}.x")[number % 3].format(number)
    if number == _NO_KEY:
        return None, value
    return "" if number == _EMPTY_KEY else ("web_1.lab-2", "host-1", "DB-3")[number % 3], value


def _send(own: Settings, way: _Way, numbers: range) -> list[bytes]:
    """Records cpu0, softirq-1, …; what they have to become."""
    producer = Producer({"bootstrap.servers": own.kafka_bootstrap})
    for key, value in map(_record, numbers):
        producer.produce(way.source, key=key, value=value)
    producer.flush()
    return [_record(number)[1].upper().encode() for number in numbers]


class _Relay:
    """The answer, ready to live several times."""

    def __init__(self, own: Settings, folder: Path, answer: Any) -> None:
        self._own, self._folder = own, folder
        try:
            (folder / "answer.pickle").write_bytes(cloudpickle.dumps(answer))
        except Exception as error:
            raise NotYet(
                f"Your function cannot be taken to another process: {type(error).__name__}: {error}.",
                "It uses something of this notebook that belongs to this process, such as a client of its own.",
            ) from None

    def live(self, way: _Way, kill: list[Any] | None = None, short: int = 0) -> list[str]:
        """Run it in a process of its own, and kill it right after the call `kill`; which calls it has made.

        Its first batch has no more than `short` records, if that is told.
        """
        for name in ("calls", "error.json"):
            (self._folder / name).unlink(missing_ok=True)
        life = {"bootstrap": self._own.kafka_bootstrap, "source": way.source, "target": way.target,
                "group": way.group, "id": way.id, "kill": kill, "short": short}  # fmt: skip
        (self._folder / "life.json").write_text(json.dumps(life))
        words = [sys.executable, "-m", "labkit.workshop.checks.mortal_relay", str(self._folder)]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet)
        within_s = patience(_WITHIN_S)
        try:
            process.wait(within_s)
        except BaseException as error:
            _end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            self._complain(_read(self._folder / "error.json") or {"kind": AFTER_ITS_TIME}, within_s)
        calls = self._folder / "calls"
        if ended := _read(self._folder / "error.json"):
            self._complain(ended, within_s)
        return calls.read_text().split() if calls.exists() else []

    def _complain(self, error: dict[str, Any], within_s: float) -> None:
        calls = self._folder / "calls"
        made = calls.read_text().split() if calls.exists() else []
        kind, place = error["kind"], in_words(error.get("at"), ", in ")
        if kind == NotSolved.__name__:
            raise NotSolved("12b")
        last = f" Its last calls were {', '.join(made[-3:])}." if made else ""
        if kind == ENDLESS:
            raise NotYet(f"At the end of the topic it asked on and on for records{place}.{last}",
                         "It returns when there is nothing left: next_batch gives [] then.")  # fmt: skip
        if kind == AFTER_ITS_TIME:
            raise NotYet(f"The relay was still at work after {within_s:.0f} s{place}.{last}", "")
        if kind == "SystemExit":
            raise NotYet(f"Your function ended Python (SystemExit{place}).", "Leave a function with return.")
        raise NotYet(f"Your function raised {kind}: {error['text'].rstrip('.')}{place}.{last}",
                     _hint_for_a_call(error["call"], made))  # fmt: skip


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # it may say yet where it is
    try:
        process.wait(_LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


_ENDS = ("commit_transaction", "abort_transaction")


def _transactions(calls: Sequence[str]) -> list[list[str]]:
    """The calls from each begin_transaction to the commit or abort that ends it; the last may have no end."""
    found: list[list[str]] = []
    is_open = False
    for call in calls:
        if call == "begin_transaction":
            found.append([])
            is_open = True
        if is_open:
            found[-1].append(call)
        is_open = is_open and call not in _ENDS
    return found


def _is_open(calls: Sequence[str]) -> bool:
    last = _transactions(calls)[-1:]
    return bool(last) and last[0][-1] not in _ENDS


def _hint_for_a_call(call: str, calls: Sequence[str]) -> str:
    """Why Kafka refused a call, as far as the calls before it say."""
    if call in ("produce", "send_offsets_to_transaction", *_ENDS) and not _is_open(calls):
        return "At that moment no transaction was open: begin_transaction comes first, for each batch anew."
    if call == "begin_transaction" and _is_open(calls):
        return "The transaction before was not committed yet: each batch ends with commit_transaction."
    return "It was called before yours: it is called once for each producer." if call == "init_transactions" else ""


def _found(own: Settings, way: _Way) -> list[Any]:
    return [record.value() for record in read_topic(own.kafka_bootstrap, way.target)]


def _require_closed(calls: Sequence[str]) -> None:
    """No transaction with something in it is open when it has returned."""
    last = _transactions(calls)[-1:]
    if _is_open(calls) and (inside := {"produce", "send_offsets_to_transaction"} & set(last[0])):
        raise NotYet(
            f"It returned, and its last transaction was still open: in it were {last[0].count('produce')} records"
            f"{' and positions' if len(inside) == 2 or 'produce' not in inside else ''}.",
            "What is in a transaction counts when commit_transaction has returned.",
        )


_COMMIT_FIRST = "A batch that it has handled is committed, before the next one is read."


def _require_batches(calls: Sequence[str]) -> None:
    """It does not put batch after batch into one transaction."""
    for one in _transactions(calls):
        first = one.index("produce") if "produce" in one else len(one)
        if one.count("produce") > _BATCH and {"poll", "consume"} & set(one[first:]):
            raise NotYet(
                f"It read {_UNDISTURBED} records, and put {one.count('produce')} of them, several batches, into one "
                "transaction.",
                _COMMIT_FIRST,
            )
        if one.count("produce") == _BATCH and {"poll", "consume"} & set(one[-1 - one[::-1].index("produce") :]):
            raise NotYet(f"After the {_BATCH} records of a batch it read on, before it had committed.", _COMMIT_FIRST)


def _require_whole(own: Settings, way: _Way, values: list[bytes], calls: Sequence[str]) -> None:
    """All of them, each once, and with their keys."""
    found = list(read_topic(own.kafka_bootstrap, way.target))
    if not found:
        raise NotYet(
            f"{len(values)} records were in the source; in the topic {way.target} a read_committed reader finds none.",
            _hint_for_none(calls),
        )
    strange = next((record.value() for record in found if record.value() not in set(values)), None)
    if strange is not None:
        raise NotYet(f"In the target is {strange!r}; {values[0]!r} is a right one.", _hint_for_a_value(strange, values))
    keys = {value.upper().encode(): None if key is None else key.encode()
            for key, value in map(_record, range(len(values)))}  # fmt: skip
    for record in found:
        if record.key() != (wanted := keys[record.value()]):
            raise NotYet(
                f"The record {record.value()!r} has the key {record.key()!r}; in the source it had {wanted!r}.",
                _hint_for_a_key(record.key(), wanted),
            )
    _require_no_fault(own, way, values, "", calls)
    if len(found) < len(values):
        raise NotYet(
            f"{len(found)} of {len(values)} records came out, and the relay had returned.",
            "It handled one batch: go on until there is none left." if len(found) == _BATCH else
            "The last batch has fewer than ten records: it counts as well."
            if len(values) - len(found) == len(values) % _BATCH else "",
        )  # fmt: skip


def _hint_for_a_key(key: Any, wanted: bytes | None) -> str:
    if wanted is None and key == b"":
        return "b'' is a key, and None is none: key=record.key() keeps either."
    return "The key stays as it is: key=record.key()." if key is None else ""


def _hint_for_none(calls: Sequence[str]) -> str:
    if "produce" not in calls:
        return "It did not call produce." if {"poll", "consume"} & set(calls) else "It read nothing, and wrote nothing."
    if "abort_transaction" in calls and "commit_transaction" not in calls:
        return "abort_transaction throws away what is in the transaction; commit_transaction keeps it."
    return "" if "commit_transaction" in calls else "A transaction counts when commit_transaction has returned."


def _hint_for_a_value(strange: Any, values: list[bytes]) -> str:
    text = bytes(strange or b"")
    if text.upper() in values:
        return "The whole value, in capital letters."
    if text.upper().startswith(b"B'"):
        return "str() of bytes keeps the b and the quotes: bytes have an upper() of their own."
    return ""


def _require_no_fault(own: Settings, way: _Way, values: list[bytes], killed_after: str, calls: Sequence[str]) -> None:
    """None twice, and none missing before the last that was found."""
    times = Counter(_found(own, way))
    when = f"After a kill right after {killed_after}, and a new start" if killed_after else "Without any crash"
    twice = [value for value in values if times[value] > 1]
    own_commit = "commit" in calls
    if twice:
        raise NotYet(
            f"{when}, {sum(times[value] - 1 for value in twice)} records are there twice, the first of them "
            f"{twice[0]!r}.",
            "The position was committed apart from the records, and later: after a kill in between they come again. "
            "send_offsets_to_transaction puts it into the transaction." if own_commit and killed_after else "",
        )  # fmt: skip
    last = max((place for place, value in enumerate(values) if times[value]), default=-1)
    missing = [value for value in values[: max(0, last)] if not times[value]]
    if missing:
        raise NotYet(
            f"{when}, {len(missing)} records are missing, the first of them {missing[0]!r}, and later ones are there.",
            _hint_for_missing(calls) if killed_after else "",
        )


def _hint_for_missing(calls: Sequence[str]) -> str:
    if "commit" in calls:
        return "The position was committed apart from the records, and before them: a kill between the two loses them."
    if any("produce" in one and one.count("produce") < _BATCH for one in _transactions(calls)[:-1]):
        return "position() stands behind the whole batch; the transaction had only a part of it."
    return ""


def _require_position(own: Settings, way: _Way, count: int, begin: str = "") -> None:
    """The group stands behind the last record that was read."""
    offset = committed_offsets(own.kafka_bootstrap, way.source, way.group)[0]
    if offset == count:
        return
    hints = {
        0: "Where to go on belongs to the transaction: send_offsets_to_transaction(positions, group).",
        count - 1: "A position is the next offset to read: that of the last record plus 1.",
        count - count % _BATCH: "That is where it stood before the last batch: ask for the position after reading it.",
    }
    raise NotYet(
        f"{begin or f'All {count} records came out'}, and the group {way.group} stands at offset {offset}; "
        f"{count} is the next one to read.",
        "" if begin else hints.get(offset, ""),
    )


JUDGES: dict[str, Judge] = {"12a": judge_12a, "12b": judge_12b}
