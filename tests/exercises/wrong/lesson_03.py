"""Typical wrong answers to the exercises of lesson 03: (what is wrong, the answer, the verdict it should get)."""

from __future__ import annotations

WRONG = {
    "03a": [
        (
            "no zig-zag",
            """
unsigned, shift, place = 0, 0, start
while True:
    byte = data[place]
    unsigned |= (byte & 0x7F) << shift
    shift += 7
    place += 1
    if byte < 0x80:
        return unsigned, place
""",
            r"gave the number 10; it is 5\. .*before zig-zag",
        ),
        (
            "no sign",
            """
unsigned, shift, place = 0, 0, start
while True:
    byte = data[place]
    unsigned |= (byte & 0x7F) << shift
    shift += 7
    place += 1
    if byte < 0x80:
        return unsigned >> 1, place
""",
            r"gave the number 0; it is -1\. .*Odd numbers stand for negative ones",
        ),
        (
            "one byte only",
            """
byte = data[start] & 0x7F
return byte >> 1 ^ -(byte & 1), start + 1
""",
            r"gave the number 0; it is 64\. .*another one follows",
        ),
        (
            "the highest bits first",
            """
unsigned, place = 0, start
while True:
    byte = data[place]
    unsigned = unsigned << 7 | byte & 0x7F
    place += 1
    if byte < 0x80:
        return unsigned >> 1 ^ -(unsigned & 1), place
""",
            r"it is 64\. .*lowest seven bits, not the highest",
        ),
        (
            "the length in place of the place",
            """
unsigned, length = 0, 0
while True:
    byte = data[start + length]
    unsigned |= (byte & 0x7F) << 7 * length
    length += 1
    if byte < 0x80:
        return unsigned >> 1 ^ -(unsigned & 1), length
""",
            r"gave the place 1; .*from the beginning of data",
        ),
    ],
    "03b": [
        (
            "no frame",
            """
httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)}).raise_for_status()
body = io.BytesIO()
fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
return body.getvalue()
""",
            r"begins with 08 73 64 61.*the Avro body alone",
        ),
        (
            "the id's lowest byte first",
            """
answer = httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)})
body = io.BytesIO()
fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
return b"\\0" + answer.json()["id"].to_bytes(4, "little") + body.getvalue()
""",
            r"takes that for the schema id \d+.*highest byte first",
        ),
        (
            "one byte for the id",
            """
answer = httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)})
body = io.BytesIO()
fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
return bytes([0, 0, 0, 0, answer.json()["id"]]) + body.getvalue()
""",
            r"With the schema id \d{3,} your function raised ValueError.*four bytes",
        ),
        (
            "the lowest byte of the id",
            """
answer = httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)})
body = io.BytesIO()
fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
return bytes([0, 0, 0, 0, answer.json()["id"] & 0xFF]) + body.getvalue()
""",
            r"only the lowest byte of the id \d{3,}.*four bytes",
        ),
        (
            "always the id 1",
            """
httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)}).raise_for_status()
body = io.BytesIO()
fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
return b"\\0" + (1).to_bytes(4, "big") + body.getvalue()
""",
            r"the schema id 1; the registry gave asked_\w+-value the id \d+",
        ),
        (
            "an Avro file",
            """
answer = httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)})
body = io.BytesIO()
fastavro.writer(body, fastavro.parse_schema(schema), [record])
return b"\\0" + answer.json()["id"].to_bytes(4, "big") + body.getvalue()
""",
            r"an Avro file with its schema inside",
        ),
        (
            "the schema as an object",
            """
answer = httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": schema})
body = io.BytesIO()
fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
return b"\\0" + answer.json()["id"].to_bytes(4, "big") + body.getvalue()
""",
            r"The registry answered 400: Cannot deserialize.*String.* raised KeyError: 'id', in line \d.*dumps",
        ),
        (
            "a subject of its own",
            """
answer = httpx2.post(
    f"{registry_url}/subjects/{settings.flow.subject}/versions", json={"schema": json.dumps(schema)}
)
body = io.BytesIO()
fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
return b"\\0" + answer.json()["id"].to_bytes(4, "big") + body.getvalue()
""",
            r"Nothing is registered under the subject asked_disks_ex03-value",
        ),
    ],
}
