"""Simulated streets: SUMO, rendered cameras, signals, modems. What feeds real edge agents."""
