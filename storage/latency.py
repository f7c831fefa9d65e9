"""How late a batch is, as everybody states it."""

from typing import Final, LiteralString

LATENCY: Final[LiteralString] = """extract(epoch FROM b.stored - CASE
    WHEN upper(b.captured) - lower(b.captured) <= interval '1 second' THEN lower(b.captured)
    ELSE upper(b.captured) END)::float8"""
"""From the capture of the first reading of a batch `b` to the commit [s]; from that of the last one
where the agent collected for longer, as it does with what nobody waits for."""
