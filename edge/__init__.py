"""What runs on the box: sources, vision, sensors, modem, outbox, uplink."""
