"""MQTT to database: consume, decode, deduplicate, write, dead letters, registry."""
