"""SUMO worlds, rendered cameras, 5G link, recorded replay: what feeds real edge agents."""
