"""Set-up, what `make install` does: packages, jars, the registry, Java of our own."""

__all__ = ["artifacts", "bootstrap", "bundle", "install", "lock", "operators", "origin_filter", "place"]
