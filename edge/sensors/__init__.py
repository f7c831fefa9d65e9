"""Sensors and modems, each kind a plugin of the entry point group `tepna.sensors`."""
