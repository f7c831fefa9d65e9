"""Pure numpy: arrays in, NamedTuple of arrays out."""
