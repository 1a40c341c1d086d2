"""HTTP to the lab's own services, never by way of a proxy: a proxy is for downloads, and cannot reach them.

    request("GET", "http://127.0.0.1:8082/overview")                      httpx2's answer
    environment({"HTTP_PROXY": "http://proxy:3128"}, ["127.0.0.1"])       the same, and NO_PROXY with those hosts

The first is for what labkit itself asks, the second for programs that it starts.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

import httpx2

from labkit.system.waiting import patience

__all__ = ["client", "environment", "request"]

_ANSWER_S = 10.0


def client(timeout_s: float = _ANSWER_S) -> httpx2.Client:
    """A client that does not read HTTP_PROXY and the like. The caller closes it.

    It waits `timeout_s` for an answer, and on a busy machine for longer (`patience`).
    """
    return httpx2.Client(trust_env=False, timeout=patience(timeout_s), verify=_tls())


def request(method: str, url: str, timeout_s: float = _ANSWER_S, **options: Any) -> httpx2.Response:
    """Ask once; `options` are those of httpx2 (json, params, headers, content, files). Raises `httpx2.HTTPError`."""
    with client(timeout_s) as asking:
        return asking.request(method, url, **options)


def environment(given: Mapping[str, str], own: Iterable[str]) -> dict[str, str]:
    """`given`, for a program that talks to the hosts `own`: they are in NO_PROXY, in both spellings."""
    found = dict(given)
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in found.get(name, "").split(",") if host]
        if "*" not in hosts:
            found[name] = ",".join(dict.fromkeys([*hosts, *own]))
    return found


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all clients: httpx2 would load every CA again for each of them, for services that speak plain HTTP."""
    return ssl.create_default_context()
