"""The schema registry, through Confluent's API: register a schema, look one up by its id.

Source: Confluent's "Schema Registry API reference"; Apicurio answers it at /apis/ccompat/v7.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar, cast

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from labkit.errors import BadInput, LabkitError
from labkit.kafka.flow import Flow
from labkit.system import own_http

__all__ = ["Registry", "RegistryUnavailable", "retry_until_available"]

_NOT_THERE = (400, 404, 410, 422)  # it may never be; whatever else it says of an id, it may say otherwise later
_WAIT_S = 1.0
_ANSWER_S = 5

T = TypeVar("T")


class RegistryUnavailable(LabkitError):
    """The registry does not answer now; it may later."""


class Registry:
    """The registry at `url`. Where `ready_url` is given it counts as away until that answers with success."""

    def __init__(self, url: str, ready_url: str = "") -> None:
        self.url = url
        self._ready_url = ready_url

    @classmethod
    def of(cls, flow: Flow) -> Registry:
        """The flow's: for seconds after its start the lab's own knows nothing, and says so as if nothing were there."""
        return cls(flow.registry_url, flow.registry_ready_url)

    def register(self, subject: str, schema: dict[str, Any]) -> int:
        """Register `schema` under `subject`; returns its id. Registering it again returns the same id.

        It has to read what every version before it wrote, since topics keep records of all of them:
        BACKWARD looks at the last version only, and would let a default go in two steps. Raises
        `RegistryUnavailable`, or `BadInput` with the registry's own words where it refuses the schema.
        """
        try:
            self._require_ready()
            with self._client() as client:
                client.set_compatibility(subject, "BACKWARD_TRANSITIVE")
                return int(client.register_schema(subject, Schema(json.dumps(schema), "AVRO")))
        except SchemaRegistryError as error:
            raise (
                self._away()
                if error.http_status_code >= 500
                else BadInput(
                    f"The registry refuses the schema for {subject}: {error.error_message}.",
                    "A new version may add fields that have a default; nothing was changed.",
                )
            ) from None
        except (httpx2.HTTPError, OSError):
            raise self._away() from None

    def versions(self, subject: str) -> dict[int, dict[str, Any]]:
        """{schema id: schema} of every version under `subject`; none where there is no such subject.

        Raises `RegistryUnavailable`.
        """
        try:
            self._require_ready()
            with self._client() as client:
                found = [client.get_version(subject, number) for number in client.get_versions(subject)]
        except SchemaRegistryError as error:
            if error.http_status_code in _NOT_THERE:
                return {}
            raise self._away() from None
        except (httpx2.HTTPError, OSError):
            raise self._away() from None
        return {int(version.schema_id): _parsed(version.schema) for version in found}

    def schema(self, schema_id: int) -> dict[str, Any] | None:
        """The schema with that id, or None where nobody registered it. Raises `RegistryUnavailable`."""
        try:
            self._require_ready()
            with self._client() as client:
                found = client.get_schema(schema_id)
        except SchemaRegistryError as error:
            if error.http_status_code in _NOT_THERE:
                return None
            raise self._away() from None
        except (httpx2.HTTPError, OSError):
            raise self._away() from None
        return _parsed(found)

    def wait_for_schema(self, schema_id: int) -> dict[str, Any] | None:
        """Like `schema`, but waits for a registry that is away."""
        return retry_until_available(lambda: self.schema(schema_id))

    def _require_ready(self) -> None:
        """First of all, since "not found" is true only of a registry that was ready before it was asked."""
        if self._ready_url and not own_http.request("GET", self._ready_url, _ANSWER_S).is_success:
            raise self._away()

    def _away(self) -> RegistryUnavailable:
        return RegistryUnavailable(f"The registry does not answer at {self.url}.", "Start the services: labkit up")

    def _client(self) -> closing[SchemaRegistryClient]:
        client = SchemaRegistryClient({"url": self.url, "max.retries": 0})
        # Its configuration knows "by this proxy" and "as the environment says"; "by none" only its session does.
        client._rest_client.session.close()
        client._rest_client.session = own_http.client(_ANSWER_S)
        return closing(client)


def _parsed(found: Schema) -> dict[str, Any]:
    if found.schema_type != "AVRO":
        return {"type": str(found.schema_type).lower()}  # no Avro type, and so no Avro schema
    return cast(dict[str, Any], json.loads(str(found.schema_str)))


def retry_until_available(
    call: Callable[[], T], on_wait: Callable[[LabkitError], None] = lambda _: time.sleep(_WAIT_S)
) -> T:
    """`call()` again and again for as long as the registry is away; `on_wait` waits in between."""
    while True:
        try:
            return call()
        except RegistryUnavailable as away:
            on_wait(away)
