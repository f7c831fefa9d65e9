"""What crosses a boundary: topics, records, codecs, units, ids, clock, settings."""
