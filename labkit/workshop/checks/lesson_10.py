"""What the exercises of 10 have to do: the watermark of several partitions by hand, and heartbeats for those behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from confluent_kafka import Message, Producer

from labkit.flink.rest import FlinkRest
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce
from labkit.kafka.topics import topic_partitions
from labkit.settings import Settings, load_settings
from labkit.sources.scenario import Scenario, Silence
from labkit.sources.simulator import FleetSource
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.model import hint_for
from labkit.workshop.checks.new_topic import new_topic
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.checks.relay import Relay
from labkit.workshop.checks.rules import Meets
from labkit.workshop.checks.slow_broker import SlowBroker
from labkit.workshop.course.contents import Start
from labkit.workshop.lesson import begin, tidy
from labkit.workshop.waiting import wait_for_start

__all__ = ["JUDGES", "MEETS", "judge_10a", "judge_10b"]

_SUFFIX = "_ex10"
#: So begin the names of the topics that the check makes.
_OWN = "beat-"

MEETS: Meets = {
    "10a": {
        "task": "records in and out of order, silences, a look at the clock without a record, by hand and by chance",
        "boundaries": "1 ms less than idle, exactly idle, and more, since a record and since the start; one partition, "
        "two, three and seven; a bound of 0; a partition that never had a record, one that comes back behind the "
        "watermark and at it, one that comes back at the event at which it would be idle, all of them idle; no event "
        "at all; no idleness",
        "arguments": "other numbers of partitions, bounds and idle times, also None",
        "twice": "each call is made a second time",
        "point": "nothing: any way to work it out is right",
    },
    "10b": {
        "task": "key, value, time, number and partitions of all heartbeats; the list; a second call, and a later one; "
        "then a job on the cluster, of which one partition is silent and one empty",
        "boundaries": "a newest record 1 ms older than at, of the same time, and 1 ms younger; one that is not the "
        "last; an empty partition; only a heartbeat; one, three and seven partitions; a broker that is slow for 3 s",
        "arguments": "an address that leads to the broker, which counts who comes; topics of names made up each time",
        "ends": "all heartbeats are in the topic when it returns, also where the broker is slow to acknowledge",
        "twice": "the same call again sends nothing; so does the one after that of a later time",
        "point": "the windows of a job close, and its counts are those of the hosts' records",
    },
}


# ------------------------------------------------------------------------------------------------------------- 10a

#: (now, partition, timestamp); of a look at the clock both are None.
_Event = tuple[int, int | None, int | None]
_TODAY = 1_795_168_800_000


@dataclass(frozen=True)
class _Case:
    events: tuple[_Event, ...]
    partitions: int
    bound: int
    idle: int | None


def _events(*events: tuple[int, int | None, int | None]) -> tuple[_Event, ...]:
    """Their event time is ms of today."""
    return tuple((now, one, None if at is None else _TODAY + at) for now, one, at in events)


def _look(now: int) -> _Event:
    return now, None, None


def _cases() -> Iterator[_Case]:
    """From those in which one thing is to be seen to those that chance makes."""
    yield _Case(_events((10, 0, 1000), (20, 0, 3000), (30, 0, 2000), _look(40), (50, 0, 2999), (60, 0, 3001)), 1, 500,
                None)  # fmt: skip
    yield _Case(_events((10, 0, 9000), (20, 1, 4000), (30, 1, 6000), (40, 1, 5000), (50, 0, 12_000), (60, 1, 20_000)),
                2, 1000, None)  # fmt: skip
    yield _Case(_events((5, 2, 5000), (6, 0, 7000), _look(90_000), (90_001, 1, 6000), (90_002, 2, 8000)), 3, 0, None)
    # Silent since its record: 1 ms too early, at the limit, and when it comes back, behind the watermark.
    yield _Case(_events((100, 0, 1000), (200, 1, 1000), (900, 0, 5000), _look(1199), _look(1200), (1300, 0, 6000),
                        (1400, 1, 2000), (1500, 0, 9000), (1600, 1, 5500), (1700, 1, 8000)), 2, 100, 1000)  # fmt: skip
    # It has never had a record: it is waited for since the start.
    yield _Case(_events((400, 0, 5000), _look(999), (999, 0, 6000), _look(1000), (1001, 0, 7000), (1100, 1, 6500),
                        (1200, 0, 9000), (1300, 1, 8000)), 2, 0, 1000)  # fmt: skip
    # All are idle, one after the other between two events, or at once; the first that comes back counts alone.
    yield _Case(_events((0, 0, 4000), (100, 1, 9000), _look(5000), (5100, 0, 6000), (5200, 1, 9500), _look(5600),
                        _look(5601), (9000, 1, 12_000)), 2, 500, 500)  # fmt: skip
    # All of them fall silent while one has never had a record; and for a thousand times as long as that takes.
    yield _Case(_events((0, 0, 4000), (100, 1, 9000), _look(5000), (5100, 0, 6000)), 3, 500, 500)
    yield _Case(_events((0, 0, 1000), (1, 1, 2000), (2, 1, 2500), (1999, 1, 3000), (2300, 1, 4000)), 2, 0, 2)
    # A record that is older than the newest keeps its partition active.
    yield _Case(_events((0, 0, 5000), (0, 1, 5000), (900, 1, 100), (1000, 0, 8000), (1800, 0, 9000), _look(1899),
                        _look(1900)), 2, 0, 1000)  # fmt: skip
    # Idle by now, and its record comes at this very event: it is not passed over first.
    yield _Case(_events((0, 0, 1000), (0, 1, 1000), (900, 1, 2000), (1000, 0, 1100), (1900, 0, 1200)), 2, 0, 1000)
    # No record ever, and none at the start.
    yield _Case(_events(_look(0), _look(700), _look(800), (2000, 2, 3000), _look(2799), _look(2800)), 3, 100, 800)
    yield _Case((), 2, 100, 1000)
    # Back exactly at the watermark, and 1 ms on either side of it.
    for back in (2999, 3000, 3001):
        yield _Case(_events((0, 0, 1000), (10, 1, 3000), _look(500), (600, 1, 3500), (650, 0, 500 + back),
                            (700, 1, 4000), (800, 0, 3600)), 2, 500, 400)  # fmt: skip
    random = Random("labkit 10a")
    for partitions, bound, idle in ((2, 0, 700), (3, 2500, 1500), (7, 100, 4000), (4, 1000, None), (1, 10, 300)):
        now, events = 0, list[_Event]()
        for _ in range(90):
            now += random.choice((0, 1, 40, 300, 300, 700, 1500))
            partition = random.choice((None, *range(partitions)))
            late = int(random.expovariate(1 / 900))
            events.append((now, partition, None if partition is None else _TODAY + now - late))
        yield _Case(tuple(events), partitions, bound, idle)


def judge_10a(answer: Any, _: Settings) -> str:
    """Clocks by hand, then by chance."""
    count = 0
    for case in _cases():
        _judge_clock(answer, case, _clock(case))
        count += len(case.events)
    return f"{count} events, and the watermark after each."


def _clock(
    case: _Case,
    *,
    is_idle: Callable[[int, int], bool] = lambda silent, idle: silent >= idle,
    combine: Callable[[Sequence[int]], int] = min,
    newest: Callable[[int, int], int] = max,
    since_start: bool = True,
    asks_empty: bool = True,
    empty_idle: bool = True,
    comes_back: bool = True,
    never_back: bool = True,
    all_idle: Callable[[int | None, Sequence[int]], int | None] = lambda before, marks: before,
    keeps_active: Callable[[int, int | None], bool] = lambda at, before: True,
    look_counts: bool = False,
    looks_first: bool = False,
    bound: Callable[[int], int] = lambda bound: bound,
    idle: Callable[[int | None], int | None] = lambda idle: idle,
    by_event_time: bool = False,
    gives: Callable[[_Case, list[int | None]], Any] = lambda case, found: found,
) -> Any:
    """What comes where one thing is done in another way. Without any it is right."""
    limit = idle(case.idle)
    marks: dict[int, int] = {}
    heard: dict[int, int] = {}
    gone: set[int] = set()
    first = case.events[0][0] if case.events else 0
    watermark, highest, found = None, 0, list[int | None]()
    events = [each for event in case.events for each in (((event[0], None, None), event) if looks_first else (event,))]
    for now, one, at in events:
        if one is not None and at is not None:
            before = marks.get(one)
            marks[one] = at if before is None else newest(before, at)
            highest = max(highest, at)
            if keeps_active(at, before):
                heard[one] = at if by_event_time else now
        elif look_counts:
            heard |= dict.fromkeys(range(case.partitions), now)
        clock = highest if by_event_time else now
        active = []
        for each in range(case.partitions):
            if each not in marks and not asks_empty:
                continue
            last = heard.get(each, 0 if since_start else first)
            silent = (each in marks or empty_idle) and limit is not None and is_idle(clock - last, limit)
            if silent and each in marks and not comes_back:
                gone.add(each)
            if not silent and each not in gone:
                active.append(each)
        if not active:
            watermark = all_idle(watermark, [mark - bound(case.bound) for mark in marks.values()])
        elif all(each in marks for each in active):
            now_is = combine([marks[each] for each in active]) - bound(case.bound)
            watermark = now_is if watermark is None or not never_back else max(watermark, now_is)
        found.append(watermark)
    return gives(case, found[1::2] if looks_first else found)


_LIMIT = "A partition is idle as soon as nothing has come from it for `idle` ms: at exactly so many, and not before."
_NEVER_HEARD = "A partition that has had no record yet is waited for, too, until it has been silent for `idle` ms."
_CLOCK_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    (_LIMIT, {"is_idle": lambda silent, idle: silent > idle}),
    (_LIMIT, {"is_idle": lambda silent, idle: silent >= idle - 1}),
    ("It is the smallest watermark that counts, not the largest.", {"combine": max}),
    ("The watermark of a partition goes by its newest timestamp, not by that of its last record.",
     {"newest": lambda before, at: at}),
    ("The watermark of a partition goes by its newest timestamp, not by its first.",
     {"newest": lambda before, at: before}),
    (_NEVER_HEARD, {"asks_empty": False}),
    ("A partition that has never had a record becomes idle as well: `idle` ms after the start.", {"empty_idle": False}),
    ("A partition without a record is silent since the start, 0, not since the first event.", {"since_start": False}),
    ("A partition that was idle is active again with its next record, and waited for.", {"comes_back": False}),
    ("A watermark never goes back: where the smallest is behind it, it stays as it is.", {"never_back": False}),
    ("Where all partitions are idle the watermark stays as it is.", {"all_idle": lambda before, marks: None}),
    ("Where all partitions are idle the watermark stays as it is.",
     {"all_idle": lambda before, marks: max([*marks, before or 0], default=None) or None}),
    ("Where all partitions are idle the watermark stays as it is.",
     {"all_idle": lambda before, marks: max(before or 0, min(marks)) if marks else before}),
    ("Any record keeps its partition active, also one that is older than its newest.",
     {"keeps_active": lambda at, before: before is None or at > before}),
    ("A look at the clock is no record: it keeps no partition active.", {"look_counts": True}),
    ("At an event the record counts first; then it is worked out, once.", {"looks_first": True}),
    ("How long a partition is silent goes by `now`, not by the timestamps in the records.", {"by_event_time": True}),
    ("The watermark of a partition is its newest timestamp less `bound`.", {"bound": lambda bound: 0}),
    ("The watermark of a partition is its newest timestamp less `bound`.", {"bound": lambda bound: -bound}),
    ("`bound` is in ms, as timestamps are.", {"bound": lambda bound: bound * 1000}),
    ("`idle` is in ms, as `now` is.", {"idle": lambda idle: None if idle is None else idle * 1000}),
    ("No idle partition is passed over.", {"idle": lambda idle: None}),
    ("There is one watermark for each event, also where nothing came.",
     {"gives": lambda case, found: [mark for (_, one, _), mark in zip(case.events, found, strict=True)
                                    if one is not None]}),
    ("All of them are asked for, one after each event, not the last one alone.",
     {"gives": lambda case, found: found[-1:]}),
    ("Each event has its place in the list, also where there is no watermark yet: it is None there.",
     {"gives": lambda case, found: [mark for mark in found if mark is not None]}),
)  # fmt: skip


def _judge_clock(answer: Any, case: _Case, want: list[int | None]) -> None:
    found = _asked(answer, case)
    if isinstance(found, Iterator):
        raise NotYet(f"clock gave {shown(found)}, which is no list.", "A function with a yield gives no list.")
    if not isinstance(found, list):
        raise NotYet(f"clock gave {shown(found)}, which is no list.", "")
    if len(found) != len(want):
        raise NotYet(
            f"{_in_words(case)}: clock gave {len(found)} watermarks for {len(want)} events.", _why_clock(answer)
        )
    place = next((place for place, (got, one) in enumerate(zip(found, want, strict=True)) if not _same(got, one)), None)
    if place is not None:
        raise NotYet(f"{_in_words(case)}: {_what(case, place, found[place], want[place])}", _why_clock(answer))
    if _asked(answer, case) != want:
        raise NotYet(f"Asked a second time ({_in_words(case)}), it gave something else.", "")


def _same(found: Any, want: int | None) -> bool:
    return (found is None) == (want is None) and not isinstance(found, bool) and bool(found == want)


def _asked(answer: Any, case: _Case) -> Any:
    given = list(case.events), case.partitions, case.bound, case.idle
    return called(answer, given, _in_words(case), names=("events", "partitions", "bound", "idle"))


def _in_words(case: _Case) -> str:
    return f"{len(case.events)} events of {case.partitions} partitions, bound {case.bound}, idle {case.idle}"


def _what(case: _Case, place: int, found: Any, want: int | None) -> str:
    """How the partitions stand after that event, and what the answer made of them."""
    now, one, at = case.events[place]
    stands = []
    for each in range(case.partitions):
        own = [event for event in case.events[: place + 1] if event[1] == each]
        silent = now - (own[-1][0] if own else 0)
        newest = max((at for _, _, at in own if at is not None), default=None)
        mark = "no watermark" if newest is None else f"watermark {newest - case.bound}"
        idle = "idle, " if case.idle is not None and silent >= case.idle else ""
        stands.append(f"partition {each} has {mark} ({idle}silent for {silent} ms)")
    what = "a look at the clock" if one is None else f"a record of partition {one}, timestamp {at}"
    before = _clock(case)[place - 1] if place else None
    return (
        f"after event {place + 1} (now {now}, {what}) clock gave {shown(found)}; it is {want}. By then "
        f"{', '.join(stands)}. Before it was {before}."
    )


def _why_clock(answer: Any) -> str:
    """The fault that explains what comes of all cases; "" where none does."""
    return hint_for(_cases(), partial(_asked, answer), _clock, _CLOCK_FAULTS)


# ------------------------------------------------------------------------------------------------------------- 10b

_NAMES = ("bootstrap", "topic", "at")
_PARTITIONS = 7
#: (ms after `_TODAY`) of the records of each partition, in their order; None is a heartbeat of that time.
_STORED: dict[int, tuple[tuple[int, bool], ...]] = {
    0: ((1000, True), (4999, True)),
    1: ((5000, True),),
    2: ((5001, True),),
    3: (),
    4: ((7000, True), (800, True), (4000, True)),
    5: ((4600, True), (700, True)),
    6: ((4000, False),),
}
_AT, _LATER = 5000, 6000
_BEHIND, _BEHIND_LATER = [0, 3, 5, 6], [0, 1, 2, 3, 5, 6]
_SLOW_S = 3.0


def judge_10b(beat: Any, _: Settings) -> str:
    """Heartbeats into topics of its own, then those by which a job goes."""
    settings = load_settings(suffix=_SUFFIX)
    with new_topic(settings, _OWN, _PARTITIONS) as topic:
        _store(settings, topic)
        with Relay(settings.kafka_bootstrap) as relay:
            _judge_beat(beat, settings, topic, _AT, _BEHIND, relay.address)
            relay.require_visit()
        _judge_beat(beat, settings, topic, _AT, [])
        _judge_beat(beat, settings, topic, _LATER, _BEHIND_LATER)
        _judge_beat(beat, settings, topic, _AT, [])
    for partitions in (1, 3):
        with new_topic(settings, _OWN, partitions) as topic:
            _judge_beat(beat, settings, topic, _AT, list(range(partitions)))
    _judge_slow(beat, settings)
    return _on_the_cluster(beat)


def _store(settings: Settings, topic: str) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    for partition, records in _STORED.items():
        for ms, is_row in records:
            more = {"key": f"host-{partition}", "value": b"of a host"} if is_row else {}
            producer.produce(topic, partition=partition, timestamp=_TODAY + ms, **more)
    producer.flush()


def _judge_beat(
    beat: Any, settings: Settings, topic: str, ms: int, want: list[int], address: str = ""
) -> None:  # fmt: skip
    before = list(read_topic(settings.kafka_bootstrap, topic))
    at = _TODAY + ms
    partitions = topic_partitions(settings.kafka_bootstrap)[topic]
    what = f"a topic of {partitions} partitions, at {at}"
    said = called(beat, (address or settings.kafka_bootstrap, topic, at), what, names=_NAMES)
    known = {(record.partition(), record.offset()) for record in before}
    after = list(read_topic(settings.kafka_bootstrap, topic))
    places = {(record.partition(), record.offset()): record for record in after}
    new = [places[place] for place in sorted(places.keys() - known)]
    if topic_partitions(settings.kafka_bootstrap)[topic] != partitions:
        raise NotYet("The topic has more partitions than before.", "Leave the topic as it is.")
    _require_where(new, before, at, want, partitions, said)
    for record in new:
        _require_heartbeat(record, at)
    _require_said(said, want)


def _require_where(
    new: Sequence[Message], before: Sequence[Message], at: int, want: list[int], partitions: int, said: Any
) -> None:
    """Raise `NotYet` where a partition has got none that is behind, or one that is not, or two."""
    got = [record.partition() or 0 for record in new]
    behind = f"Of a topic of {partitions} partitions {_numbers(want)} behind {at}"
    if not got and want:
        hint = "Does it wait until Kafka has them? flush() does." if said == want else ""
        raise NotYet(f"{behind}; no heartbeat was in it when beat returned. It returned {shown(said)}.", hint)
    if twice := sorted({one for one in got if got.count(one) > 1}):
        raise NotYet(
            f"Partition {twice[0]} has got {got.count(twice[0])} heartbeats. {behind}.",
            "A record goes where partition=… says; without it the client chooses." if len(set(got)) == 1 else "",
        )
    if extra := sorted(set(got) - set(want)):
        is_all_else_right = set(want) <= set(got)
        raise NotYet(
            f"Partition {extra[0]} has got a heartbeat of {at}; {_stands(before, extra[0])}. {behind}.",
            _why_extra(before, extra, at) if is_all_else_right else "",
        )
    if missing := sorted(set(want) - set(got)):
        raise NotYet(f"Partition {missing[0]} has got no heartbeat of {at}; {_stands(before, missing[0])}. "
                     f"Heartbeats went to {_places(got)}.", _why_missing(before, missing, got, partitions))  # fmt: skip


def _numbers(partitions: list[int]) -> str:
    if len(partitions) < 2:
        return f"partition {partitions[0]} is" if partitions else "no partition is"
    return f"partitions {', '.join(map(str, partitions))} are"


def _places(got: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(set(got))))


def _times(before: Sequence[Message], partition: int) -> list[int]:
    return [record.timestamp()[1] for record in before if record.partition() == partition]


def _stands(before: Sequence[Message], partition: int) -> str:
    times = _times(before, partition)
    if not times:
        return "it has no record"
    newest = f"its newest record is of {max(times)}"
    return newest if times[-1] == max(times) else f"{newest}, its last one of {times[-1]}"


def _why_extra(before: Sequence[Message], extra: list[int], at: int) -> str:
    times = {one: _times(before, one) for one in extra}
    if all(max(own) == at for own in times.values()):
        if any(record.key() is None for record in before if record.partition() in extra):
            return "A heartbeat is a record like others: of a partition that has one of this time, the time is right."
        return "A record of that very time is not older."
    if all(own[-1] < at for own in times.values()):
        return "The newest record is the one with the latest time; it need not be the last one."
    if all(max(own) >= at for own in times.values()):
        return "Only a partition whose newest record is older gets one."
    return ""


def _why_missing(before: Sequence[Message], missing: list[int], got: Sequence[int], partitions: int) -> str:
    if all(not _times(before, one) for one in missing):
        if len(missing) < partitions or not got:
            return "An empty partition is in no record: begin with the number of partitions that the topic has."
        return ""
    if got and min(missing) > max(got):
        return "The topic has more partitions: topic_partitions(bootstrap)[topic] says how many."
    rows = {record.partition() for record in before if record.key() is not None}
    if all(_times(before, one) and one not in rows for one in missing):
        return "A heartbeat from before is a record like others: when it is too old, the next one is due."
    if not any(_times(before, one) for one in got):
        return "Not only empty partitions stand still: those whose newest record is older get one as well."
    return ""


def _require_heartbeat(record: Message, at: int) -> None:
    where = f"The heartbeat in partition {record.partition()}"
    moment = record.timestamp()[1]
    if moment != at:
        hint = ""
        if moment in (at // 1000, at * 1000):
            hint = "Kafka's times are in ms, as `at` is."
        elif abs(moment - time.time() * 1000) < 3_600_000:
            hint = "That is now: without timestamp=… the client takes the time of sending."
        raise NotYet(f"{where} has the time {moment}; it is {at}.", hint)
    for name, content in (("key", record.key()), ("value", record.value())):
        if content is not None:
            hint = "Whoever counts takes a record with a key for one of a host." if name == "key" else ""
            raise NotYet(f"{where} has the {name} {shown(content)}; a heartbeat has none.", hint)


def _require_said(said: Any, want: list[int]) -> None:
    if isinstance(said, list) and said == want and not any(isinstance(one, bool) for one in said):
        return
    if isinstance(said, Iterator):
        raise NotYet(f"beat returned {shown(said)}, which is no list.", "A function with a yield gives no list.")
    if not isinstance(said, list):
        raise NotYet(f"beat returned {shown(said)}, which is no list; the heartbeats are right.", "")
    hint = "The smallest number comes first." if sorted(map(str, said)) == sorted(map(str, want)) else ""
    raise NotYet(f"beat returned {shown(said)}; heartbeats went to {shown(want)}.", hint)


def _judge_slow(beat: Any, settings: Settings) -> None:
    """A broker that takes the records, and says so late."""
    with new_topic(settings, _OWN, 3) as topic, SlowBroker(settings.kafka_bootstrap, _SLOW_S) as broker:
        began = time.monotonic()
        called(beat, (broker.address, topic, _TODAY), "a slow broker", names=_NAMES)
        came_back_s = time.monotonic() - began
        found = len(list(read_topic(settings.kafka_bootstrap, topic)))
        if found:
            broker.require_asked()
    if came_back_s < _SLOW_S or not found:
        raise NotYet(
            f"The broker took {_SLOW_S:.0f} s to acknowledge anything; your function came back after "
            f"{came_back_s:.1f} s, before it had an answer.",
            "produce only puts a record into the client's memory; flush() waits until all are answered.",
        )


_HOSTS, _SECONDS, _SILENT_FROM, _BOUND_S = 4, 40, 20, 2
_SCENARIO = Scenario(silences=(Silence((3,), _SILENT_FROM, float("inf")),))


def _on_the_cluster(beat: Any) -> str:
    """host-003 is alone in partition 2 and falls silent, and partition 0 has nobody: the job waits for both."""
    from labkit.workshop.parts.time_job import source
    from labkit.workshop.parts.window_job import end_of, so_far, submit

    own = begin("10", say=lambda _: None, suffix=_SUFFIX, start=Start.TOPICS, checkpoint_interval_s=1, partitions=4)
    fleet = list(FleetSource(_HOSTS, 1, 10, _SCENARIO, interval_s=1.0, start_ms=_TODAY, seconds=_SECONDS - 1))
    produce(own.flow, fleet)
    last = fleet[-1].timestamp
    clock = last - 1000 * _BOUND_S
    want = [sum(end_of(one.timestamp) == end for one in fleet)
            for end in sorted({end_of(one.timestamp) for one in fleet}) if end - 1 <= clock]  # fmt: skip
    try:
        job_id = submit(own, "beats", source(own, _BOUND_S))
        wait_for_start(FlinkRest(own.flink_url), job_id)
        so_far(own, "beats", len(fleet), -(2**63))
        said = called(beat, (own.kafka_bootstrap, own.snapshots_topic, last), "the topic of a job", names=_NAMES)
        if said != [0, 2]:
            raise NotYet(
                f"By hand it was right. For the topic of a job, with partition 0 empty and partition 2 silent for "
                f"{_SECONDS - _SILENT_FROM} s, beat returned {shown(said)}.", "",
            )  # fmt: skip
        _, closed = so_far(own, "beats", len(fleet), clock)
    finally:
        tidy(own)
    counts = [window.count for window in closed]
    if counts != want:
        raise NotYet(f"By hand it was right. The windows of a job on the cluster had {counts} records of {want}.", "")
    return (
        f"Heartbeats for partitions 0 and 2 let a job on the cluster close {len(counts)} windows, of {counts} records."
    )


JUDGES = {"10a": judge_10a, "10b": judge_10b}
