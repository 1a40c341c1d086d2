# %% [markdown]
# # Exercises 03: Avro and the registry
#
# Two exercises to notebook 03, 20 to 30 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. Ask it as often as you like. What the second one registers has
# subjects that end in `_ex03-value`.

# %%
import io
import json

import fastavro
import httpx2

from labkit.workshop.check import NotSolved, check
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

# %% [markdown]
# ## 03b Frame a record
#
# Write `framed(registry_url, subject, schema, record)`: register `schema` (parsed JSON) under `subject`, and return
# the bytes of a Kafka value in Confluent's wire format: magic byte, schema id, Avro body of `record`. The registry is
# asked over HTTP:
#
#     POST {registry_url}/subjects/{subject}/versions     {"schema": "…the schema as text…"}     ->   {"id": 7}
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
