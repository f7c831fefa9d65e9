"""The agent as a service of the system: its unit, and what it tells systemd."""
