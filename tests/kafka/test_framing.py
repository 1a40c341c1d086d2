"""A value in another serializer's framing is named; one in ours is not."""

from __future__ import annotations

import pytest

from labkit.kafka.framing import in_other_framing

GUID = bytes(range(16))


@pytest.mark.parametrize(
    ("value", "headers", "words"),
    [
        (b"\x0ahost", {"__value_schema_id": b"\1" + GUID}, "its header __value_schema_id"),
        (b"\x0ahost", {"apicurio.value.globalId": b"7"}, "its header apicurio.value.globalId"),
        (b'  {"hostname": "a"}', {}, "JSON"),
        (b"\0" + (7).to_bytes(8, "big") + b"body", {}, "one id, 7, in the framing of Apicurio"),
        (b"\1" + GUID + b"body", {}, "a GUID of 16 bytes"),
        (b"\3\0" + GUID + b"body", {}, "AWS Glue"),
        (b"\3\5" + GUID + b"body", {}, "AWS Glue"),
        (b"\0\0\0\0\7body", {"traceparent": b"00"}, ""),
        (b"\1", {}, ""),
        (b"", {}, ""),
        (None, {}, ""),
    ],
)
def test_another_framing_is_named(value: bytes | None, headers: dict[str, bytes], words: str) -> None:
    said = in_other_framing(value, headers)
    assert words in said
    assert bool(said) == bool(words)
