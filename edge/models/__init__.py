"""Models: what a detector's file says of itself, and how its answers are read."""
