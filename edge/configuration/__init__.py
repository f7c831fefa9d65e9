"""How an agent's configuration is read: files, flags and environment into one checked whole."""
