import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.calibration.places import metres

ORIGIN = (14.0308, 50.6652)


def test_the_origin_is_nought():
    assert np.allclose(metres(np.array([ORIGIN]), ORIGIN), 0)


def test_one_arc_second_in_the_middle_of_europe():
    """Lengths of a degree on the meridian and the parallel at 50.6652 N, from the series [1]_.

    .. [1] NIMA TR8350.2; the coefficients of length per degree are those of WGS 84.
    """
    phi = np.deg2rad(ORIGIN[1])
    north = 111132.954 - 559.822 * np.cos(2 * phi) + 1.175 * np.cos(4 * phi)
    east = 111412.84 * np.cos(phi) - 93.5 * np.cos(3 * phi) + 0.118 * np.cos(5 * phi)
    second = 1 / 3600
    found = metres(
        np.array([[ORIGIN[0] + second, ORIGIN[1]], [ORIGIN[0], ORIGIN[1] + second]]), ORIGIN
    )
    assert np.allclose(found, [[east / 3600, 0], [0, north / 3600]], atol=2e-3)


@given(st.floats(-170, 170), st.floats(-80, 80), st.floats(-1e-3, 1e-3), st.floats(-1e-3, 1e-3))
def test_there_is_the_opposite_of_back(lon, lat, dx, dy):
    there = metres(np.array([[lon + dx, lat + dy]]), (lon, lat))
    back = metres(np.array([[lon, lat]]), (lon + dx, lat + dy))
    assert np.allclose(there, -back, atol=0.03)
