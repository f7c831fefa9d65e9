"""The whole way once, from the street to the indicator, and a table of what came of it."""
