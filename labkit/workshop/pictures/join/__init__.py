"""Pictures of two streams that are joined: whose row met whose, and what the join keeps meanwhile."""

__all__ = ["growth", "pairs"]
