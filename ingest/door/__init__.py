"""The HTTP door: for devices without MQTT, into the same transaction."""
