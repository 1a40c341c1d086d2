"""The ledger: what must have come out, beside what did."""

__all__ = ["ledger", "report", "store"]
