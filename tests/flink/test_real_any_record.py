"""What others may write into the topic of snapshots: read as ours or set aside as it came, and the job goes on."""

from __future__ import annotations

import copy
import json
import uuid
from functools import partial

import pandas as pd
from confluent_kafka import Message

from labkit.jobs.submit import submit
from labkit.kafka.avro import read_schema
from labkit.kafka.consumer import read_topic
from labkit.kafka.registry import Registry
from labkit.settings import Settings, load_settings
from labkit.streams.names import JOBS
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.records import to_record
from tests.support.feeds import hosts, shares_by_pandas
from tests.support.labs import Labkit
from tests.support.pipelines import finish, idle, rows_of
from tests.support.records import framed, send_raw, v1

GUID = b"\x01" + uuid.UUID("6f1c2a5e-8f0d-4b57-9f40-0d3c5f2f7a11").bytes


def test_a_schema_with_logical_types_is_read_and_records_in_other_framings_are_set_aside_as_they_came(
    lab: Settings, labkit: Labkit
) -> None:
    own = idle(load_settings(suffix="_any"))
    registered = partial(Registry.of(own.flow).register, own.flow.subject)
    ours = read_schema(own.schema_dir, PROCSTAT)
    theirs = copy.deepcopy(ours)
    theirs["fields"][1]["type"] = {"type": "long", "logicalType": "timestamp-millis"}
    theirs["fields"].append({"name": "more", "type": {"type": "array", "items": "null"}, "default": []})
    endless = registered(theirs)
    theirs["fields"].pop()
    number = registered(theirs)
    assert number not in (endless, registered(ours))
    feed = hosts(["dated"], 3, seed=21)
    plain = hosts(["plain"], 3, seed=22)
    send_raw(own, [(b"dated", framed(one, theirs, number)) for one in feed])
    body = v1(own, plain[0])[5:]
    set_aside: dict[str, tuple[bytes | None, bytes, dict[str, bytes | None], str]] = {
        "guid": (None, body, {"__value_schema_id": GUID, "empty": None, "reason": b"theirs"}, "__value_schema_id"),
        "apicurio": (b"plain", b"\0" + number.to_bytes(8, "big") + body, {}, f"one id, {number}"),
        "json": (b"plain", json.dumps(to_record(plain[0])).encode(), {"content-type": b"json"}, "looks like JSON"),
        "endless": (b"plain", b"\0" + endless.to_bytes(4, "big") + body + b"\xfe" * 9 + b"\x01", {}, "take no bytes"),
    }
    for key, value, headers, _ in set_aside.values():
        send_raw(own, [(key, value)], headers)
    send_raw(own, [(b"plain", v1(own, one)) for one in plain])
    submit(own, *JOBS)
    finish(own)
    pd.testing.assert_frame_equal(rows_of(own, {"dated", "plain"}), shares_by_pandas([*feed, *plain]))
    letters: list[Message] = list(read_topic(own.kafka_bootstrap, own.dead_letters_topic))
    assert len(letters) == len(set_aside)
    shown = labkit("dead-letters", LABKIT_SUFFIX=own.suffix).stdout
    for key, value, headers, words in set_aside.values():
        (letter,) = (one for one in letters if one.value() == value)
        assert letter.key() == key
        found = dict(letter.headers() or [])
        for name, text in headers.items():
            assert found["record.reason" if name == "reason" else name] == (text or b"")
        assert words in (found["reason"] or b"").decode()
        assert words in shown
