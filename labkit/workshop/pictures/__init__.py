"""Pictures of what the lessons talk about, drawn from what is really there."""

__all__ = [
    "burn", "byte_microscope", "delivery", "event_time", "job_graph", "join", "pipeline", "recovery", "speed",
    "status", "timeline", "windows",
]  # fmt: skip
