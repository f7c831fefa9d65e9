"""Boxes become devices: the authority that signs their keys, and its commands."""
