# %% [markdown]
# # Exercises 03: Avro and the registry
#
# Two exercises to notebook 03, 20 to 30 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. Ask it as often as you like. What the second one registers has
# subjects that end in `_ex03-value`. Where you are stuck, `hint("03a")` in a cell of your own gives a hint, and the
# next time a clearer one.

# %%
import io
import json

import fastavro
import httpx2

from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution
from labkit.workshop.lesson import begin

settings = begin("03", suffix="_ex03")

# %% [markdown]
# ## 03a Read a number
#
# Write `read_long(data, start)`: read the Avro number that begins at `data[start]`. It returns the number, and the
# place of the first byte after it. `data` is `bytes`; there may be more bytes before the number and behind it.
#
# - Seven bits of each byte count. The highest bit says whether another byte follows. The first byte has the lowest
#   bits.
# - What comes out is zig-zag: 0, 1, 2, 3, 4 stand for 0, -1, 1, -2, 2. Numbers are between -2⁶³ and 2⁶³ - 1.
#
#     read_long(bytes.fromhex("10 74 77 6f"), 0)   ->   (8, 1)
#     read_long(bytes.fromhex("ff 82 49 00"), 1)   ->   (4673, 3)


# %%
def read_long(data, start):
    """The Avro number at `data[start]`, and the place after it."""
    # BEGIN 03a
    unsigned, shift, place = 0, 0, start
    while True:
        byte = data[place]
        unsigned |= (byte & 0x7F) << shift
        shift += 7
        place += 1
        if byte < 0x80:
            return unsigned >> 1 ^ -(unsigned & 1), place
    # END 03a


# %%
check("03a", read_long)

# %% [markdown] tags=["hints"]
# Hints 03a
#
# 1. Notebook 03, "How Avro writes a number": `avro_number` there writes one. Do its two steps the other way round:
#    first put the bits together, then undo zig-zag.
# 2. From `data[start]` on, take the low seven bits of each byte and put them above the bits that you have: moved to
#    the left by 0, 7, 14 and so on. A byte below 0x80 is the last one. Then undo zig-zag: an even number stands for
#    its half, an odd one for a negative number.
# 3. For each byte: `unsigned |= (byte & 0x7F) << shift`, then `shift` grows by 7 and the place by 1. At the end an
#    even number is `unsigned >> 1`, an odd one `-(unsigned >> 1) - 1`. Return it together with the place, which
#    counts from the beginning of `data`.
#
# Other answers: `unsigned >> 1 ^ -(unsigned & 1)` undoes zig-zag without an if, and `unsigned // 2` or `-(unsigned +
# 1) // 2` with plain arithmetic. Collecting the seven bits as text and calling `int(bits, 2)` is right as well, and
# slower.

# %% [markdown]
# ## 03b Frame a record
#
# Write `framed(registry_url, subject, schema, record)`: register `schema` (parsed JSON) under `subject`, and return
# the bytes of a Kafka value in Confluent's wire format: magic byte, schema id, Avro body of `record`. The registry is
# asked over HTTP:
#
#     POST {registry_url}/subjects/{subject}/versions     {"schema": "…the schema as text…"}     ->   {"id": 7}
#
# The text may have other spaces than `schema`, or its names in another order; it is the same schema then.
#
# Example, with a schema of one string field, if the registry gives it the id 7:
#
#     framed(url, "hosts_ex03-value", schema, {"hostname": "web-1"})   ->   00 00 00 00 07 0a 77 65 62 2d 31


# %%
def framed(registry_url, subject, schema, record):
    """`record` as a Kafka value: magic byte, id of `schema` in the registry, Avro body."""
    # BEGIN 03b
    answer = httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)})
    answer.raise_for_status()
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
    return b"\0" + answer.json()["id"].to_bytes(4, "big") + body.getvalue()
    # END 03b


# %%
check("03b", framed)

# %% [markdown] tags=["hints"]
# Hints 03b
#
# 1. Notebook 03, "The registry" asks for the id, and "Five bytes" puts the value together. Your function does both,
#    for any schema and record.
# 2. Three steps. POST the schema to the registry, as text inside JSON, and take the id from the answer. Write the
#    record's Avro body into an `io.BytesIO`. Return the magic byte, the id in four bytes, and the body.
# 3. The id is in `answer.json()["id"]`; its four bytes, the highest first, are `.to_bytes(4, "big")`. The body is
#    what `body.getvalue()` gives, after `fastavro.schemaless_writer` has written the record into `body`. The magic
#    byte is `b"\0"`.
#
# Other answers: `struct.pack(">bI", 0, schema_id)` makes the five bytes at once. A program that sends many records
# asks for the id once and keeps it; this function asks for each record.
