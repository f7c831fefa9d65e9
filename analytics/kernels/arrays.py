"""Array types that the kernels share."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Times = NDArray[np.int64]
"""Moments as microseconds since the epoch, UTC."""
Bools = NDArray[np.bool_]


def sums(group: Indices, values: Floats, groups: int) -> Floats:
    """Sum the values of each group, in the order of the rows.

    >>> sums(np.array([0, 2, 0]), np.array([1.0, 2.0, 3.0]), 3)
    array([4., 0., 2.])
    """
    return np.bincount(group, values, groups).astype(np.float64)


def counts(group: Indices, groups: int) -> Indices:
    """Count the rows of each group.

    >>> counts(np.array([0, 2, 0]), 3)
    array([2, 0, 1])
    """
    return np.bincount(group, minlength=groups).astype(np.int64)


def peaks(group: Indices, values: Floats, groups: int) -> Floats:
    """Largest value of each group, nan for a group without rows.

    >>> peaks(np.array([0, 2, 0]), np.array([1.0, 2.0, 3.0]), 3)
    array([ 3., nan,  2.])
    """
    peak = np.full(groups, -np.inf)
    np.maximum.at(peak, group, values)
    return np.where(np.isneginf(peak), np.nan, peak)
