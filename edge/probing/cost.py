"""What probes cost: bytes of the link, both ways, with all that is around them.

Estimated from above. What other packets carry along, an acknowledgement for instance, is counted
as if it came alone.
"""

from math import ceil
from typing import Final

from contracts.topics import topic

HEADERS: Final = 72
"""Of IPv6 and TCP with timestamps; with IPv4 they are 20 less. [bytes]"""
SEALED: Final = 29
"""What TLS adds to a packet of MQTT at most: 1.2 with AES-GCM. [bytes]"""
SEGMENT: Final = 1300
"""Bytes that a segment of TCP carries at least, where there are as many."""
NUMBER: Final = 4
"""Bytes of a probe: its number."""
ANSWER: Final = 160
"""Bytes of ingest's answer at most; `contracts.messages.Received` as JSON."""

ACKNOWLEDGED: Final = 6
"""Bytes of a PUBACK with its reason."""

PIECE: Final = 1200
"""Bytes of load that go as one segment, also over the tunnels of mobile networks."""
PIECES: Final = 10
"""Pieces of a train: TCP's first window (RFC 6928), so that they leave together."""

PILOT: Final = 3
"""Pieces that go before a train, to say how long it would be."""


class Costs:
    """Bytes of one device's probes; with TLS if `sealed`."""

    def __init__(self, device: str, *, sealed: bool) -> None:
        self._device = device
        self._around = SEALED if sealed else 0

    def piece(self) -> int:
        """Bytes of the stream of TCP from the end of one piece of a train to that of the next."""
        return self._stream("load", PIECE)

    def publication(self, what: str, size: int) -> int:
        """Bytes of the link that a publication takes."""
        return carried(self._stream(what, size))

    def acknowledgement(self) -> int:
        """Bytes of the link that a PUBACK takes."""
        return carried(ACKNOWLEDGED + self._around)

    def most(self) -> dict[str, int]:
        """Bytes of the link that one probe of each kind takes at most; a train has a pilot."""
        echo = 2 * self.publication("echo", NUMBER)
        time = self.publication("time", NUMBER) + self.publication("received", ANSWER)
        piece = self.publication("load", PIECE) + self.acknowledgement()
        return {"echo": echo, "time": time, "train": (PILOT + PIECES) * piece}

    def _stream(self, what: str, size: int) -> int:
        body = 2 + len(topic(self._device, "probe", what)) + 2 + 1 + size
        return 1 + (1 if body < 128 else 2) + body + self._around  # noqa: PLR2004  # 7 bits a byte


def carried(size: int) -> int:
    """Bytes of the link that carry those of a stream, each segment acknowledged by itself."""
    return size + 2 * HEADERS * ceil(size / SEGMENT)
