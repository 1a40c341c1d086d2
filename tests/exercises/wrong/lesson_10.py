"""Answers to the exercises of 10: wrong ones, with what each has to hear and must not hear, and right ones."""

from tests.support.answers import but

_CLOCK = """
newest, heard = {}, dict.fromkeys(range(partitions), 0)
watermark, found = None, []
for now, partition, timestamp in events:
    if partition is not None:
        newest[partition] = max(newest.get(partition, timestamp), timestamp)
        heard[partition] = now
    active = [one for one in heard if idle is None or now - heard[one] < idle]
    if active and all(one in newest for one in active):
        smallest = min(newest[one] for one in active) - bound
        watermark = smallest if watermark is None else max(watermark, smallest)
    found.append(watermark)
return found
"""

_BEAT = """
newest = dict.fromkeys(range(topic_partitions(bootstrap)[topic]))
for record in read_topic(bootstrap, topic):
    before, now = newest[record.partition()], record.timestamp()[1]
    newest[record.partition()] = now if before is None else max(before, now)
behind = [partition for partition, last in newest.items() if last is None or last < at]
producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
for partition in behind:
    producer.produce(topic, partition=partition, timestamp=at)
producer.flush()
return behind
"""

WRONG = {
    "10a": [
        (
            "idle only after the limit",
            but(_CLOCK, "< idle]", "<= idle]"),
            r"silent for \d+ ms.*A partition is idle as soon as.*at exactly so many",
            "smallest|comes back|never goes back",
        ),
        (
            "the largest",
            but(_CLOCK, "min(newest", "max(newest"),
            r"clock gave \d+; it is \d+.*smallest watermark that counts",
            "newest timestamp|idle ms",
        ),
        (
            "the last record of a partition",
            but(_CLOCK, "max(newest.get(partition, timestamp), timestamp)", "timestamp"),
            r"clock gave \d+; it is \d+.*not by that of its last record",
            "smallest watermark that|by its first",
        ),
        (
            "a partition without a record does not count",
            but(_CLOCK, "[one for one in heard if", "[one for one in newest if"),
            r"clock gave \d+; it is None.*has no watermark.*waited for, too",
            "after the start|never goes back",
        ),
        (
            "a partition without a record is waited for for ever",
            but(_CLOCK, "idle is None or now", "one not in newest or idle is None or now"),
            r"clock gave None; it is \d+.*becomes idle as well: `idle` ms after the start",
            "first event|waited for, too",
        ),
        (
            "silent since the first event",
            but(
                _CLOCK,
                "dict.fromkeys(range(partitions), 0)",
                "dict.fromkeys(range(partitions), events[0][0] if events else 0)",
            ),
            r"clock gave .*; it is .*silent since the start, 0, not since the first event",
            "waited for, too|never goes back",
        ),
        (
            "once idle, for ever idle",
            """
newest, heard, gone = {}, dict.fromkeys(range(partitions), 0), set()
watermark, found = None, []
for now, partition, timestamp in events:
    if partition is not None:
        newest[partition] = max(newest.get(partition, timestamp), timestamp)
        heard[partition] = now
    gone |= {one for one in newest if idle is not None and now - heard[one] >= idle}
    active = [one for one in heard if one not in gone and (idle is None or now - heard[one] < idle)]
    if active and all(one in newest for one in active):
        smallest = min(newest[one] for one in active) - bound
        watermark = smallest if watermark is None else max(watermark, smallest)
    found.append(watermark)
return found
""",
            r"clock gave \d+; it is \d+.*active again with its next record",
            "stays as it is|smallest watermark that",
        ),
        (
            "goes back",
            but(_CLOCK, "smallest if watermark is None else max(watermark, smallest)", "smallest"),
            r"Before it was \d+.*A watermark never goes back",
            "Where all|for ever",
        ),
        (
            "none where all are idle",
            but(_CLOCK, "    found.append", "    elif not active:\n        watermark = None\n    found.append"),
            r"clock gave None; it is \d+.*idle, silent.*Where all partitions are idle the watermark stays",
            "waited for, too|goes back:",
        ),
        (
            "the largest where all are idle",
            but(
                _CLOCK,
                "    found.append",
                "    elif not active and newest:\n"
                "        watermark = max(watermark or 0, max(newest.values()) - bound)\n"
                "    found.append",
            ),
            r"clock gave \d+; it is \d+.*Where all partitions are idle the watermark stays",
            "waited for, too|goes back:",
        ),
        (
            "an older record does not count as a sign",
            but(
                _CLOCK,
                "        newest[partition] = max(newest.get(partition, timestamp), timestamp)\n"
                "        heard[partition] = now\n",
                "        if partition not in newest or timestamp > newest[partition]:\n"
                "            newest[partition] = timestamp\n            heard[partition] = now\n",
            ),
            r"clock gave .*; it is .*Any record keeps its partition active",
            "not by that of its last|never goes back",
        ),
        (
            "a look is taken for a sign",
            but(
                _CLOCK,
                "        heard[partition] = now\n",
                "        heard[partition] = now\n    else:\n        heard = dict.fromkeys(heard, now)\n",
            ),
            r"clock gave .*; it is .*A look at the clock is no record",
            "Any record|smallest watermark that",
        ),
        (
            "worked out before the record, too",
            """
newest, heard, found = {}, [0] * partitions, []
watermark = None

def work_out(now):
    nonlocal watermark
    active = [one for one in range(partitions) if idle is None or now - heard[one] < idle]
    if active and all(one in newest for one in active):
        smallest = min(newest[one] for one in active) - bound
        watermark = smallest if watermark is None else max(watermark, smallest)

for now, partition, timestamp in events:
    work_out(now)
    if partition is not None:
        heard[partition] = now
        newest[partition] = max(newest.get(partition, timestamp), timestamp)
        work_out(now)
    found.append(watermark)
return found
""",
            r"clock gave \d+; it is \d+.*the record counts first; then it is worked out, once",
            "at exactly so many|never goes back",
        ),
        (
            "idleness by event time",
            """
newest = {}
watermark, found = None, []
for now, partition, timestamp in events:
    if partition is not None:
        newest[partition] = max(newest.get(partition, timestamp), timestamp)
    highest = max(newest.values(), default=0)
    active = [one for one in range(partitions) if idle is None or highest - newest.get(one, 0) < idle]
    if active and all(one in newest for one in active):
        smallest = min(newest[one] for one in active) - bound
        watermark = smallest if watermark is None else max(watermark, smallest)
    found.append(watermark)
return found
""",
            r"clock gave .*; it is ",
            "smallest watermark that|goes back:|less `bound`",
        ),
        (
            "no bound",
            but(_CLOCK, " - bound\n", "\n"),
            r"clock gave \d+; it is \d+.*less `bound`",
            "in ms|smallest watermark that",
        ),
        (
            "no idleness",
            but(_CLOCK, "idle is None or now - heard[one] < idle", "True"),
            r"clock gave .*; it is .*No idle partition is passed over",
            "exactly so many|less `bound`",
        ),
        (
            "nothing after a look",
            but(_CLOCK, "    found.append", "    if partition is not None:\n        found.append"),
            r"clock gave \d+ watermarks for \d+ events.*also where nothing came",
            "not the last one",
        ),
        (
            "the last one alone",
            but(_CLOCK, "return found", "return watermark"),
            r"clock gave .*, which is no list",
            "yield|idle ms",
        ),
        (
            "None is compared",
            but(_CLOCK, "idle is None or ", ""),
            r"raised TypeError",
            "it is None|smallest",
        ),
        (
            "empties what it was given",
            but(
                _CLOCK,
                "for now, partition, timestamp in events:\n",
                "while events:\n    now, partition, timestamp = events.pop(0)\n",
            ),
            r"changed what it was given \(events\)",
            "it is None|smallest",
        ),
    ],
    "10b": [
        (
            "into every partition",
            but(_BEAT, "if last is None or last < at]", "]"),
            r"Partition 1 has got a heartbeat of \d+; its newest record is of \d+",
            "need not be the last|flush|An empty",
        ),
        (
            "of that very time, too",
            but(_BEAT, "last < at]", "last <= at]"),
            r"Partition 1 has got a heartbeat.*A record of that very time is not older",
            "need not be the last|An empty",
        ),
        (
            "the last record",
            but(_BEAT, "now if before is None else max(before, now)", "now"),
            r"Partition 4 has got a heartbeat.*its last one of.*need not be the last one",
            "very time|An empty",
        ),
        (
            "partitions that have a record",
            but(_BEAT, "dict.fromkeys(range(topic_partitions(bootstrap)[topic]))", "{}").replace(
                "newest[record.partition()], record", "newest.get(record.partition()), record"
            ),
            r"Partition 3 has got no heartbeat.*it has no record.*An empty partition is in no record",
            "very time|need not be the last",
        ),
        (
            "empty partitions only",
            but(_BEAT, "if last is None or last < at]", "if last is None]"),
            r"Partition 0 has got no heartbeat.*Not only empty partitions",
            "An empty partition is in no|very time",
        ),
        (
            "heartbeats do not count",
            but(
                _BEAT,
                "    before, now =",
                "    if record.key() is None:\n        continue\n    before, now =",
            ),
            r"Partition \d has got a heartbeat.*A heartbeat is a record like others",
            "very time|An empty",
        ),
        (
            "four partitions",
            but(_BEAT, "range(topic_partitions(bootstrap)[topic])", "range(4)").replace(
                "    before, now =", "    if record.partition() > 3:\n        continue\n    before, now ="
            ),
            r"Partition 5 has got no heartbeat.*The topic has more partitions",
            "An empty partition is in no|very time",
        ),
        (
            "no flush",
            but(but(_BEAT, '"log_level": 0', '"log_level": 0, "linger.ms": 2000'), "producer.flush()\n", ""),
            r"no heartbeat was in it when beat returned|took 3 s to acknowledge.*flush\(\) waits",
            "very time|An empty",
        ),
        (
            "flush for a second at most",
            but(_BEAT, "flush()", "flush(1)"),
            r"took 3 s to acknowledge.*came back after 1\.\d s",
            "very time|An empty",
        ),
        (
            "the time of sending",
            but(_BEAT, ", timestamp=at", ""),
            r"heartbeat in partition 0 has the time \d+; it is \d+.*That is now",
            "in ms|has none",
        ),
        (
            "the time in seconds",
            but(_BEAT, "timestamp=at", "timestamp=at // 1000"),
            r"heartbeat in partition 0 has the time 1795168805; it is 1795168805000.*are in ms",
            "That is now|has none",
        ),
        (
            "a key",
            but(_BEAT, "partition=partition,", 'key="heartbeat", partition=partition,'),
            r"heartbeat in partition 0 has the key b'heartbeat'; a heartbeat has none.*for one of a host",
            "in ms|very time",
        ),
        (
            "a value of no bytes",
            but(_BEAT, "partition=partition,", 'value=b"", partition=partition,'),
            r"heartbeat in partition 0 has the value b''; a heartbeat has none",
            "for one of a host|in ms",
        ),
        (
            "a key instead of a partition",
            but(_BEAT, "partition=partition,", 'key="heartbeat",'),
            r"Partition \d has got 4 heartbeats.*without it the client chooses",
            "very time|An empty",
        ),
        (
            "two of them",
            but(_BEAT, "for partition in behind:", "for partition in (*behind, *behind):"),
            r"Partition 0 has got 2 heartbeats",
            "without it the client|very time",
        ),
        (
            "an address of its own",
            "from labkit.settings import load_settings\nown = load_settings().kafka_bootstrap\n"
            + _BEAT.replace("(bootstrap", "(own").replace(": bootstrap", ": own"),
            r"given the address 127\.0\.0\.1:\d+, and has never gone there.*Use bootstrap",
            "flush|very time",
        ),
        (
            "how many",
            but(_BEAT, "return behind", "return len(behind)"),
            r"beat returned 4, which is no list; the heartbeats are right",
            "yield|very time",
        ),
        (
            "the partitions that need none",
            but(_BEAT, "return behind", "return [one for one in newest if one not in behind]"),
            r"beat returned \[1, 2, 4\]; heartbeats went to \[0, 3, 5, 6\]",
            "comes first|very time",
        ),
        (
            "the largest number first",
            but(_BEAT, "return behind", "return behind[::-1]"),
            r"beat returned \[6, 5, 3, 0\]; heartbeats went to \[0, 3, 5, 6\].*comes first",
            "flush|very time",
        ),
    ],
}

RIGHT = {
    "10a": [
        (
            "a class",
            """
class Part:
    def __init__(self):
        self.newest, self.heard = float("-inf"), 0

parts, mark, found = [Part() for _ in range(partitions)], float("-inf"), []
limit = float("inf") if idle is None else idle
for now, number, at in events:
    if at is not None:
        parts[number].newest, parts[number].heard = max(parts[number].newest, at), now
    active = [part.newest for part in parts if now - part.heard < limit]
    mark = max([mark, min(active) - bound] if active else [mark])
    found.append(None if mark == float("-inf") else mark)
return found
""",
        ),
        (
            "from the events so far, each time anew",
            """
def at_event(place):
    so_far = events[: place + 1]
    now = so_far[-1][0]
    smallest = []
    for number in range(partitions):
        own = [(when, at) for when, one, at in so_far if one == number]
        heard = own[-1][0] if own else 0
        if idle is not None and now - heard >= idle:
            continue
        if not own:
            return None
        smallest.append(max(at for _, at in own) - bound)
    return min(smallest) if smallest else None

found, highest = [], None
for place in range(len(events)):
    mark = at_event(place)
    highest = highest if mark is None else mark if highest is None else max(highest, mark)
    found.append(highest)
return found
""",
        ),
        (
            "numpy",
            """
import numpy
none = numpy.iinfo(numpy.int64).min
marks, heard = numpy.full(partitions, none), numpy.zeros(partitions, numpy.int64)
mark, found = none, []
for now, number, at in events:
    if number is not None:
        marks[number], heard[number] = max(marks[number], at - bound), now
    active = marks if idle is None else marks[now - heard < idle]
    mark = max(mark, active.min() if active.size else none)
    found.append(None if mark == none else int(mark))
return found
""",
        ),
    ],
    "10b": [
        (
            "asks for the newest time of each partition",
            """
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
asked = {TopicPartition(topic, n): OffsetSpec.max_timestamp() for n in range(topic_partitions(bootstrap)[topic])}
times = {place.partition: answer.result().timestamp for place, answer in admin.list_offsets(asked).items()}
behind = sorted(number for number, newest in times.items() if newest < at)
producer = Producer({"bootstrap.servers": bootstrap})
for number in behind:
    producer.produce(topic, None, None, number, timestamp=at)
producer.flush()
return behind
""",
        ),
        (
            "one after the other, each acknowledged",
            """
producer, sent = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0}), []
records = list(read_topic(bootstrap, topic))
for number in range(topic_partitions(bootstrap)[topic]):
    if all(record.timestamp()[1] < at for record in records if record.partition() == number):
        producer.produce(topic, partition=number, timestamp=at)
        producer.flush()
        sent.append(number)
return sent
""",
        ),
        (
            "pandas",
            """
import pandas
found = [(record.partition(), record.timestamp()[1]) for record in read_topic(bootstrap, topic)]
frame = pandas.DataFrame(found, columns=["partition", "at"])
numbers = range(topic_partitions(bootstrap)[topic])
newest = frame.groupby("partition")["at"].max().reindex(numbers, fill_value=-1)
behind = [int(number) for number in newest.index[newest < at]]
producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
for number in behind:
    producer.produce(topic=topic, partition=number, timestamp=at)
while len(producer):
    producer.poll(0.1)
return behind
""",
        ),
    ],
}
