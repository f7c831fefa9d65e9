"""What a 5G modem on a mast reports: one standalone NR cell in band n78, two neighbours.

Received powers wander as first-order autoregressive processes (shadowing); the serving cell changes
when a neighbour is stronger by a margin for some time (event A3 of 3GPP TS 38.331). Quality,
round trip and throughput follow from the powers and the load of the cells.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

CELLS: Final = (101, 205, 318)
"""Physical cell identities, the strongest on average first."""

_MEAN: Final = np.array([-84.0, -91.0, -97.0])  # RSRP [dBm]
_SHADOWING: Final = 4.0  # standard deviation [dB]
_MEMORY: Final = 0.97  # correlation of shadowing from one second to the next
_FADING: Final = 1.0  # of a single reading [dB]
_NOISE_FLOOR: Final = -122.0  # of one 30 kHz subcarrier with a receiver's noise figure [dBm]
_LOAD: Final = 0.2  # of every cell, on average
_MARGIN: Final = 3.0  # of event A3 [dB]
_TIME_TO_TRIGGER: Final = 2  # [s]
_BANDWIDTH: Final = 20.0  # share of the uplink that one modem is granted [MHz]
_MOST: Final = 110.0  # uplink at the best modulation [Mbit/s]
_INTERRUPTION: Final = 60.0  # of a handover, on top of the round trip [ms]


class Reading(NamedTuple):
    """What the modem says in one second."""

    rsrp: float  # [dBm]
    rsrq: float  # [dB]
    sinr: float  # [dB]
    cell: int
    round_trip: float  # [ms]
    uplink: float  # [Mbit/s]


def readings(seed: int) -> Iterator[Reading]:
    """Yield one reading a second, without end."""
    random = np.random.default_rng([seed, 3])
    shadow = random.normal(0, _SHADOWING, len(CELLS))
    load, serving, waited = _LOAD, 0, 0
    while True:
        step = math.sqrt(1 - _MEMORY**2)
        shadow = _MEMORY * shadow + random.normal(0, _SHADOWING * step, len(CELLS))
        load = float(np.clip(_LOAD + 0.95 * (load - _LOAD) + random.normal(0, 0.03), 0.03, 0.9))
        power = _MEAN + shadow
        best = int(np.argmax(power))
        waited = waited + 1 if power[best] > power[serving] + _MARGIN else 0
        handover = waited >= _TIME_TO_TRIGGER
        if handover:
            serving, waited = best, 0
        measured = power + random.normal(0, _FADING, len(CELLS))
        delay = float(random.gamma(2.0, 1.5))
        yield _reading(measured, serving, load, delay, handover=handover)


def _reading(
    power: np.ndarray[tuple[int], np.dtype[np.float64]],
    serving: int,
    load: float,
    delay: float,
    *,
    handover: bool,
) -> Reading:
    watts = 10 ** (power / 10)
    own = watts[serving]
    others = load * (watts.sum() - own) + 10 ** (_NOISE_FLOOR / 10)
    ratio = own / others
    # RSRQ = RSRP / RSSI for each of a resource block's 12 subcarriers; the own cell loads its part.
    quality = own / (12 * (own * (2 / 12 + load * 10 / 12) + others))
    efficiency = 0.6 * math.log2(1 + ratio)  # of the Shannon bound: one layer, coding, overhead
    uplink = min(_MOST, _BANDWIDTH * efficiency) * (1 - 0.6 * load)
    retransmitted = 12.0 / (1 + ratio / 4)
    return Reading(
        rsrp=round(float(power[serving]), 1),
        rsrq=round(10 * math.log10(quality), 1),
        sinr=round(10 * math.log10(ratio), 1),
        cell=CELLS[serving],
        round_trip=round(8.0 + delay + 10 * load + retransmitted + _INTERRUPTION * handover, 2),
        uplink=round(uplink, 2),
    )
