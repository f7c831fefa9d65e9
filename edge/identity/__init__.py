"""Who this box is: its key, its certificate, and how it got and renews them."""
