"""Dead letters: what could not be read, why, its repair, and sending it again."""

__all__ = ["avro_bytes", "file", "letters", "resend", "view"]
