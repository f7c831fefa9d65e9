"""The front door: the `tepna` command, the local stack, the demo."""
