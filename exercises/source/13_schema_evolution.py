# %% [markdown]
# # Exercises 13: Schema evolution
#
# Two exercises to notebook 13, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. 13a needs nothing but fastavro. 13b asks the lab's registry,
# with subjects that end in `_ex13-value`. Ask it as often as you like. Where you are stuck, `hint("13a")` in a cell of
# your own gives a hint, and the next time a clearer one.

# %%
import copy
import io
import json

import fastavro
import httpx2

from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %% [markdown]
# ## 13a Whom does it break?
#
# Write `verdict(old, old_record, new, new_record)`: whom does a change from the schema `old` to the schema `new` break?
#
# - In: two Avro schemas (parsed JSON), and for each a record that fits it.
# - Out: a set of words. `"BACKWARD"` is in it where a reader with `new` can read `old_record`, which was written with
#   `old`. `"FORWARD"` is in it where a reader with `old` can read `new_record`, which was written with `new`.
# - A reader knows the writer's schema and its own. It can read a record where reading raises no error.


# %%
def verdict(old, old_record, new, new_record):
    """A set of "BACKWARD" and "FORWARD": what may be read after the change."""

    # BEGIN 13a
    def can_read(writer, record, reader):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(copy.deepcopy(writer)), record)
        body.seek(0)
        try:
            parsed = fastavro.parse_schema(copy.deepcopy(writer)), fastavro.parse_schema(copy.deepcopy(reader))
            fastavro.schemaless_reader(body, *parsed)
        except Exception:
            return False
        return True

    found = {"BACKWARD": can_read(old, old_record, new), "FORWARD": can_read(new, new_record, old)}
    return {word for word, can in found.items() if can}
    # END 13a


# %%
check("13a", verdict)

# %% [markdown] tags=["hints"]
# Hints 13a
#
# 1. Notebook 13, "Whom does a change break?": `written` and `read` there are the two steps, and `can_read` tries them.
#    Yours is given the records.
# 2. Write a function of your own for one direction: write the record with the writer's schema, read it with both
#    schemas, and say whether that raised an error. Then call it twice, with the schemas changed over.
# 3. `fastavro.schemaless_reader(body, writer, reader)` takes the schema that the record was written with first, and
#    that of the reader second. BACKWARD is writer `old`, reader `new`; FORWARD is writer `new`, reader `old`.
#
# Other answers: whoever compares the schemas field by field has to know of aliases, promotions, unions, enums and
# records inside of records. Reading it knows of all of them.

# %% [markdown]
# ## 13b Would it be accepted?
#
# Write `allowed(registry_url, subject, mode, versions)`: would the registry accept the last of these schemas after the
# others?
#
# - In: `versions` is a list of at least one schema (parsed JSON). `mode` is one of BACKWARD, FORWARD, FULL, each also
#   with `_TRANSITIVE`, and NONE.
# - The versions before the last one are accepted in any case, whether they go together or not. Only the last one is up
#   against `mode`.
# - Out: `True` or `False`, as the registry says it. A first version alone is always accepted. The last schema may also
#   be one of those before it.
# - `subject` is not there before. Afterwards it is gone for good, whatever came of it.
#
# The registry is asked over HTTP:
#
#     POST   {registry_url}/subjects/{subject}/versions     {"schema": "…the schema as text…"}     409: refused
#     PUT    {registry_url}/config/{subject}                {"compatibility": "FULL"}     of a subject that is there
#     DELETE {registry_url}/subjects/{subject}              and then the same with ?permanent=true
#
# No other answer than accepted (200) and refused (409) comes here.


# %%
def allowed(registry_url, subject, mode, versions):
    """Whether a registry in that mode accepts the last of these schemas after the others."""
    # BEGIN 13b
    try:
        for place, schema in enumerate(versions):
            if place > 0:
                now = mode if place == len(versions) - 1 else "NONE"
                httpx2.put(f"{registry_url}/config/{subject}", json={"compatibility": now}).raise_for_status()
            answer = httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)})
        return answer.status_code == 200
    finally:
        for words in ("", "?permanent=true"):
            httpx2.delete(f"{registry_url}/subjects/{subject}{words}")
    # END 13b


# %%
check("13b", allowed)

# %% [markdown] tags=["hints"]
# Hints 13b
#
# 1. Notebook 13, "What the registry allows": `allowed` there registers one version after the other. Yours takes the
#    address and the subject, and any number of versions.
# 2. Register the first version: then the subject is there, and can have a mode. For all versions between the first and
#    the last it is NONE, for the last one it is `mode`. The status of the last POST is the answer. Clear up in a
#    `finally`.
# 3. `httpx2.put(f"{registry_url}/config/{subject}", json={"compatibility": mode})` stands before the last POST, and
#    nowhere else with that mode. Both DELETEs come in a `finally`, first the plain one.
#
# Other answers: the registry can also be asked without registering, at `/compatibility/subjects/{subject}/versions`;
# `?verbose=true` says what does not fit.
