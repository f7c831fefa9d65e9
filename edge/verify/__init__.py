"""How well the agent sees: a clip replayed through its vision, against what is true of it."""
