"""doors.jar: two classes that close what Flink leaves open. Set-up makes it from Flink's own jars.

    labkit/Doorkeeper.class                 refuses requests that other pages send to Flink's REST API
    org/apache/beam/…ServerFactory.class    listens on 127.0.0.1, not on every address: see class_file.py

Janino, the compiler that Flink brings for its own generated code, compiles Doorkeeper.java: no JDK is needed.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from labkit.errors import LabkitError
from labkit.flink.home import flink_home, java
from labkit.ops import class_file

__all__ = ["NAME", "build", "fingerprint"]

#: Flink's scripts load the jars of a folder by name: this one has to come before flink-python-….jar.
NAME = "doors.jar"
_JAVA = Path(__file__).with_name("Doorkeeper.java")
_SERVERS = "org/apache/beam/sdk/fn/server/ServerFactory$InetSocketAddressServerFactory.class"
_SERVICE = "META-INF/services/org.apache.flink.runtime.io.network.netty.InboundChannelHandlerFactory"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def fingerprint() -> str:
    """Changes when what doors.jar is made of does."""
    parts = (_JAVA, Path(__file__), Path(class_file.__file__))
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()


def build(target: Path) -> Path:
    """Make doors.jar at `target`; returns that. Raises `LabkitError` where Flink's jars are other ones."""
    (python_jar,) = (flink_home() / "opt").glob("flink-python-*.jar")
    with zipfile.ZipFile(python_jar) as jar:
        servers = class_file.listen_where_told(jar.read(_SERVERS))
    files = {_SERVERS: servers, _SERVICE: b"labkit.Doorkeeper\n"}
    files |= {f"{name.replace('.', '/')}.class": code for name, code in _compiled(_JAVA.read_text()).items()}
    part = target.with_name(f"{target.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as jar:
        for name, content in sorted(files.items()):
            jar.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
    return part.replace(target)


def _compiled(source: str) -> dict[str, bytes]:
    """{"labkit.Doorkeeper": its class file, …}"""
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
    from py4j.protocol import Py4JError, Py4JJavaError

    port, secret = launch_gateway(
        classpath=":".join(map(str, sorted((flink_home() / "lib").glob("*.jar")))),
        java_path=str(java()), javaopts=["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"], die_on_exit=True,
        enable_auth=True,
    )  # fmt: skip
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=secret))
    try:
        compiler = gateway.jvm.org.codehaus.janino.SimpleCompiler()
        compiler.cook(source)
        codes = compiler.getBytecodes()
        return {str(name): bytes(codes[name]) for name in codes}
    except Py4JJavaError as error:
        raise LabkitError(f"Doorkeeper.java could not be compiled: {error.java_exception.getMessage()}.") from None
    except Py4JError as error:
        raise LabkitError(f"Doorkeeper.java could not be compiled: {error}.") from None
    finally:
        gateway.shutdown()
