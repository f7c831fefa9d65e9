"""A new version of the agent on the box, and the way back."""
