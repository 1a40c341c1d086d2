"""The streams that there are; a new one is one line here."""

from __future__ import annotations

from labkit.streams.meminfo import MEMINFO
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.stream import Stream

__all__ = ["STREAMS"]

#: {"procstat": Stream("procstat", …), …}
STREAMS: dict[str, Stream] = {stream.name: stream for stream in (PROCSTAT, MEMINFO)}
