import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edge.proof import FORMAT, Proof, packed, read_proof, stamp


def proof(cells, **changes):
    rows, columns = cells.shape
    return Proof(
        **{
            "device": "town/cam",
            "captured": "2026-05-04T07:00:00+00:00",
            "method": "pixelate-2",
            "software": "0.1.0",
            "model": None,
            "frame": (768, 576),
            "grid": (rows, columns),
            "cells": packed(cells),
            "hidden": float(cells.mean()),
            "boxes": 3,
            "masks": [[(0, 0), (10, 0), (0, 10)]],
            "hold": 1.0,
            "ahead": 1.0,
            "purpose": "still",
        }
        | changes
    )


@pytest.fixture
def jpeg():
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=48)))
def test_cells_come_back(cells):
    assert np.array_equal(proof(cells).hidden_cells(), cells)


def test_a_picture_with_a_proof_is_the_same_picture(jpeg):
    said = proof(np.ones((3, 4), bool))
    stamped = stamp(jpeg, said)
    assert read_proof(stamped) == said
    before, after = (cv2.imdecode(np.frombuffer(j, np.uint8), 1) for j in (jpeg, stamped))
    assert np.array_equal(before, after)
    assert stamped.index(FORMAT) < 100, "where any program finds it"


def test_without_a_proof_there_is_none(jpeg):
    assert read_proof(jpeg) is None
    assert read_proof(b"") is None
    assert read_proof(b"GIF89a") is None


def test_what_does_not_fit_is_refused(jpeg):
    large = proof(np.ones((3, 4), bool), device="x" * (1 << 16))
    with pytest.raises(ValueError, match="does not fit"):
        stamp(jpeg, large)
    with pytest.raises(ValueError, match="does not fit"):
        stamp(b"GIF89a", proof(np.ones((3, 4), bool)))


@given(st.data())
def test_damage_is_never_more_than_no_proof(data):
    whole = stamp(b"\xff\xd8\xff\xd9", proof(np.ones((3, 4), bool)))
    at = data.draw(st.integers(0, len(whole) - 1))
    spoilt = bytearray(whole)
    spoilt[at] = data.draw(st.integers(0, 255))
    read_proof(bytes(spoilt))
    read_proof(whole[:at])
