"""From marks in the picture and on the ground to a camera that measures."""
