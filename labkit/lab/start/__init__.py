"""A start of the services: whether there is room for them here, and how supervisord's own start goes."""

__all__ = ["room", "supervisord"]
