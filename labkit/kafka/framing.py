"""How other serializers say which schema a value is of, to tell a value in their framing from a damaged one.

    00 | 4 bytes                   Confluent's, the one that is read here
    00 | 8 bytes                   Apicurio's own, before it took over Confluent's
    01 | 16 bytes                  Confluent's with a GUID; or the same in the header __value_schema_id, and no prefix
    03 | 00 or 05 | 16 bytes       AWS Glue's
    {                              JSON, with no frame at all

Sources: Confluent's "Wire format", Apicurio's "Kafka serializers", AWS Glue's serializer (its source).
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["HEADER_BYTES", "MAGIC", "in_other_framing", "names_a_framing"]

MAGIC = 0
HEADER_BYTES = 5

_CONFLUENT_HEADER, _APICURIO_HEADERS = "__value_schema_id", "apicurio.value."
_GUID_BYTES = 16


def names_a_framing(header: str) -> bool:
    """Whether a header of that name says which schema a value is of."""
    return header == _CONFLUENT_HEADER or header.startswith(_APICURIO_HEADERS)


def in_other_framing(value: bytes | None, headers: Mapping[str, object]) -> str:
    """Which other framing a record that cannot be read seems to have, in words; "" where it seems to have none."""
    for name in headers:
        if names_a_framing(name):
            return f"its header {name} names the schema, a framing that is not read here"
    if not value:
        return ""
    if value.lstrip()[:1] in (b"{", b"["):
        return "it looks like JSON"
    if value[0] == MAGIC and value[1:HEADER_BYTES] == bytes(4) and len(value) > 9:
        number = int.from_bytes(value[1:9], "big")
        return f"bytes 2 to 9 may be one id, {number}, in the framing of Apicurio's own serializer"
    if value[0] == 1 and len(value) > 1 + _GUID_BYTES:
        return "it may be in Confluent's framing with a GUID of 16 bytes"
    if value[0] == 3 and value[1:2] in (b"\0", b"\5") and len(value) > 2 + _GUID_BYTES:
        return "it may be in the framing of AWS Glue"
    return ""
