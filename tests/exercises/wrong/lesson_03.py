"""Answers to the exercises of 03: wrong ones, with what each has to hear and must not hear, and right ones."""

from __future__ import annotations


def _read(
    *,
    start: str = "start",
    byte: str = "byte & 0x7F",
    step: int = 7,
    goes_on: str = "byte >= 0x80",
    end: str = "unsigned >> 1 ^ -(unsigned & 1), place",
    add: str = "",
) -> str:
    """An answer to 03a in which one thing may be another one."""
    return f"""
unsigned, shift, place = 0, 0, {start}
while True:
    byte = data[place]
    {add or f"unsigned |= ({byte}) << shift"}
    shift += {step}
    place += 1
    if not ({goes_on}):
        return {end}
"""  # fmt: skip


def _framed(
    value: str = 'b"\\0" + schema_id.to_bytes(4, "big") + body.getvalue()',
    *,
    url: str = "{registry_url}/subjects/{subject}/versions",
    sent: str = '{"schema": json.dumps(schema)}',
    schema_id: str = 'answer.json()["id"]',
    write: str = "fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)",
    before: str = "",
) -> str:
    """An answer to 03b in which one thing may be another one."""
    return f"""
{before}
answer = httpx2.post(f"{url}", json={sent})
schema_id = {schema_id}
body = io.BytesIO()
{write}
return {value}
"""


_SEEN = "before zig-zag|Odd numbers|another one follows|lowest seven bits"

WRONG = {
    "03a": [
        ("no zig-zag", _read(end="unsigned, place"), r"gave the number 10; it is 5\. .*before zig-zag", "another one"),
        ("halves negative ones with a float",
         _read(end="(unsigned // 2 if unsigned % 2 == 0 else -int((unsigned + 1) / 2)), place"),
         r"gave the number -1152921504606846976; it is -1152921504606846977\. .*A float has 53 bits",
         "before zig-zag|Odd numbers"),
        (
            "halves with a float",
            _read(end="(int(unsigned / 2) if unsigned % 2 == 0 else -int((unsigned + 1) / 2)), place"),
            r"gave the number 1152921504606846976; it is 1152921504606846977\. .*A float has 53 bits",
            "before zig-zag|Odd numbers",
        ),
        ("no sign", _read(end="unsigned >> 1, place"), r"2; it is -3\. .*Odd numbers stand for", "before zig-zag"),
        (
            "one byte only",
            "byte = data[start] & 0x7F\nreturn byte >> 1 ^ -(byte & 1), start + 1",
            r"gave the number 1; it is 4673\. .*another one follows",
            "lowest seven bits|Odd",
        ),
        (
            "the highest bits first",
            _read(add="unsigned = unsigned << 7 | byte & 0x7F"),
            r"it is \d+\. .*lowest seven bits, not the highest",
            "another one follows|Odd",
        ),
        (
            "the length in place of the place",
            _read(end="(unsigned >> 1 ^ -(unsigned & 1)), place - start"),
            r"gave the place 1; the place after the number is 3\. .*from the beginning of data",
            "last byte|too far",
        ),
        (
            "the place of the last byte",
            _read(end="(unsigned >> 1 ^ -(unsigned & 1)), place - 1"),
            r"gave the place 0; .*its last byte",
            "beginning of data|too far",
        ),
        ("always from the beginning", _read(start="0"), r"what begins at data\[0\]", _SEEN),
        (
            "the flag counted as a bit",
            _read(byte="byte"),
            r"it is \d+\. .*whether another one follows: it does not count",
            "lowest seven|Odd",
        ),
        ("eight bits for each byte", _read(step=8), r"it is \d+\. .*seven bits further up", "lowest seven|Odd"),
        (
            "divides with /",
            _read(end="((unsigned / 2) if unsigned % 2 == 0 else -((unsigned + 1) / 2)), place"),
            r"gave \(0\.0, 1\), with a float.*// or >>",
            _SEEN,
        ),
        (
            "five bytes at the most",
            _read(goes_on="byte >= 0x80 and place - start < 5"),
            r"it is -?\d{11,}\. .*ten bytes: those behind are missing",
            "another one follows|lowest seven",
        ),
        ("the place first", _read(end="place, unsigned >> 1 ^ -(unsigned & 1)"), r"The number comes first", _SEEN),
        (
            "reads one byte too many",
            _read(end="data[place] * 0 + (unsigned >> 1 ^ -(unsigned & 1)), place"),
            r"raised IndexError.*ends with the last byte of data",
            _SEEN,
        ),
        ("nothing returned", _read(end="None"), r"gave None; it should give \(0, 1\)", _SEEN),
    ],
    "03b": [
        (
            "ids remembered by subject",
            """
            if not hasattr(framed, "ids"):
                framed.ids = {}
            if subject not in framed.ids:
                asked = httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)})
                framed.ids[subject] = asked.json()["id"]
            body = io.BytesIO()
            fastavro.schemaless_writer(body, schema, record)
            return b"\\0" + framed.ids[subject].to_bytes(4, "big") + body.getvalue()
            """,
            r"is not the one that was given.*This time nobody asked the registry.*An id belongs to a schema",
            "parse_schema|return",
        ),
        (
            "the id of the latest version",
            _framed(schema_id='httpx2.get(f"{registry_url}/subjects/{subject}/versions/latest").json()["id"]'),
            r"the schema id \d+; the registry gave asked_disks_ex03-value the id \d+\..*latest version of a subject",
            "number of the subject's version|highest byte",
        ),
        ("no frame", _framed("body.getvalue()"), r"with 08 73 64 61.*the Avro body alone", "subject|highest byte"),
        (
            "the id's lowest byte first",
            _framed('b"\\0" + schema_id.to_bytes(4, "little") + body.getvalue()'),
            r"takes that for the schema id \d+.*highest byte first",
            "four bytes",
        ),
        (
            "one byte for the id",
            _framed("bytes([0, 0, 0, 0, schema_id]) + body.getvalue()"),
            r"With the schema id \d{5,} your function raised ValueError.*four bytes",
            "highest byte|refus",
        ),
        (
            "the lowest byte of the id",
            _framed("bytes([0, 0, 0, 0, schema_id & 0xFF]) + body.getvalue()"),
            r"only the lower part of the id \d{5,}.*four bytes",
            "highest byte|version",
        ),
        (
            "two bytes for the id",
            _framed('b"\\0\\0\\0" + schema_id.to_bytes(2, "big") + body.getvalue()'),
            r"With the schema id \d{5,} your function raised OverflowError.*four bytes",
            "highest byte|version",
        ),
        (
            "eight bytes for the id",
            _framed('b"\\0" + schema_id.to_bytes(8, "big") + body.getvalue()'),
            r"takes eight bytes there.*four bytes",
            "highest byte|version",
        ),
        ("no magic byte", _framed("schema_id.to_bytes(4) + body.getvalue()"), r"the schema id and the body.*magic byte",
         "four bytes|highest"),
        (
            "the sign 0 for the magic byte",
            _framed('b"0" + schema_id.to_bytes(4) + body.getvalue()'),
            r"that is 30, the sign 0",
            "four bytes|highest",
        ),
        (
            "always the id 1",
            _framed('b"\\0" + (1).to_bytes(4, "big") + body.getvalue()', schema_id="1"),
            r"the schema id 1; the registry gave asked_\S+-value the id \d+",
            "highest byte|lower part|version",
        ),
        (
            "an Avro file",
            _framed(write="fastavro.writer(body, fastavro.parse_schema(schema), [record])"),
            r"an Avro file with its schema inside",
            "Kafka value is bytes",
        ),
        ("JSON instead of Avro", _framed(write="body.write(json.dumps(record).encode())"), r"that is JSON", "highest"),
        (
            "the schema as an object",
            _framed(sent='{"schema": schema}'),
            r"answered 400 to POST .*: Cannot deserialize.*String.* raised KeyError: 'id', in framed, line \d.*dumps",
            "four bytes",
        ),
        (
            "a subject of its own",
            _framed(url="{registry_url}/subjects/{settings.flow.subject}/versions"),
            r"Nothing is registered under the subject asked_disks_ex03-value; the last question was POST",
            "four bytes|nobody asked",
        ),
        (
            "another address than the one that was given",
            _framed(url="{settings.registry_url}/subjects/{subject}/versions"),
            r"Nobody asked at the registry_url|at another address: ask at the registry_url",
            "POST the schema|four bytes",
        ),
        (
            "registers it under a second subject too",
            _framed(before="""
sent = {"schema": json.dumps(schema)}
httpx2.post(f"{registry_url}/subjects/x_{subject}/versions", json=sent)
"""),
            r"also a new subject x_asked_disks_ex03-value",
            "four bytes|refused",
        ),
        (
            "registers a schema of its own making",
            _framed(sent='{"schema": json.dumps({**schema, "fields": schema["fields"][:1]})}'),
            r"is not the one that was given.*its field free is another one",
            "four bytes",
        ),
        (
            "asks once for each subject",
            _framed(schema_id='framed.__dict__.setdefault(("id", registry_url, subject), answer.json()["id"])'),
            r"schema id|read",
            "four bytes|highest byte",
        ),
        (
            "registers what fastavro makes of it",
            _framed(before="schema = fastavro.parse_schema(schema)"),
            r"is not the one that was given: the key __fastavro_parsed is new.*under a name of its own",
            "four bytes|another one",
        ),
        (
            "changes the record",
            _framed(before='record["device"] = "x"'),
            r"changed what it was given \(record\)",
            "four bytes",
        ),
        ("the stream itself returned", _framed("body"), r"returned <_io.BytesIO.*not bytes.*getvalue", "return\\?"),
    ],
}  # fmt: skip

RIGHT = {
    "03a": [
        (
            "fastavro, and how far it read",
            "stream = io.BytesIO(data)\nstream.seek(start)\n"
            'number = fastavro.schemaless_reader(stream, "long", None)\nreturn [number, stream.tell()]',
        ),
        (
            "multiplied and divided",
            """
number, factor = 0, 1
for place in range(start, len(data)):
    number += data[place] % 128 * factor
    factor *= 128
    if data[place] < 128:
        break
return (number // 2 if number % 2 == 0 else -(number // 2) - 1), place + 1
""",
        ),
        (
            "by itself again",
            """
def unsigned(place):
    if data[place] & 0x80:
        rest, end = unsigned(place + 1)
        return rest << 7 | data[place] & 0x7F, end
    return data[place], place + 1

number, end = unsigned(start)
return (number >> 1) ^ -(number & 1), end
""",
        ),
    ],
    "03b": [
        (
            "struct, urllib, a bytearray",
            """
import struct
import urllib.request

request = urllib.request.Request(
    f"{registry_url}/subjects/{subject}/versions",
    json.dumps({"schema": json.dumps(schema, indent=1), "schemaType": "AVRO"}).encode(),
    {"Content-Type": "application/vnd.schemaregistry.v1+json"},
)
with urllib.request.urlopen(request) as answer:
    schema_id = json.load(answer)["id"]
body = io.BytesIO()
body.write(struct.pack(">bI", 0, schema_id))
fastavro.schemaless_writer(body, schema, record)
return bytearray(body.getvalue())
""",
        ),
        (
            "Confluent's own client",
            """
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

with SchemaRegistryClient({"url": registry_url}) as client:
    schema_id = client.register_schema(subject, Schema(json.dumps(schema), "AVRO"))
body = io.BytesIO(b"\\0" + schema_id.to_bytes(4, "big"))
body.seek(0, io.SEEK_END)
fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
return body.getvalue()
""",
        ),
        (
            "a client, and the parsed schema registered",
            """
parsed = fastavro.parse_schema(schema)
with httpx2.Client(base_url=registry_url) as client:
    text = json.dumps({name: value for name, value in parsed.items() if not name.startswith("__")})
    schema_id = client.post(f"/subjects/{subject}/versions", json={"schema": text}).json()["id"]
out = io.BytesIO()
fastavro.schemaless_writer(out, parsed, record)
out.seek(0)
return b"".join([bytes(1), bytes(schema_id >> shift & 0xFF for shift in (24, 16, 8, 0)), out.read()])
""",
        ),
    ],
}
