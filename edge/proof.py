"""What a picture says of itself: what was hidden in it, by what, and when it was captured.

The proof is one comment segment (marker FF FE) of the JPEG, before the picture's own data: the
text ``tepna-picture/1 `` and a JSON object, in UTF-8. `Proof` names its keys.
"""

import binascii
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from edge.vision.frames import Bools

FORMAT: Final = b"tepna-picture/1 "
_START: Final = b"\xff\xd8"
_COMMENT: Final = b"\xff\xfe"
_SCAN: Final = 0xDA
_LENGTH: Final = struct.Struct(">H")
LARGEST: Final = (1 << 16) - 3 - len(FORMAT)  # bytes of the JSON; a segment holds no more


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Of one picture."""

    device: str  # pilot/device, empty: nobody has told the camera's process
    captured: str  # RFC 3339
    method: str  # edge.vision.privacy.VERSION
    software: str  # version of the agent
    model: str | None  # SHA-256 of the detector, None: motion alone
    frame: tuple[int, int]  # width and height of the frame as decoded [px]
    grid: tuple[int, int]  # rows and columns of cells
    cells: str  # which were pixelated: row by row, a bit each, first one highest, base64
    hidden: float  # share of the picture that they are
    boxes: int  # that were followed in this frame; each, grown, lies inside those cells
    masks: list[list[tuple[int, int]]]  # polygons that were blacked out when decoded [px of frame]
    hold: float  # how long cells stay hidden afterwards [s]
    ahead: float  # how long cells are hidden beforehand [s]
    purpose: str  # still, live or snapshot
    snapshot: str = ""  # its id
    kind: str = ""  # what it shows

    def hidden_cells(self) -> Bools:
        """Give the cells (rows, columns) that were pixelated."""
        rows, columns = self.grid
        bits = np.unpackbits(np.frombuffer(b64decode(self.cells), np.uint8))
        return bits[: rows * columns].reshape(rows, columns).astype(bool)


def packed(cells: Bools) -> str:
    """Write cells as a proof does."""
    return b64encode(np.packbits(cells.ravel()).tobytes()).decode()


def stamp(jpeg: bytes, proof: Proof) -> bytes:
    """JPEG that carries a proof.

    Raises
    ------
    ValueError
        If the bytes are no JPEG, or the proof is too long for one segment.
    """
    text = msgspec.json.encode(proof)
    if not jpeg.startswith(_START) or len(text) > LARGEST:
        msg = f"a proof of {len(text)} bytes does not fit into what begins with {jpeg[:2]!r}"
        raise ValueError(msg)
    body = FORMAT + text
    return b"".join((_START, _COMMENT, _LENGTH.pack(len(body) + 2), body, jpeg[2:]))


def read_proof(jpeg: bytes) -> Proof | None:
    """Read what a picture says of itself; None where it says nothing that can be read."""
    for comment in _comments(jpeg):
        if comment.startswith(FORMAT):
            try:
                proof = msgspec.json.decode(comment.removeprefix(FORMAT), type=Proof)
                proof.hidden_cells()
            except (msgspec.MsgspecError, binascii.Error, ValueError):
                return None
            return proof
    return None


def _comments(jpeg: bytes) -> Iterator[bytes]:
    """Yield the comment segments before the picture's data."""
    at = len(_START)
    while jpeg.startswith(_START) and at + 4 <= len(jpeg) and jpeg[at] == _COMMENT[0]:
        (length,) = _LENGTH.unpack_from(jpeg, at + 2)
        if jpeg[at + 1] == _SCAN or length < _LENGTH.size:
            return
        if jpeg[at + 1] == _COMMENT[1]:
            yield jpeg[at + 4 : at + 2 + length]
        at += 2 + length
