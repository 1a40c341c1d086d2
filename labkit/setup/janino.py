"""Java that this project brings, compiled by Janino, which Flink has for the code it generates: no JDK is needed."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from labkit.errors import LabkitError
from labkit.flink.home import C1_ONLY, flink_home, java
from labkit.flink.jvm import clean, replaced

__all__ = ["compiled", "fingerprint", "write_jar"]

_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def compiled(*sources: Path) -> dict[str, bytes]:
    """{"labkit/OriginFilter.class": its class file, …}. Raises `LabkitError` where Janino refuses one."""
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
    from py4j.protocol import Py4JError, Py4JJavaError

    with replaced(clean()):
        port, secret = launch_gateway(
            classpath=":".join(map(str, sorted((flink_home() / "lib").glob("*.jar")))),
            java_path=str(java()), javaopts=[C1_ONLY, "-XX:+UseSerialGC"], die_on_exit=True,
            enable_auth=True,
        )  # fmt: skip
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=secret))
    classes: dict[str, bytes] = {}
    try:
        for source in sources:
            try:
                compiler = gateway.jvm.org.codehaus.janino.SimpleCompiler()
                compiler.cook(source.read_text())
            except Py4JError as error:
                why = error.java_exception.getMessage() if isinstance(error, Py4JJavaError) else error
                raise LabkitError(f"{source.name} could not be compiled: {why}.") from None
            codes = compiler.getBytecodes()
            classes |= {f"{name.replace('.', '/')}.class": bytes(codes[name]) for name in codes}
    finally:
        gateway.shutdown()
    return classes


def write_jar(target: Path, files: Mapping[str, bytes]) -> Path:
    """A jar of `files`, the same bytes each time; it is seen whole or not at all. Returns `target`."""
    part = target.with_name(f"{target.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as jar:
        for name, content in sorted(files.items()):
            jar.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
    return part.replace(target)


def fingerprint(parts: Iterable[Path]) -> str:
    """Changes when one of these files does."""
    return hashlib.sha256(b"".join(part.read_bytes() for part in [*parts, Path(__file__)])).hexdigest()
