"""How far apart the clocks of two devices may be, as their own batches of the minute tell it.

`device_clock` knows the present only. A window is computed again years later, to the same bits: so
it asks the batches, which do not change.
"""

import numpy as np

from analytics.jobs.inputs import Inputs
from storage.clocks import ClockEstimate, from_least


def clock_of(inputs: Inputs, device: str) -> ClockEstimate | None:
    """Offset of a device's clock in the minute and its bound; None where nobody knows.

    What chrony told wins: the middle of all that it told, and half their width. Else the fastest
    message of the minute tells (`storage.clocks`).
    """
    rows = inputs.clocks
    if device not in inputs.names:
        return None
    for row in np.flatnonzero(rows["device"] == inputs.names.index(device)):
        low, high = float(rows["told_low"][row]), float(rows["told_high"][row])
        least, age = float(rows["least"][row]), float(rows["age"][row])
        if np.isfinite(high - low):
            return ClockEstimate((low + high) / 2, (high - low) / 2)
        if np.isfinite(least):
            return from_least(least, max(age, 0.0))
    return None


def clocks_apart(inputs: Inputs, one: str, other: str) -> float:
    """Most by which the times that two devices give to the same moment may differ. [s].

    The difference of both offsets and the sum of their bounds: ``|o1 - o2| + e1 + e2``, for
    captured times are not corrected. A device agrees with itself, and what is simulated has the one
    clock of its world. Infinite where either is not known.
    """
    if one == other or inputs.window.simulated:
        return 0.0
    clocks = clock_of(inputs, one), clock_of(inputs, other)
    if clocks[0] is None or clocks[1] is None:
        return float("inf")
    return abs(clocks[0].offset - clocks[1].offset) + clocks[0].error + clocks[1].error
