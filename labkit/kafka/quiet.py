"""A logger that says nothing: librdkafka would print each failed connection. Callers say what is wrong."""

from __future__ import annotations

import logging
from functools import cache

__all__ = ["quiet"]


@cache
def quiet() -> logging.Logger:
    """The logger to give to a client of confluent-kafka. Made when it is first asked for, not by an import."""
    logger = logging.getLogger("labkit.librdkafka")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
