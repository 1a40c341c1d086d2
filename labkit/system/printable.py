"""Text of strangers (hostnames, keys, reasons) on a terminal, which obeys control characters."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """`text` with what cannot be printed, such as an escape character, as �."""
    return "".join(char if char.isprintable() else "�" for char in text)
