"""Answers to the exercises of 13: wrong ones, with what each has to hear and must not hear, and right ones."""

from __future__ import annotations

from tests.support.answers import but

_READ = """
def can_read(writer, record, reader):
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(copy.deepcopy(writer)), record)
    body.seek(0)
    try:
        fastavro.schemaless_reader(
            body, fastavro.parse_schema(copy.deepcopy(writer)), fastavro.parse_schema(copy.deepcopy(reader))
        )
    except Exception:
        return False
    return True

"""
_FOUND = """
found = set()
if can_read(old, old_record, new):
    found.add("BACKWARD")
if can_read(new, new_record, old):
    found.add("FORWARD")
return found
"""

_ALLOWED = """
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
"""

WRONG = {
    "13a": [
        (
            "the words changed over",
            _READ + _FOUND.replace("BACKWARD", "X").replace("FORWARD", "BACKWARD").replace("X", "FORWARD"),
            r"A field without a default: verdict gave BACKWARD; it is FORWARD.*FORWARD is the other way round",
            "names of fields|one by one",
        ),
        (
            "no schema of the reader's",
            but(_READ, "fastavro.parse_schema(copy.deepcopy(reader))\n", "None\n") + _FOUND,
            r"verdict gave BACKWARD and FORWARD; it is FORWARD.*a schema of its own",
            "names of fields|the other way round\\.",
        ),
        (
            "the writer's and the reader's changed over",
            but(
                _READ,
                "body, fastavro.parse_schema(copy.deepcopy(writer)), fastavro.parse_schema(copy.deepcopy(reader))",
                "body, fastavro.parse_schema(copy.deepcopy(reader)), fastavro.parse_schema(copy.deepcopy(writer))",
            )
            + _FOUND,
            r"verdict gave .*; it is",
            "names of fields|one by one",
        ),
        (
            "the names of fields",
            """
before, after = ({field["name"] for field in schema["fields"]} for schema in (old, new))
return {word for word, can in (("BACKWARD", after <= before), ("FORWARD", before <= after)) if can}
""",
            r"A field with a default: verdict gave FORWARD; it is BACKWARD and FORWARD.*names of fields alone",
            "the other way round:|one by one",
        ),
        (
            "FULL for both",
            _READ + _FOUND.replace("return found", 'return {"FULL"} if len(found) == 2 else found'),
            r"verdict gave FULL; it is BACKWARD and FORWARD.*both words are in the set",
            "names of fields|one by one",
        ),
        (
            "all or nothing",
            _READ + _FOUND.replace("return found", "return found if len(found) == 2 else set()"),
            r"verdict gave neither of the two; it is FORWARD.*one of them may hold alone",
            "names of fields|both words are",
        ),
        (
            "a list",
            _READ + _FOUND.replace("return found", "return sorted(found)"),
            r"gave \['BACKWARD', 'FORWARD'\], which is no set",
            "it is",
        ),
        (
            "no return",
            _READ + _FOUND.replace("return found", "found"),
            r"gave None, which is no set",
            "Curly",
        ),
        (
            "an error goes through",
            but(_READ, "        return False\n", "        raise\n") + _FOUND,
            r"Your function raised .* on a field without a default",
            "verdict gave",
        ),
        (
            "the record is compared with what was read",
            but(
                _READ,
                "        fastavro.schemaless_reader(\n            body, "
                "fastavro.parse_schema(copy.deepcopy(writer)), fastavro.parse_schema(copy.deepcopy(reader))\n        )",
                "        return record == fastavro.schemaless_reader(body, "
                "fastavro.parse_schema(copy.deepcopy(writer)), fastavro.parse_schema(copy.deepcopy(reader)))",
            )
            + _FOUND,
            r"A field with a default: verdict gave neither of the two; it is BACKWARD and FORWARD",
            "names of fields alone",
        ),
    ],
    "13b": [
        (
            "the mode is never set",
            but(
                _ALLOWED,
                'httpx2.put(f"{registry_url}/config/{subject}", json={"compatibility": now}).raise_for_status()',
                "pass",
            ),
            r"BACKWARD, a field without a default: allowed gave True; the registry says False.*never told the mode",
            "accepted in any case|still there",
        ),
        (
            "the mode from the first version on",
            but(_ALLOWED, 'mode if place == len(versions) - 1 else "NONE"', "mode"),
            r"allowed gave (True|False); the registry says (True|False).*accepted in any case",
            "never told|still there",
        ),
        (
            "nothing is cleared up",
            but(_ALLOWED, 'httpx2.delete(f"{registry_url}/subjects/{subject}{words}")', "pass"),
            r"the subject asked-0_ex13-value is still there afterwards\. .*Both DELETEs",
            "allowed gave|not for good",
        ),
        (
            "deleted, but not for good",
            but(_ALLOWED, '("", "?permanent=true")', '("",)'),
            r"not gone for good afterwards.*Both DELETEs",
            "allowed gave",
        ),
        (
            "cleared up only where it was accepted",
            """
for place, schema in enumerate(versions):
    if place > 0:
        now = mode if place == len(versions) - 1 else "NONE"
        httpx2.put(f"{registry_url}/config/{subject}", json={"compatibility": now}).raise_for_status()
    answer = httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)})
if answer.status_code != 200:
    return False
for words in ("", "?permanent=true"):
    httpx2.delete(f"{registry_url}/subjects/{subject}{words}")
return True
""",
            r"still there afterwards.*Both DELETEs are needed, also where the last version was refused",
            "allowed gave",
        ),
        (
            "an address of its own",
            "from labkit.settings import load_settings\nregistry_url = load_settings().registry_url\n" + _ALLOWED,
            r"nobody asked at the registry_url that was given",
            "allowed gave|still there",
        ),
        (
            "the status",
            but(_ALLOWED, "return answer.status_code == 200", "return answer.status_code"),
            r"allowed gave 409, neither True nor False",
            "still there",
        ),
        (
            "a refusal raises",
            but(_ALLOWED, "return answer.status_code == 200", "answer.raise_for_status()\n    return True"),
            r"Your function raised HTTPStatusError: Client error '409 Conflict'",
            "allowed gave",
        ),
        (
            "the first and the last only",
            but(_ALLOWED, "enumerate(versions)", "enumerate(versions[:1] + versions[-1:])").replace(
                "len(versions) - 1", "1"
            ),
            r"allowed gave (True|False); the registry says (True|False).*2 of 3 versions were registered",
            "still there",
        ),
        (
            "turned round",
            but(_ALLOWED, "return answer.status_code == 200", "return answer.status_code != 200"),
            r"allowed gave True; the registry says False",
            "never told|accepted in any case",
        ),
        (
            "always yes",
            but(_ALLOWED, "return answer.status_code == 200", "return True"),
            r"allowed gave True; the registry says False.*answers to its POSTs were 200, 409",
            "never told|accepted in any case",
        ),
    ],
}

RIGHT = {
    "13a": [
        (
            "a reader of fastavro's own files",
            """
def can_read(writer, record, reader):
    file = io.BytesIO()
    fastavro.writer(file, copy.deepcopy(writer), [record])
    file.seek(0)
    try:
        list(fastavro.reader(file, copy.deepcopy(reader)))
    except Exception:
        return False
    return True

"""
            + _FOUND,
        ),
        ("a frozen set", _READ + _FOUND.replace("return found", "return frozenset(found)")),
        (
            "a set of what is true",
            _READ
            + """
ways = {"BACKWARD": (old, old_record, new), "FORWARD": (new, new_record, old)}
return {word for word, way in ways.items() if can_read(*way)}
""",
        ),
    ],
    "13b": [
        (
            "the last one apart",
            """
*before, last = versions
try:
    for place, schema in enumerate(before):
        if place:
            httpx2.put(f"{registry_url}/config/{subject}", json={"compatibility": "NONE"}).raise_for_status()
        httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)})
    if before:
        httpx2.put(f"{registry_url}/config/{subject}", json={"compatibility": mode}).raise_for_status()
    return httpx2.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(last)}).is_success
finally:
    httpx2.delete(f"{registry_url}/subjects/{subject}")
    httpx2.delete(f"{registry_url}/subjects/{subject}?permanent=true")
""",
        ),
        (
            "Confluent's client",
            """
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
client = SchemaRegistryClient({"url": registry_url})
try:
    for place, schema in enumerate(versions):
        if place:
            client.set_compatibility(subject, mode if place == len(versions) - 1 else "NONE")
        client.register_schema(subject, Schema(json.dumps(schema), "AVRO"))
    return True
except SchemaRegistryError as error:
    if error.http_status_code != 409:
        raise
    return False
finally:
    client.delete_subject(subject)
    client.delete_subject(subject, permanent=True)
""",
        ),
        (
            "one client of httpx2's, kept open",
            """
with httpx2.Client(base_url=registry_url) as registry:
    try:
        for place, schema in enumerate(versions):
            if place:
                now = "NONE" if place < len(versions) - 1 else mode
                registry.put(f"/config/{subject}", json={"compatibility": now}).raise_for_status()
            last = registry.post(f"/subjects/{subject}/versions", json={"schema": json.dumps(schema)})
        return last.status_code != 409
    finally:
        registry.delete(f"/subjects/{subject}").raise_for_status()
        registry.delete(f"/subjects/{subject}?permanent=true").raise_for_status()
""",
        ),
    ],
}
