"""Makes Beam's gRPC servers listen on the address that they were given, by changing one call in one class file.

Flink's TaskManager talks to its Python workers through servers of Beam's class InetSocketAddressServerFactory. It is
handed 127.0.0.1, takes the port alone and listens on every address of the machine:

    NettyServerBuilder.forPort(socket.getPort())    ->    NettyServerBuilder.forAddress(socket)

One of them hands out any file that the learner may read, and none asks who is there. There is no setting for it.
Source: the Java Virtual Machine Specification, chapter 4, "The class File Format".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from labkit.errors import LabkitError

__all__ = ["listen_where_told"]

_UTF8, _LONG, _DOUBLE, _CLASS, _METHOD, _NAME_AND_TYPE = 1, 5, 6, 7, 10, 12
#: Bytes of a constant after its tag.
_LENGTHS = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
_HEADER = 10  # magic, minor and major version, how many constants there are
_MOST_CONSTANTS = 0xFFFF
_INVOKEVIRTUAL, _INVOKESTATIC, _NOP = b"\xb6", b"\xb8", b"\x00"


@dataclass(frozen=True, slots=True)
class _Constant:
    number: int
    tag: int
    start: int  # of what follows the tag
    end: int


def listen_where_told(code: bytes) -> bytes:
    """The class file of InetSocketAddressServerFactory -> the same, with forAddress in place of getPort and forPort.

    Raises `LabkitError` where the class is another one than this was written for.
    """
    try:
        constants = list(_constants(code))
        texts = {one.number: code[one.start + 2 : one.end] for one in constants if one.tag == _UTF8}
        names = {one.number: _pair(code, one) for one in constants if one.tag == _NAME_AND_TYPE}
        classes = {one.number: texts[_u2_at(code, one.start)] for one in constants if one.tag == _CLASS}
        methods = {}
        for one in constants:
            if one.tag == _METHOD:
                owner, name_and_type = _pair(code, one)
                name, descriptor = names[name_and_type]
                methods[classes[owner].split(b"/")[-1] + b"." + texts[name]] = one, texts[descriptor]
        get_port, _ = methods[b"InetSocketAddress.getPort"]
        for_port, descriptor_of_it = methods[b"NettyServerBuilder.forPort"]
    except (KeyError, IndexError, struct.error) as error:
        raise _another_class(f"no {error}") from None
    before = _INVOKEVIRTUAL + _u2(get_port.number) + _INVOKESTATIC + _u2(for_port.number)
    after = _NOP * 3 + _INVOKESTATIC + _u2(for_port.number)
    count = constants[-1].number + 1
    if code.count(before) != 1 or count + 3 > _MOST_CONSTANTS:
        raise _another_class("the call is not there once")
    # Three constants more: the method's name, its descriptor, and the pair of them, to which the call then leads.
    new = [_text(b"forAddress"), _text(descriptor_of_it.replace(b"(I)", b"(Ljava/net/SocketAddress;)")),
           bytes([_NAME_AND_TYPE]) + _u2(count) + _u2(count + 1)]  # fmt: skip
    pool = bytearray(code[_HEADER : constants[-1].end])
    pool[for_port.start + 2 - _HEADER : for_port.end - _HEADER] = _u2(count + 2)
    rest = code[constants[-1].end :].replace(before, after)
    return code[: _HEADER - 2] + _u2(count + len(new)) + bytes(pool) + b"".join(new) + rest


def _constants(code: bytes) -> Iterator[_Constant]:
    count = _u2_at(code, _HEADER - 2)
    place, number = _HEADER, 1
    while number < count:
        tag = code[place]
        length = 2 + _u2_at(code, place + 1) if tag == _UTF8 else _LENGTHS[tag]
        yield _Constant(number, tag, place + 1, place + 1 + length)
        place += 1 + length
        number += 2 if tag in (_LONG, _DOUBLE) else 1


def _pair(code: bytes, constant: _Constant) -> tuple[int, int]:
    return _u2_at(code, constant.start), _u2_at(code, constant.start + 2)


def _text(text: bytes) -> bytes:
    return bytes([_UTF8]) + _u2(len(text)) + text


def _u2_at(code: bytes, place: int) -> int:
    return int(struct.unpack_from(">H", code, place)[0])


def _u2(number: int) -> bytes:
    return struct.pack(">H", number)


def _another_class(why: str) -> LabkitError:
    return LabkitError(
        f"Beam's class for servers is another one than this version of labkit knows ({why}).",
        "Install what requirements.txt pins: make install",
    )
