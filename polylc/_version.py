"""The version of polylc."""

__version__ = "0.1.0"
