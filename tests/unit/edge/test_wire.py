import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.batch import SCHEMAS
from edge.wire import (
    LARGEST,
    TRACKS,
    Crossed,
    Ended,
    Message,
    Occupied,
    Opened,
    Picture,
    Reader,
    Seen,
    Turned,
    Visited,
    columns,
    pack,
)

MESSAGES: list[Message] = [
    Opened(640, 360, 10.0),
    Seen(
        1, 0.02, 0, visits=[Visited(2, "stop", 1, 7, 3.5, 0.5)], occupancy=[Occupied(1, "a", 5, 2)]
    ),
    Seen(1, 0.02, 0, turns=[Turned(2, "north>", 5, 7, 4.5, 0.5)]),
    Seen(
        1, 0.02, 0, True, b"\x01" * TRACKS.itemsize, [Crossed(2, "north", -1, 5, 7, 13.9, 0.5, 0.4)]
    ),
    Picture(3, b"\xff\xd8"),
    Ended("the link went"),
]


@given(st.lists(st.sampled_from(MESSAGES), max_size=8), st.integers(1, 50))
def test_messages_come_whole_however_the_bytes_are_cut(sent: list[Message], size: int) -> None:
    stream = b"".join(map(pack, sent))
    reader = Reader()
    pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert [m for piece in pieces for m in reader.feed(piece)] == sent


def test_another_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="a message of"):
        list(Reader().feed((LARGEST + 1).to_bytes(4, "little")))
    with pytest.raises(ValueError, match=r".+"):
        list(Reader().feed(b"\x03\x00\x00\x00abc"))


def test_rows_become_the_columns_of_the_batch() -> None:
    rows = np.zeros(3, TRACKS)
    rows["track"], rows["x"] = [1, 2, 3], [0.5, 1.5, 2.5]
    found = columns(rows.tobytes())
    assert found.keys() == SCHEMAS["tracks/1"].dtypes.keys()
    assert found["track"].tolist() == [1, 2, 3]
    assert found["x"].tolist() == [0.5, 1.5, 2.5]
