"""The main job `labkit run`, as events: everything up, live data all the way, an ordered stop, the ledger."""

__all__ = ["events", "no_rows", "run"]
