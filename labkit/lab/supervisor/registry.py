"""The schema registry: Apicurio, which keeps its schemas in Kafka."""

from __future__ import annotations

from labkit.flink.home import C1_ONLY, java
from labkit.lab.supervisor.program import Program, scratch, shared_archive, unpacks_in
from labkit.settings import LOOPBACK, Settings

__all__ = ["registry_program"]


def registry_program(settings: Settings) -> Program:
    """The registry, with a heap fit for a laptop."""
    command = [
        str(java()), "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", C1_ONLY,
        unpacks_in(scratch("registry")), *shared_archive(settings, "registry"),
        "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
        # It asks for its topics once. After a minute without the broker (Kafka's default) it would be up, and useless.
        *(f"-Dapicurio.kafkasql.{client}.default.api.timeout.ms=600000" for client in ("admin", "consumer")),
        "-Dapicurio.kafkasql.producer.max.block.ms=600000",
        "-jar", f"{settings.install_dir}/registry/quarkus-run.jar",
    ]  # fmt: skip
    environment = {
        "QUARKUS_HTTP_HOST": settings.bind_host,
        "QUARKUS_HTTP_PORT": str(settings.registry_port),
        "QUARKUS_MANAGEMENT_HOST": settings.bind_host,
        "QUARKUS_MANAGEMENT_PORT": str(settings.registry_management_port),
        # A page of another origin is answered 403; unless told, those on port 8888 are let in.
        "QUARKUS_HTTP_CORS_ORIGINS": f"http://{LOOPBACK}:{settings.registry_port}",
        "APICURIO_STORAGE_KIND": "kafkasql",
        "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": settings.kafka_bootstrap,
        # At its start it polls the empty topic of snapshots twice, for this long (5 s unless told).
        "APICURIO_KAFKASQL_CONSUMER_POLL_TIMEOUT": "500",
        "QUARKUS_LOG_CONSOLE_COLOR": "false",
        "QUARKUS_LOG_LEVEL": "WARN",
    }
    return Program("registry", command, environment, scratch=(scratch("registry"),))
