"""The one place that states Tepna's version."""

__version__ = "0.1.0"
