"""Flink's REST API, the few calls that the lab needs.

Source: https://nightlies.apache.org/flink/flink-docs-stable/docs/ops/rest_api/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2

from labkit.errors import LabkitError
from labkit.flink.root_cause import root_cause
from labkit.system import own_http
from labkit.system.waiting import wait_until

__all__ = ["Failure", "FlinkRest", "Job"]

_CURRENT_OFFSET = re.compile(
    r".*\.KafkaSourceReader\.topic\.(?P<topic>.+)\.partition\.(?P<partition>\d+)\.currentOffset"
)


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the cluster: `state` is Flink's word, such as RUNNING, RESTARTING, FAILED."""

    id: str
    name: str
    state: str

    @property
    def is_over(self) -> bool:
        """Whether it will not run again by itself."""
        return self.state in ("FINISHED", "CANCELED", "FAILED", "SUSPENDED")


@dataclass(frozen=True, slots=True)
class Failure:
    """A job failed at `at_ms` (ms since the epoch); `trace` is all that Flink says about it."""

    at_ms: int
    trace: str


class FlinkRest:
    """A session cluster at `url`. Every call raises `LabkitError` where the cluster does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url

    def overview(self) -> dict[str, Any]:
        """{"slots-total": 8, "slots-available": 8, "jobs-running": 0, …}"""
        return self._call("GET", "/overview")

    def taskmanagers(self) -> set[str]:
        """The ids of those that are registered: each process has one of its own, a dead one's stays for a while."""
        return {str(row["id"]) for row in self._call("GET", "/taskmanagers")["taskmanagers"]}

    def jobs(self) -> list[Job]:
        """Every job the cluster remembers, the newest first."""
        rows = self._call("GET", "/jobs/overview")["jobs"]
        rows.sort(key=lambda row: -row["start-time"])
        return [Job(row["jid"], row["name"], row["state"]) for row in rows]

    def running(self, name: str) -> Job | None:
        """The job of that name that is not over, or None."""
        return next((job for job in self.jobs() if job.name == name and not job.is_over), None)

    def job(self, job_id: str) -> dict[str, Any]:
        """The job in full: {"name": …, "state": …, "vertices": […], "plan": {"nodes": […]}, …}"""
        return self._call("GET", f"/jobs/{job_id}")

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        """Flink's account of them: how many, and the newest of each kind."""
        return self._call("GET", f"/jobs/{job_id}/checkpoints")

    def tasks(self, job_id: str) -> dict[str, int]:
        """How many subtasks are in which state: {"RUNNING": 5, …}; those with none are left out."""
        vertices = self.job(job_id)["vertices"]
        counts: dict[str, int] = {}
        for vertex in vertices:
            for state, count in vertex["tasks"].items():
                if count:
                    counts[state] = counts.get(state, 0) + count
        return counts

    def runs_since(self, name: str, since_ms: float) -> bool:
        """Whether that job came to RUNNING at `since_ms` (ms since the epoch) or later, and all its tasks run."""
        running = self.running(name)
        if running is None or running.state != "RUNNING":
            return False
        reached = self.job(running.id)["timestamps"]["RUNNING"]
        return bool(reached >= since_ms) and set(self.tasks(running.id)) == {"RUNNING"}

    def state(self, job_id: str) -> str:
        """The job's state, such as RUNNING."""
        return str(self.job(job_id)["state"])

    def root_exception(self, job_id: str) -> str:
        """The trace of what made the job fail last, or "" ."""
        failures = self.failures(job_id)
        return failures[0].trace if failures else ""

    def failures(self, job_id: str) -> list[Failure]:
        """What made the job fail, the newest first; Flink keeps the last 16."""
        history = self._call("GET", f"/jobs/{job_id}/exceptions")["exceptionHistory"]["entries"]
        return [Failure(int(entry["timestamp"]), str(entry["stacktrace"])) for entry in history]

    def cancel(self, job_id: str) -> None:
        """Ask for the job's end, without a savepoint."""
        self._call("PATCH", f"/jobs/{job_id}")

    def read_partitions(self, job_id: str, topic: str) -> set[int]:
        """The partitions of `topic` that the job's source has been given; none until it has begun to report."""
        return {
            int(match["partition"])
            for vertex in self.job(job_id)["vertices"]
            for metric in self._list(f"/jobs/{job_id}/vertices/{vertex['id']}/metrics")
            if (match := _CURRENT_OFFSET.fullmatch(metric["id"])) and match["topic"] == topic
        }

    def read_offsets(self, job_id: str, topic: str) -> dict[int, int]:
        """{partition: offset after the last record that the job's source has handed on} of `topic`.

        Partitions of which the job has read nothing since it started are left out. Taken from the
        source's metric currentOffset: the offsets that it commits to Kafka can be 10 s late.
        """
        offsets: dict[int, int] = {}
        for _, name, value in self._metrics(job_id, _CURRENT_OFFSET):
            match = _CURRENT_OFFSET.fullmatch(name)
            if match and match["topic"] == topic and int(value) >= 0:
                partition = int(match["partition"])
                offsets[partition] = max(offsets.get(partition, 0), int(value) + 1)
        return offsets

    def metrics(self, job_id: str, pattern: str) -> dict[str, float]:
        """{"Source: snapshots[1] -> …: 0.numRecordsOut": 140.0}: each metric that `pattern` finds, behind its vertex.

        `pattern` is a regular expression, looked for in the metric's name. They are a second old at most. What is no
        number is left out.
        """
        found: dict[str, float] = {}
        for vertex, name, value in self._metrics(job_id, re.compile(pattern)):
            with suppress(ValueError):
                found[f"{vertex}: {name}"] = float(value)
        return found

    def _metrics(self, job_id: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, str, str]]:
        """(vertex, name, value) of each metric that `pattern` finds; only their values are asked for."""
        for vertex in self.job(job_id)["vertices"]:
            path = f"/jobs/{job_id}/vertices/{vertex['id']}/metrics"
            wanted = [metric["id"] for metric in self._list(path) if pattern.search(metric["id"])]
            for metric in self._list(path, {"get": ",".join(wanted)}) if wanted else ():
                yield str(vertex["name"]), metric["id"], metric["value"]

    def stop_with_savepoint(self, job_id: str, folder: str, within_s: float = 60) -> str:
        """Stop the job with a savepoint in `folder`; returns its path. Never drains: the job may go on."""
        body = {"targetDirectory": folder, "drain": False}
        trigger = self._call("POST", f"/jobs/{job_id}/stop", body)
        done = self._await_operation(f"/jobs/{job_id}/savepoints/{trigger['request-id']}", within_s)
        return str(done["location"])

    def _await_operation(self, path: str, within_s: float) -> dict[str, Any]:
        status = ""

        def completed() -> dict[str, Any] | None:
            nonlocal status
            answer = self._call("GET", path)
            status = answer["status"]["id"]
            return answer["operation"] if status == "COMPLETED" else None

        operation = wait_until(completed, f"Flink has finished {path}", within_s, seen=lambda: f"it is {status}")
        if "failure-cause" in operation:
            trace = operation["failure-cause"].get("stack-trace", "")
            raise LabkitError(f"Flink refused: {root_cause(trace)}.")
        return operation

    def _list(self, path: str, params: dict[str, str] | None = None) -> list[dict[str, Any]]:
        answer: Any = self._call("GET", path, params=params)
        return list(answer)

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, params: dict[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            response = own_http.request(method, self.url + path, json=body, params=params)
            response.raise_for_status()
        except httpx2.HTTPStatusError as error:
            raise LabkitError(f"Flink answered {error.response.status_code} to {method} {path}.") from None
        except httpx2.HTTPError:
            raise LabkitError(f"Flink does not answer at {self.url}.", "Start the services: labkit up") from None
        answer: dict[str, Any] = response.json() if response.content else {}
        return answer
