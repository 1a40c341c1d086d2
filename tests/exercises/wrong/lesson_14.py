"""Answers to the exercises of 14: wrong ones, with what each has to hear and must not hear, and right ones."""

from __future__ import annotations

from tests.support.answers import but

_SORT = """
def dead(reason):
    return "dead letter", reason, key, value, headers

if value is None:
    return dead("null")
if value == b"":
    return dead("empty")
if value[0] != 0:
    return dead("wrong magic")
if len(value) < 6:
    return dead("too short")
number = int.from_bytes(value[1:5], "big")
if number not in schemas:
    return dead("unknown schema")
writer = schemas[number]
if (writer["namespace"], writer["name"]) != (reader["namespace"], reader["name"]):
    return dead("other record")
body = io.BytesIO(value[5:])
try:
    record = fastavro.schemaless_reader(body, writer, reader)
except (EOFError, IndexError):
    return dead("ends early")
except Exception:
    return dead("unreadable")
if body.read():
    return dead("left over")
return "record", record
"""

_DOUBTS = """
class Doubts(KeyedProcessFunction):
    def open(self, runtime_context):
        self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, row, ctx):
        hostname, timestamp, btime, ticks = row
        last = self.last.value()
        if timestamp < 1000 * btime:
            yield Row(hostname, timestamp, "before boot")
            return
        if last is not None:
            last_time, last_boot, last_ticks = last
            if btime < last_boot - slack_s:
                yield Row(hostname, timestamp, "another machine")
                return
            if btime <= last_boot + slack_s:
                if timestamp <= last_time:
                    return
                if ticks < last_ticks:
                    yield Row(hostname, timestamp, "went back")
                    return
        self.last.update((timestamp, btime, ticks))

return Doubts()
"""

WRONG = {
    "14a": [
        (
            "no value is not thought of",
            but(_SORT, 'if value is None:\n    return dead("null")\n', ""),
            r"Your function raised TypeError: 'NoneType' object is not subscriptable.* on no value\. "
            r"Whatever comes, it returns",
            "sort_out gave",
        ),
        (
            "no value and no bytes are one",
            but(_SORT, 'if value is None:\n    return dead("null")\nif value == b"":', "if not value:"),
            r"No value: sort_out gave the reason 'empty'; it is 'null'\. No value is not the same",
            "highest byte|raised",
        ),
        (
            "the id from its other end",
            but(_SORT, '"big"', '"little"'),
            r"sort_out gave a dead letter, 'unknown schema'; it can be read\. The id has its highest byte first",
            "raised|two schemas",
        ),
        (
            "the length before the magic byte",
            but(_SORT, 'if value[0] != 0:\n    return dead("wrong magic")\n', "").replace(
                "number = int", 'if value[0] != 0:\n    return dead("wrong magic")\nnumber = int'
            ),
            r"The one byte 0x07: sort_out gave the reason 'too short'; it is 'wrong magic'\. The first reason",
            "raised|one at least",
        ),
        (
            "a frame alone is long enough",
            but(_SORT, "len(value) < 6", "len(value) < 5"),
            r"A frame alone, five bytes: sort_out gave the reason 'ends early'; it is 'too short'.*has one at least",
            "raised|is a body",
        ),
        (
            "six bytes are too short",
            but(_SORT, "len(value) < 6", "len(value) <= 6"),
            r"sort_out gave the reason 'too short'; it is 'unknown schema'.*a body of one byte is a body",
            "raised|one at least",
        ),
        (
            "the name without its namespace",
            but(
                _SORT,
                '(writer["namespace"], writer["name"]) != (reader["namespace"], reader["name"])',
                'writer["name"] != reader["name"]',
            ),
            r"A record of elsewhere\.Load: sort_out gave the record .*; it is a dead letter, 'other record'\. "
            r"The namespace is a part",
            "raised|two schemas",
        ),
        (
            "names are not looked at",
            but(
                _SORT,
                'if (writer["namespace"], writer["name"]) != (reader["namespace"], reader["name"]):\n'
                '    return dead("other record")\n',
                "",
            ),
            r"A record of Weather: sort_out gave the reason '.*'; it is 'other record'\. What has another name",
            "raised|The namespace",
        ),
        (
            "with the reader's schema alone",
            but(_SORT, "body, writer, reader)", "body, reader)"),
            r"sort_out gave .*A value is read with two schemas",
            "raised|highest byte",
        ),
        (
            "with the writer's schema alone",
            but(_SORT, "body, writer, reader)", "body, writer)"),
            r"sort_out gave the record \{'room': 'b2'.*A value is read with two schemas",
            "raised|highest byte",
        ),
        (
            "the two schemas changed over",
            but(_SORT, "body, writer, reader)", "body, reader, writer)"),
            r"sort_out gave .*A value is read with two schemas",
            "raised|highest byte",
        ),
        (
            "nobody looks behind the record",
            but(_SORT, 'if body.read():\n    return dead("left over")\n', ""),
            r"A record and a byte more: sort_out gave the record .*; it is a dead letter, 'left over'\. Behind",
            "raised|two schemas",
        ),
        (
            "every error is an early end",
            but(_SORT, "except (EOFError, IndexError):", "except Exception:").replace(
                'except Exception:\n    return dead("unreadable")\n', "", 1
            ),
            r"sort_out gave the reason 'ends early'; it is 'unreadable'\. Not every error is an early end",
            "raised|two schemas",
        ),
        (
            "an end inside of a number is forgotten",
            but(_SORT, "except (EOFError, IndexError):", "except EOFError:"),
            r"sort_out gave the reason 'unreadable'; it is 'ends early'\. Bytes that end inside of a number",
            "raised|two schemas",
        ),
        (
            "only what was thought of is caught",
            but(_SORT, 'except Exception:\n    return dead("unreadable")\n', ""),
            r"Your function raised SchemaResolutionError.* on a record without the field busy\. Whatever comes",
            "sort_out gave",
        ),
        (
            "the key as text",
            but(_SORT, "reason, key, value", 'reason, key and key.decode(errors="replace"), value'),
            r"the key of the dead letter: '.*'; as it came: b'",
            "raised|the reason",
        ),
        (
            "the headers as a dictionary",
            but(_SORT, "value, headers\n", "value, dict(headers)\n"),
            r"the headers of the dead letter: \{.*; as it came: \[.*Headers may have the same name twice",
            "raised|the reason",
        ),
        (
            "the body in place of the value",
            but(_SORT, "reason, key, value, headers", "reason, key, value and value[5:], headers"),
            r"the value of the dead letter: b'.*'; as it came: b'",
            "raised|the reason",
        ),
        (
            "the reason alone",
            but(_SORT, 'return "dead letter", reason, key, value, headers', 'return "dead letter", reason'),
            r"sort_out gave a dead letter of 2 parts: \('dead letter', 'null'\)\. It has five",
            "raised",
        ),
        (
            "no return at the end",
            but(_SORT, 'return "record", record', '("record", record)'),
            r"sort_out gave None, which is neither a record nor a dead letter\. Each way through it ends with a return",
            "raised",
        ),
        (
            "a header more",
            but(_SORT, 'return "dead letter"', 'headers.append(("reason", reason.encode()))\n    return "dead letter"'),
            r"Your function changed what it was given \(headers\)",
            "sort_out gave",
        ),
    ],
    "14b": [
        (
            "ms against s",
            but(_DOUBTS, "timestamp < 1000 * btime", "timestamp < btime"),
            r"gave nothing; \['web', 1794999999999, 'before boot'\] was due\. The time is in ms and the boot in s",
            "restart|another host",
        ),
        (
            "at the boot is before the boot",
            but(_DOUBTS, "timestamp < 1000 * btime", "timestamp <= 1000 * btime"),
            r"gave \['web', 1795000000000, 'before boot'\]; nothing was due\. The time of the boot itself",
            "restart|in ms and the boot",
        ),
        (
            "what is in doubt is kept",
            but(
                _DOUBTS,
                "last = self.last.value()\n",
                "last = self.last.value()\n        self.last.update(tuple(row)[1:])\n",
            ).replace("        self.last.update((timestamp, btime, ticks))\n", "        pass\n"),
            r"gave .*; .* was due\. What is in doubt is not kept",
            "restart|another host",
        ),
        (
            "a late record is kept",
            but(
                _DOUBTS,
                "                if timestamp <= last_time:\n                    return\n",
                "                if timestamp <= last_time:\n"
                "                    self.last.update((timestamp, btime, ticks))\n                    return\n",
            ),
            r"A late record changes nothing",
            "restart|in doubt is not kept",
        ),
        (
            "a late record went back",
            but(_DOUBTS, "                if timestamp <= last_time:\n                    return\n", ""),
            r"gave \['web', 1795000003000, 'went back'\]; nothing was due\. A record that is not newer is late",
            "restart|another host",
        ),
        (
            "of the same time is not late",
            but(_DOUBTS, "timestamp <= last_time", "timestamp < last_time"),
            r"gave \['web', 1795000003000, 'went back'\]; nothing was due\. A record of the same time",
            "restart|another host",
        ),
        (
            "no slack",
            but(_DOUBTS, "last_boot - slack_s", "last_boot").replace("last_boot + slack_s", "last_boot"),
            r"slack_s 30, .*'another machine'\]; nothing was due\. Boots that lie no more than `slack_s` seconds apart",
            "restart|another host",
        ),
        (
            "a slack of one second, always",
            but(_DOUBTS, "last_boot - slack_s", "last_boot - 1").replace("last_boot + slack_s", "last_boot + 1"),
            r"slack_s 30, .*`slack_s` is an argument",
            "restart|another host",
        ),
        (
            "the slack itself is too much",
            but(_DOUBTS, "btime < last_boot - slack_s", "last_boot - btime >= max(slack_s, 1)").replace(
                "btime <= last_boot + slack_s", "btime - last_boot < max(slack_s, 1)"
            ),
            r"slack_s 30, .*Exactly `slack_s` apart is the same boot still",
            "restart|another host",
        ),
        (
            "a reboot is another machine",
            but(_DOUBTS, "btime < last_boot - slack_s", "abs(btime - last_boot) > slack_s"),
            r"'another machine'\]; nothing was due\. A boot that is newer is a reboot, and good",
            "restart|another host",
        ),
        (
            "a reboot changes nothing",
            but(_DOUBTS, "if btime <= last_boot + slack_s:", "if True:"),
            r"nothing was due\. After a reboot time and ticks begin anew|After a reboot time and ticks",
            "another host",
        ),
        (
            "a reboot may be late",
            but(
                _DOUBTS,
                "            if btime <= last_boot + slack_s:\n                if timestamp <= last_time:\n"
                "                    return\n",
                "            if timestamp <= last_time:\n                return\n"
                "            if btime <= last_boot + slack_s:\n",
            ),
            r"A reboot is good whatever its time",
            "another host|went back.*no wonder",
        ),
        (
            "as many ticks have gone back",
            but(_DOUBTS, "ticks < last_ticks", "ticks <= last_ticks"),
            r"gave \['web', 1795000002500, 'went back'\]; nothing was due\. As many ticks as before",
            "restart|another host",
        ),
        (
            "the newest boot of all",
            but(
                _DOUBTS,
                "self.last.update((timestamp, btime, ticks))",
                "self.last.update((timestamp, btime if last is None else max(btime, last[1]), ticks))",
            ),
            r"The boot of the last good record counts, not the newest of all",
            "restart|another host",
        ),
        (
            "an attribute",
            but(
                _DOUBTS,
                'self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))',
                "self.kept = {}",
            )
            .replace("self.last.value()", "self.kept.get(hostname)")
            .replace("self.last.update((timestamp, btime, ticks))", "self.kept[hostname] = timestamp, btime, ticks"),
            r"After a restart .* gave nothing; .* was due\.",
            "another host",
        ),
        (
            "one last record for all hosts",
            but(
                _DOUBTS,
                'self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))',
                "self.kept = None",
            )
            .replace("self.last.value()", "self.kept")
            .replace("self.last.update((timestamp, btime, ticks))", "self.kept = timestamp, btime, ticks"),
            r"another host",
            "in ms",
        ),
        (
            "another machine first",
            but(
                _DOUBTS,
                """        if timestamp < 1000 * btime:
            yield Row(hostname, timestamp, "before boot")
            return
        if last is not None:
            last_time, last_boot, last_ticks = last
            if btime < last_boot - slack_s:
                yield Row(hostname, timestamp, "another machine")
                return
""",
                """        if last is not None:
            last_time, last_boot, last_ticks = last
            if btime < last_boot - slack_s:
                yield Row(hostname, timestamp, "another machine")
                return
        if timestamp < 1000 * btime:
            yield Row(hostname, timestamp, "before boot")
            return
        if last is not None:
""",
            ),
            r"'another machine'\]; .*'before boot'\] was due\. The first reason that holds counts",
            "restart|another host",
        ),
        (
            "no time in the result",
            _DOUBTS.replace("Row(hostname, timestamp, ", "Row(hostname, "),
            r"gave \['web', 'before boot'\]; .* was due\. A result has these fields: hostname, timestamp, reason",
            "restart|another host",
        ),
        (
            "a class and no object",
            but(_DOUBTS, "return Doubts()", "return Doubts"),
            r"(class|object)",
            "was due",
        ),
    ],
}

RIGHT = {
    "14a": [
        ("a return for each reason", _SORT),
        (
            "one error for all, with the reason as its name",
            """
class Unreadable(Exception):
    pass

def check(holds, reason):
    if not holds:
        raise Unreadable(reason)

def decode():
    check(value is not None, "null")
    check(len(value) > 0, "empty")
    check(value.startswith(b"\\0"), "wrong magic")
    check(len(value) > 5, "too short")
    writer = schemas.get(int.from_bytes(value[1:5]))
    check(writer is not None, "unknown schema")
    full = [f"{schema['namespace']}.{schema['name']}" for schema in (writer, reader)]
    check(full[0] == full[1], "other record")
    rest = io.BytesIO(value[5:])
    try:
        record = fastavro.schemaless_reader(rest, writer, reader)
    except EOFError:
        raise Unreadable("ends early") from None
    except IndexError:
        raise Unreadable("ends early") from None
    except Exception as error:
        raise Unreadable("unreadable") from error
    check(rest.tell() == len(value) - 5, "left over")
    return record

try:
    return ["record", decode()]
except Unreadable as reason:
    return ["dead letter", str(reason), key, value, headers]
""",
        ),
        (
            "the frame by struct",
            """
import struct

reason = record = None
if value is None:
    reason = "null"
elif not value:
    reason = "empty"
elif value[:1] != b"\\x00":
    reason = "wrong magic"
elif len(value) <= struct.calcsize(">bI"):
    reason = "too short"
else:
    _, number = struct.unpack_from(">bI", value)
    file = io.BytesIO(value)
    file.seek(5)
    if number not in schemas:
        reason = "unknown schema"
    elif [schemas[number].get(part) for part in ("name", "namespace")] != [reader["name"], reader["namespace"]]:
        reason = "other record"
    else:
        try:
            record = fastavro.schemaless_reader(
                file, fastavro.parse_schema(schemas[number]), fastavro.parse_schema(reader)
            )
            if file.read(1):
                reason = "left over"
        except Exception as error:
            reason = "ends early" if isinstance(error, (EOFError, IndexError)) else "unreadable"
return ("dead letter", reason, key, value, headers) if reason else ("record", record)
""",
        ),
    ],
    "14b": [
        ("a return for each case", _DOUBTS),
        (
            "three states of LONG, and a list",
            """
class Doubts(KeyedProcessFunction):
    def open(self, runtime_context):
        self.states = [runtime_context.get_state(ValueStateDescriptor(name, Types.LONG()))
                       for name in ("time", "boot", "ticks")]

    def process_element(self, row, ctx):
        host, *now = row
        last = [state.value() for state in self.states]
        reason = judged(now, last)
        if reason == "good":
            for state, value in zip(self.states, now):
                state.update(value)
        return [Row(host, now[0], reason)] if reason not in ("good", "late") else []

def judged(now, last):
    if now[0] / 1000 < now[1]:
        return "before boot"
    if last[0] is None:
        return "good"
    newer_by = now[1] - last[1]
    if abs(newer_by) > slack_s:
        return "good" if newer_by > 0 else "another machine"
    if now[0] <= last[0]:
        return "late"
    return "went back" if now[2] < last[2] else "good"

return Doubts()
""",
        ),
        (
            "a map state by name",
            """
from pyflink.datastream.state import MapStateDescriptor

class Doubts(KeyedProcessFunction):
    def __init__(self, slack):
        self.slack = slack

    def open(self, runtime_context):
        self.good = runtime_context.get_map_state(MapStateDescriptor("good", Types.STRING(), Types.LONG()))

    def process_element(self, row, ctx):
        host, at, boot, ticks = row
        reason = None
        if at < boot * 1000:
            reason = "before boot"
        elif not self.good.is_empty():
            moved = boot - self.good.get("boot")
            if moved < -self.slack:
                reason = "another machine"
            elif moved <= self.slack and at <= self.good.get("at"):
                return
            elif moved <= self.slack and ticks < self.good.get("ticks"):
                reason = "went back"
        if reason:
            yield Row(host, at, reason)
        else:
            for name, value in (("at", at), ("boot", boot), ("ticks", ticks)):
                self.good.put(name, value)

return Doubts(slack_s)
""",
        ),
    ],
}
