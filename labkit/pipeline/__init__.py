"""The main job `labkit run`: everything up, live data through the whole pipeline, an ordered stop, the account."""

__all__ = ["run"]
