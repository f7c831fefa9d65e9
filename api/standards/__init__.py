"""Doors for open standards."""
