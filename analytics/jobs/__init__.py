"""Windows of one minute: taken when dirty, computed, written with a revision."""
