"""Devices that speak formats of their own: each becomes rows of the same tables."""
