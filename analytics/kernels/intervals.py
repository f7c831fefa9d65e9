"""Confidence intervals of shares, counts, rates and ratios."""

from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, gammaincinv, ndtri

from analytics.kernels.arrays import Floats

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """An estimate between its confidence limits."""

    value: float
    low: float
    high: float


UNKNOWN = Interval(np.nan, np.nan, np.nan)


def wilson(successes: float, trials: float, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of a share by Wilson's score [1]_; nan without trials.

    Parameters
    ----------
    successes, trials : float
        Counts; an interpolated histogram makes `successes` fractional.
    confidence : float
        Of the two-sided interval.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference,"
       J. Am. Stat. Assoc. 22 (1927), pp. 209-212.
    """
    if trials <= 0:
        return UNKNOWN
    z2 = float(ndtri((1 + confidence) / 2)) ** 2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = np.sqrt(z2 * (share * (1 - share) + z2 / (4 * trials)) / trials) / (1 + z2 / trials)
    # At 0 and 1 the limit is exact; rounding must not put it on the wrong side of the share.
    low, high = min(centre - spread, share), max(centre + spread, share)
    return Interval(share, max(0.0, float(low)), min(1.0, float(high)))


def poisson_rate(events: float, exposure: float, *, confidence: float = CONFIDENCE) -> Interval:
    """Exact (Garwood) interval of a rate [1]_; nan without exposure.

    Parameters
    ----------
    events : float
        Count.
    exposure : float
        What the count is related to: encounters, hours, vehicles.
    confidence : float
        Of the two-sided interval.

    References
    ----------
    .. [1] F. Garwood, "Fiducial limits for the Poisson distribution," Biometrika 28 (1936),
       pp. 437-442.
    """
    if exposure <= 0:
        return UNKNOWN
    tail = (1 - confidence) / 2
    low = float(gammaincinv(events, tail)) if events > 0 else 0.0
    high = float(gammaincinv(events + 1, 1 - tail))
    return Interval(events / exposure, low / exposure, high / exposure)


def rate_ratio(
    events: tuple[float, float],
    exposure: tuple[float, float],
    *,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Ratio of two Poisson rates, after / before, with the exact conditional interval [1]_.

    Given the sum, the count after is binomial; the limits of its share (Clopper-Pearson) are
    those of the ratio.

    Parameters
    ----------
    events : (float, float)
        Counts before and after.
    exposure : (float, float)
        Exposure before and after.
    confidence : float
        Of the two-sided interval.

    References
    ----------
    .. [1] J. Przyborowski, H. Wilenski, "Homogeneity of results in testing samples from Poisson
       series," Biometrika 31 (1940), pp. 313-323.
    """
    before, after = events
    if min(exposure) <= 0 or before + after <= 0:
        return UNKNOWN
    tail = (1 - confidence) / 2
    low = float(betaincinv(after, before + 1, tail)) if after > 0 else 0.0
    high = float(betaincinv(after + 1, before, 1 - tail)) if before > 0 else 1.0
    scale = exposure[0] / exposure[1]

    def ratio(share: float) -> float:
        return share / (1 - share) * scale if share < 1 else np.inf

    return Interval(after / before * scale if before > 0 else np.inf, ratio(low), ratio(high))


def block_bootstrap(
    numerator: Floats,
    denominator: Floats,
    *,
    block: int,
    seed: bytes,
    draws: int = 2000,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Interval of a ratio of sums over minutes, by the circular block bootstrap [1]_.

    Neighbouring minutes resemble each other, so whole blocks of them are drawn. The seed is the
    digest of the evidence: the same evidence gives the same interval, to the bit.

    Parameters
    ----------
    numerator, denominator : (M,) float
        Of each minute, in order of time.
    block : int
        Minutes in a block.
    seed : bytes
        At least 16.
    draws : int
        Samples drawn.
    confidence : float
        Of the two-sided interval.

    References
    ----------
    .. [1] D. N. Politis, J. P. Romano, "A circular block-resampling procedure for stationary
       data," Exploring the Limits of Bootstrap, Wiley, 1992, pp. 263-270.
    """
    minutes, total = len(numerator), float(np.sum(denominator))
    if minutes == 0 or total <= 0:
        return UNKNOWN
    block = min(block, minutes)
    random = np.random.Generator(np.random.PCG64(int.from_bytes(seed[:16], "big")))
    first = random.integers(0, minutes, (draws, -(-minutes // block)))
    rows = (first[:, :, None] + np.arange(block)).reshape(draws, -1)[:, :minutes] % minutes
    below = denominator[rows].sum(axis=1)
    ratios = numerator[rows].sum(axis=1)[below > 0] / below[below > 0]
    tail = (1 - confidence) / 2
    low, high = np.quantile(ratios, (tail, 1 - tail))
    return Interval(float(np.sum(numerator)) / total, float(low), float(high))
