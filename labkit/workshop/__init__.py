"""The workshop: lessons, exercises and their checks, pictures, the learner's folder."""

__all__ = [
    "beside", "check", "checks", "course", "explain", "headless", "hints", "lesson", "parts", "pictures", "prediction",
    "serve", "waiting",
]  # fmt: skip
