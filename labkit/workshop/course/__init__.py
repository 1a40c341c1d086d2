"""What the workshop consists of: its contents, exercises, the learner's folder and progress."""

__all__ = [
    "contents", "executed", "exercises", "folder", "glossary", "index", "links", "markup", "predictions", "progress",
]  # fmt: skip
