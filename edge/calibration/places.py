"""Metres east and north of a place from longitude and latitude."""

from typing import Final

import numpy as np

from edge.vision.frames import Floats

MAJOR: Final = 6_378_137.0
"""Half the equator's diameter of WGS 84. [m]"""
FLATTENING: Final = 1 / 298.257223563


def metres(lonlat: Floats, origin: tuple[float, float]) -> Floats:
    """East and north (n, 2) [m] of an origin on the plane that touches the ellipsoid there [1]_.

    Parameters
    ----------
    lonlat : (n, 2) float
        Longitude and latitude, WGS 84. [deg]
    origin : (float, float)
        The same of the origin.

    References
    ----------
    .. [1] EPSG Guidance Note 7-2, "Coordinate conversions and transformations", 4.1.2
       (topocentric coordinates).

    >>> metres(np.array([[14.0322, 50.6662]]), (14.0308, 50.6652)).round(2).tolist()
    [[98.98, 111.24]]
    """
    lon, lat = np.deg2rad(np.array(origin))
    off = _geocentric(np.asarray(lonlat, float)) - _geocentric(np.array([origin], float))
    east = off @ [-np.sin(lon), np.cos(lon), 0.0]
    north = off @ [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)]
    return np.column_stack((east, north))


def _geocentric(lonlat: Floats) -> Floats:
    """Geocentric coordinates (n, 3) [m] of places on the ellipsoid."""
    lon, lat = np.deg2rad(lonlat).T
    square = FLATTENING * (2 - FLATTENING)
    normal = MAJOR / np.sqrt(1 - square * np.sin(lat) ** 2)
    return np.column_stack(
        (
            normal * np.cos(lat) * np.cos(lon),
            normal * np.cos(lat) * np.sin(lon),
            normal * (1 - square) * np.sin(lat),
        )
    )
