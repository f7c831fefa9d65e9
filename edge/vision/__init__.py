"""Pure vision on frames: what moves, what it is, where it is, which line it passed."""
