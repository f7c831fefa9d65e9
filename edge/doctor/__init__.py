"""What is wrong with this box, one finding after the other, each with its remedy."""
