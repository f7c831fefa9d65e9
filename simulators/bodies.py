"""What road users look like: the coloured faces of their bodies, in a box of unit size.

A face is four corners with x from -0.5 (rear) to 0.5 (front), y from -0.5 (right) to 0.5 (left)
and z from 0 to 1, in shares of the road user's length, width and height. Faces are listed from
the bottom up and from the body to what is painted on it, so they may be drawn in this order.
"""

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.classes import RoadUser

Floats = NDArray[np.float64]

PAINT: Final = -1
"""In place of a colour: that of the single road user."""

_GLASS: Final = (34, 29, 26)
_TYRE: Final = (34, 34, 36)
_LIGHT: Final = (205, 215, 215)
_BOX: Final = (200, 205, 208)
_SKIN: Final = (120, 150, 190)
_TROUSERS: Final = (66, 42, 34)
_FRAME: Final = (50, 48, 52)

PALETTE: Final = np.array(
    [
        (232, 232, 230), (190, 192, 194), (176, 178, 182), (44, 42, 42), (40, 38, 170),
        (150, 82, 40), (46, 84, 44), (206, 210, 190), (60, 140, 200), (30, 30, 34),
    ],
    np.float64,
)  # fmt: skip
"""Colours of paint and clothes, (P, 3): blue, green, red."""


class Body(NamedTuple):
    """Faces of one class of road user."""

    corners: Floats  # (F, 4, 3)
    colours: Floats  # (F, 3), nan where the road user's own colour goes


_Colour = tuple[int, int, int] | int
_Face = tuple[list[tuple[float, float, float]], _Colour]


@cache
def body(kind: RoadUser) -> Body:
    """Faces of a class of road user."""
    faces = _MODELS.get(kind, _car)()
    corners = np.array([corner for corner, _ in faces])
    nowhere = (np.nan, np.nan, np.nan)
    colours = np.array([nowhere if isinstance(c, int) else c for _, c in faces], np.float64)
    return Body(corners, colours)


def _block(
    x: tuple[float, float],
    z: tuple[float, float],
    sides: _Colour,
    top: _Colour,
    *,
    half: float = 0.5,
    taper: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> list[_Face]:
    """Make five faces; `taper`: what the top lacks at rear, front and each side."""
    (x0, x1), (z0, z1) = x, z
    u0, u1, h = x0 + taper[0], x1 - taper[1], half - taper[2]
    low = [(x0, -half, z0), (x1, -half, z0), (x1, half, z0), (x0, half, z0)]
    high = [(u0, -h, z1), (u1, -h, z1), (u1, h, z1), (u0, h, z1)]
    walls: list[_Face] = [
        ([low[k], low[(k + 1) % 4], high[(k + 1) % 4], high[k]], sides) for k in range(4)
    ]
    return [*walls, (high, top)]


def _panel(x: tuple[float, float], z: tuple[float, float], colour: _Colour) -> list[_Face]:
    """Make the same rectangle on the right and on the left side."""
    (x0, x1), (z0, z1) = x, z
    right = [(x0, -0.5, z0), (x1, -0.5, z0), (x1, -0.5, z1), (x0, -0.5, z1)]
    left = [(x1, 0.5, z0), (x0, 0.5, z0), (x0, 0.5, z1), (x1, 0.5, z1)]
    return [(right, colour), (left, colour)]


def _ends(z: tuple[float, float], colour: _Colour) -> list[_Face]:
    """Make the same rectangle at the front and at the rear."""
    (z0, z1), w = z, 0.44
    front = [(0.5, -w, z0), (0.5, w, z0), (0.5, w, z1), (0.5, -w, z1)]
    rear = [(-0.5, w, z0), (-0.5, -w, z0), (-0.5, -w, z1), (-0.5, w, z1)]
    return [(front, colour), (rear, colour)]


def _wheels(*middles: float, radius: float, height: float) -> list[_Face]:
    return [f for x in middles for f in _panel((x - radius, x + radius), (0, height), _TYRE)]


def _car() -> list[_Face]:
    return [
        *_block((-0.5, 0.5), (0.12, 0.58), PAINT, PAINT),
        *_wheels(-0.30, 0.31, radius=0.07, height=0.42),
        *_ends((0.38, 0.50), _LIGHT),
        *_block((-0.40, 0.24), (0.58, 1.0), _GLASS, PAINT, half=0.47, taper=(0.08, 0.12, 0.08)),
    ]


def _van() -> list[_Face]:
    return [
        *_block((-0.5, 0.36), (0.10, 1.0), PAINT, PAINT),
        *_block((0.36, 0.5), (0.10, 0.52), PAINT, PAINT),
        *_wheels(-0.30, 0.33, radius=0.06, height=0.28),
        *_block((0.30, 0.46), (0.52, 0.96), _GLASS, PAINT, half=0.48, taper=(0.0, 0.10, 0.03)),
    ]


def _truck() -> list[_Face]:
    return [
        *_block((-0.5, 0.26), (0.16, 1.0), _BOX, (222, 224, 226)),
        *_wheels(-0.36, -0.24, 0.36, radius=0.055, height=0.29),
        *_block((0.29, 0.5), (0.12, 0.82), PAINT, PAINT),
        *_panel((0.36, 0.48), (0.50, 0.72), _GLASS),
        *_ends((0.50, 0.74), _GLASS)[:1],
    ]


def _bus() -> list[_Face]:
    return [
        *_block((-0.5, 0.5), (0.08, 1.0), PAINT, (225, 226, 228)),
        *_panel((-0.47, 0.47), (0.42, 0.78), _GLASS),
        *_ends((0.40, 0.84), _GLASS),
        *_wheels(-0.27, 0.29, radius=0.042, height=0.31),
    ]


def _pedestrian() -> list[_Face]:
    return [
        *_block((-0.28, 0.28), (0.0, 0.48), _TROUSERS, _TROUSERS, half=0.34),
        *_block((-0.32, 0.32), (0.48, 0.84), PAINT, PAINT, half=0.5),
        *_block((-0.20, 0.20), (0.86, 1.0), _SKIN, _TROUSERS, half=0.20),
    ]


def _bicycle() -> list[_Face]:
    return [
        *_block((-0.5, 0.5), (0.0, 0.38), _FRAME, _FRAME, half=0.08),
        *_block((-0.14, 0.10), (0.30, 0.58), _TROUSERS, _TROUSERS, half=0.34),
        *_block((-0.16, 0.16), (0.52, 0.86), PAINT, PAINT, half=0.5),
        *_block((-0.02, 0.12), (0.86, 1.0), _SKIN, PAINT, half=0.18),
    ]


_MODELS: Final = {
    RoadUser.PEDESTRIAN: _pedestrian,
    RoadUser.BICYCLE: _bicycle,
    RoadUser.CAR: _car,
    RoadUser.VAN: _van,
    RoadUser.TRUCK: _truck,
    RoadUser.BUS: _bus,
}
