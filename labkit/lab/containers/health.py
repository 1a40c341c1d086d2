"""The health check of each container: exit status 0 where its service does its work, else a sentence and 1.

    python -S labkit/lab/containers/health.py kafka

It runs every few seconds in every container, so it uses nothing but the standard library: 30 ms instead of 500.
"""

import json
import os
import socket
import struct
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ANSWER_S = 4
STATE_DIR = Path(__file__).resolve().parents[3] / ".lab"
METADATA, UNKNOWN_TOPIC = 3, 3


def port(name: str, default: int) -> int:
    """A port as docker-compose.yml gives it."""
    return int(os.environ.get(f"LABKIT_{name.upper()}_PORT", default))


def get(url: str, headers: "dict[str, str] | None" = None) -> bytes:
    """The body that `url` answers with; raises OSError for everything but success."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(urllib.request.Request(url, headers=headers or {}), timeout=ANSWER_S) as answer:
        return bytes(answer.read())


def metadata(host: str, topics: "list[str]") -> "tuple[int, dict[str, int]]":
    """Asks a broker: (number of brokers it knows, {topic: error code}).

    Source: Kafka protocol guide, Metadata request and response, version 1.
    """
    names = b"".join(struct.pack(">h", len(name)) + name.encode() for name in topics)
    client = b"health"
    request = struct.pack(">hhih", METADATA, 1, 1, len(client)) + client + struct.pack(">i", len(topics)) + names
    with socket.create_connection((host, port("kafka", 9092)), timeout=ANSWER_S) as broker:
        broker.sendall(struct.pack(">i", len(request)) + request)
        stream = broker.makefile("rb")

        def number(form: str) -> int:
            return int(struct.unpack(f">{form}", stream.read(struct.calcsize(form)))[0])

        def text() -> str:
            return stream.read(max(0, number("h"))).decode()

        number("i"), number("i")  # length, correlation id
        brokers = number("i")
        for _ in range(brokers):
            number("i"), text(), number("i"), text()  # id, host, port, rack
        number("i")  # controller
        errors = {}
        for _ in range(number("i")):
            error, name = number("h"), text()
            number("b")  # internal
            for _ in range(number("i")):
                number("h"), number("i"), number("i")  # error, partition, leader
                for _ in range(2):  # replicas, in sync
                    stream.read(4 * number("i"))
            errors[name] = error
        return brokers, errors


def kafka() -> str:
    """The broker has joined its cluster: it names itself."""
    brokers, _ = metadata("127.0.0.1", [])
    return "" if brokers else "the broker knows of no broker yet"


def registry() -> str:
    """The registry has read its schemas; this is told on its management port."""
    get(f"http://127.0.0.1:{port('registry_management', 8083)}/health/ready")
    return ""


def jobmanager() -> str:
    """The JobManager answers, and leads."""
    json.loads(get(f"http://127.0.0.1:{port('flink', 8082)}/overview"))
    return ""


def taskmanager() -> str:
    """The JobManager counts the slots of this very container."""
    host = os.environ.get("LABKIT_FLINK_HOST", "jobmanager")
    known = json.loads(get(f"http://{host}:{port('flink', 8082)}/taskmanagers"))["taskmanagers"]
    me = socket.gethostbyname(socket.gethostname())
    mine = [row for row in known if f"@{me}:" in row["path"]]
    return "" if mine and mine[0]["slotsNumber"] else f"the JobManager has not heard of {me}"


def producer() -> str:
    """Kafka has acknowledged a snapshot just now; without a topic the producer waits for `make setup`."""
    topic = os.environ.get("LABKIT_SNAPSHOTS_TOPIC", "procstat_snapshots")
    _, errors = metadata(os.environ.get("LABKIT_KAFKA_HOST", "kafka"), [topic])
    if errors.get(topic) == UNKNOWN_TOPIC:
        return ""
    try:
        age = time.time() - (STATE_DIR / "producer-heartbeat").stat().st_mtime
    except FileNotFoundError:
        return "no snapshot has been acknowledged yet"
    interval = float(os.environ.get("LABKIT_INTERVAL_S", "1"))
    return "" if age < max(10.0, 3 * interval) else f"the last snapshot was acknowledged {age:.0f} s ago"


def jupyterlab() -> str:
    """JupyterLab takes its token and has a Python kernel."""
    token = {"Authorization": f"token {os.environ['JUPYTER_TOKEN']}"}
    kernels = json.loads(get(f"http://127.0.0.1:{port('jupyter', 8888)}/api/kernelspecs", token))["kernelspecs"]
    return "" if "python3" in kernels else "it has no Python kernel"


CHECKS = {check.__name__: check for check in (kafka, registry, jobmanager, taskmanager, producer, jupyterlab)}


def main(service: str) -> int:
    """Exit status of the check of `service`."""
    try:
        problem = CHECKS[service]()
    except (OSError, ValueError, KeyError, struct.error, urllib.error.URLError) as error:
        problem = f"{type(error).__name__}: {error}"
    print(problem or "healthy")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
