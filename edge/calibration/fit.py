"""The ground behind a picture from pairs of points, of which some may be wrong.

How well clicks and surveys can be known (`ground.CLICK`, `ground.SURVEY`) is the unit of all
errors; `scale` says how many of these units the pairs really err. An orthophoto is read to some
decimetres and gives a scale of several; a tape measure gives one near 1.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from edge.vision.frames import Bools, Floats, Integers
from edge.vision.ground import CLICK, FEWEST_PAIRS, SURVEY, Ground, GroundError, whitened
from edge.vision.lens import Lens, LensSettings

JUDGED: Final = 6
"""Pairs from which a wrong one can be told: five agree, and it does not."""
LENS_PAIRS: Final = 8
"""Pairs from which the distortion of the lens is looked for."""
HELPS: Final = 0.7
"""Share of the squared errors of points left out that may be left if a lens is to be believed."""
BENT: Final = (-0.45, 0.35)
"""Range in which `k1` is looked for, in widths of the picture."""
SCALES: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
AGREE: Final = 0.7
"""Share of the pairs that agree at the scale that is taken."""
APART: Final = 3.0
"""Error of a pair that does not agree, in scales."""
TRIALS: Final = 150
"""Sets of four pairs that are tried, from which the best agreement starts; fewer pairs: all."""
FOLDS: Final = 12
"""Parts by which a lens is judged; fewer pairs: one each."""


class Pairs(NamedTuple):
    """Marks, in the picture and on the ground."""

    image: Floats  # (n, 2) [px]
    ground: Floats  # (n, 2) east and north of the site's origin [m]

    def pick(self, rows: Bools | Integers) -> "Pairs":
        """Rows of it."""
        return Pairs(self.image[rows], self.ground[rows])


class Calibrated(NamedTuple):
    """What n pairs say, and how well they agree."""

    ground: Ground
    lens: LensSettings | None
    bent: bool  # the lens was estimated here
    kept: Bools  # (n,) pairs that were used; the others do not agree with them
    scale: float  # how large errors are, in those that were to be expected; nan: nobody knows
    error: Floats  # (n, 2) on the ground, fitted minus given [m]
    error_px: Floats  # (n, 2) in the picture [px]
    left_out: Floats  # (n,) distance on the ground if fitted without it [m], nan: unknown
    left_out_px: Floats  # (n,) [px]


def calibrate(
    pairs: Pairs, size: tuple[int, int], lens: LensSettings | None = None, *, seek_lens: bool = True
) -> Calibrated:
    """Fit the ground to pairs of points.

    Parameters
    ----------
    pairs : Pairs
        At least four.
    size : (int, int)
        Width and height of the picture. [px]
    lens : LensSettings or None
        What is known of the lens; None: it is found out if there are enough pairs.
    seek_lens : bool
        Whether an unknown lens is looked for.

    Raises
    ------
    GroundError
        If they give no ground; the text says why and what would do.
    """
    distinct(pairs)
    kept, scale = agreeing(pairs, _bend(lens, size))
    bent = lens is None and seek_lens and len(pairs.image) >= LENS_PAIRS
    if bent:
        k1, with_lens, finer = _seek(pairs, size)
        both = pairs.pick(with_lens)
        bent = _helps(both, size)
        if bent:
            lens, kept, scale = LensSettings(k1=round(k1, 3)), with_lens, finer
    ground = Ground.from_pairs(*pairs.pick(kept), _bend(lens, size))
    left_out, left_out_px = _without(pairs, kept, size, lens, bent=bent)
    return Calibrated(
        ground, lens, bent, kept, scale if kept.sum() > FEWEST_PAIRS else np.nan,
        ground.places(pairs.image).xy - pairs.ground, ground.image(pairs.ground) - pairs.image,
        left_out, left_out_px,
    )  # fmt: skip


def distinct(pairs: Pairs) -> None:
    """Refuse pairs of which two are the same point.

    Raises
    ------
    GroundError
        If two are.
    """
    for what, points in (("picture", pairs.image), ("ground", pairs.ground)):
        _, first, count = np.unique(points, axis=0, return_index=True, return_counts=True)
        if (count > 1).any():
            twice = points[first[count > 1][0]]
            msg = f"two pairs have the same point of the {what}, {twice.tolist()}; correct one"
            raise GroundError(msg)


def _bend(lens: LensSettings | None, size: tuple[int, int]) -> Lens | None:
    return None if lens is None else lens.lens(*size)


def misfit(ground: Ground, pairs: Pairs) -> Floats:
    """Errors (n,) in units of what was to be expected; inf beyond the horizon."""
    at = ground.places(pairs.image)
    error = np.full(len(pairs.image), np.inf)
    seen = np.isfinite(at.xy).all(axis=1)
    white = whitened(at.jacobian[seen])
    off = np.einsum("nij,nj->ni", white, at.xy[seen] - pairs.ground[seen])
    error[seen] = np.sqrt((off**2).sum(axis=1) / 2)  # both axes together are one unit
    return error


def agreeing(pairs: Pairs, lens: Lens | None) -> tuple[Bools, float]:
    """Pairs (n,) that agree on one ground, and the scale of their errors.

    Raises
    ------
    GroundError
        If no four of them give a ground.
    """
    n = len(pairs.image)
    every = np.ones(n, bool)
    if n < JUDGED:
        ground = Ground.from_pairs(*pairs, lens)
        return every, max(1.0, _rms(misfit(ground, pairs), n))
    straight = pairs if lens is None else _straight(pairs, lens)
    starts = _starts(straight)
    if not starts:
        Ground.from_pairs(*pairs, lens)  # says why
        msg = "homography: no four of the points give one; check their order"
        raise GroundError(msg)
    best, best_scale = every, np.inf
    for scale in SCALES:
        found = [_grown(straight, start, scale) for start in starts]
        best = max(found, key=lambda kept: (kept.sum(), -_cost(straight, kept, None)))
        best_scale = scale
        if best.sum() >= max(FEWEST_PAIRS + 1, AGREE * n):
            break
    if best.sum() <= FEWEST_PAIRS:  # four always agree: that says nothing
        best = every
    ground = Ground.from_pairs(*pairs.pick(best), lens)
    own = _rms(misfit(ground, pairs.pick(best)), int(best.sum()))
    return best, float(np.clip(own, 1.0, None)) if np.isfinite(own) else best_scale


def _straight(pairs: Pairs, lens: Lens) -> Pairs:
    """Pairs as a lens without distortion would show them."""
    points = lens.undistort(pairs.image).points
    if not np.isfinite(points).all():
        msg = "homography: the lens shows no point there; check k1, k2 and the focal length"
        raise GroundError(msg)
    return pairs._replace(image=points)


def _starts(pairs: Pairs) -> list[Ground]:
    """Grounds of four pairs each that the most pairs nearly agree with."""
    found = []
    for rows in _fours(len(pairs.image)):
        try:
            ground = Ground.from_pairs(*pairs.pick(rows))
        except GroundError:  # three of these four on a line
            continue
        off = np.sort(misfit(ground, pairs))
        found.append((float(np.minimum(off, 50.0).sum()), ground))
    found.sort(key=lambda one: one[0])
    return [ground for _, ground in found[:8]]


def _fours(n: int) -> Iterator[Integers]:
    every = list(combinations(range(n), FEWEST_PAIRS)) if n <= 9 else []  # noqa: PLR2004
    if 0 < len(every) <= TRIALS:
        yield from (np.array(rows) for rows in every)
        return
    rng = np.random.default_rng(1)  # the same pairs give the same answer
    for _ in range(TRIALS):
        yield rng.choice(n, FEWEST_PAIRS, replace=False)


def _grown(pairs: Pairs, ground: Ground, scale: float) -> Bools:
    """Pairs that agree with a ground, and with the one that these give, and so on."""
    kept = misfit(ground, pairs) < 2 * APART * scale  # four points alone guide badly
    for _ in range(6):
        if kept.sum() < FEWEST_PAIRS:
            break
        try:
            ground = Ground.from_pairs(*pairs.pick(kept))
        except GroundError:
            return np.zeros(len(kept), bool)
        again = misfit(ground, pairs) < APART * scale
        if (again == kept).all():
            break
        kept = again
    return kept


def _cost(pairs: Pairs, kept: Bools, lens: Lens | None) -> float:
    try:
        ground = Ground.from_pairs(*pairs.pick(kept), lens)
    except GroundError:
        return np.inf
    return float((misfit(ground, pairs.pick(kept)) ** 2).sum())


def _rms(error: Floats, n: int) -> float:
    """Scale of the errors of n pairs, of which eight numbers were fitted."""
    free = 2 * n - 8
    return float(np.sqrt(2 * (error**2).sum() / free)) if free > 0 else np.nan


def _seek(pairs: Pairs, size: tuple[int, int]) -> tuple[float, Bools, float]:
    """Find `k1`, the pairs that agree under it, and the scale of their errors."""
    found = []
    for k1 in np.linspace(*BENT, 7):
        try:
            kept, scale = agreeing(pairs, LensSettings(k1=k1).lens(*size))
        except GroundError:
            continue
        off = _cost(pairs, kept, LensSettings(k1=k1).lens(*size))
        found.append((-int(kept.sum()), off, k1, kept, scale))
    if not found:
        return 0.0, np.ones(len(pairs.image), bool), np.nan
    _, _, k1, kept, scale = min(found, key=lambda one: one[:3])
    k1 = _best_k1(pairs.pick(kept), size)
    kept, scale = agreeing(pairs, LensSettings(k1=k1).lens(*size))
    return k1, kept, scale


def _best_k1(pairs: Pairs, size: tuple[int, int]) -> float:
    """Find `k1` under which pairs agree best."""

    def cost(k1: float) -> float:
        found = _cost(pairs, np.ones(len(pairs.image), bool), LensSettings(k1=k1).lens(*size))
        return min(found, 1e12)

    return float(minimize_scalar(cost, bounds=BENT, method="bounded", options={"xatol": 1e-3}).x)


def _helps(pairs: Pairs, size: tuple[int, int]) -> bool:
    """Whether a lens tells better where points are that it was not fitted to."""
    n = len(pairs.image)
    if n < LENS_PAIRS:
        return False
    straight, bent = 0.0, 0.0
    part = np.arange(n) % min(n, FOLDS)
    for fold in range(min(n, FOLDS)):
        rest, out = pairs.pick(part != fold), pairs.pick(part == fold)
        try:
            plain = Ground.from_pairs(*rest)
            lens = LensSettings(k1=_best_k1(rest, size)).lens(*size)
            curved = Ground.from_pairs(*rest, lens)
        except GroundError:
            continue
        straight += float(np.minimum(misfit(plain, out) ** 2, 1e4).sum())
        bent += float(np.minimum(misfit(curved, out) ** 2, 1e4).sum())
    return bent < HELPS * straight


def _without(
    pairs: Pairs, kept: Bools, size: tuple[int, int], lens: LensSettings | None, *, bent: bool
) -> tuple[Floats, Floats]:
    """Errors (n,) [m] and (n,) [px] of each pair on the ground that the others give."""
    far, far_px = np.full(len(kept), np.nan), np.full(len(kept), np.nan)
    for row in range(len(kept)):
        others = kept.copy()
        others[row] = False
        if others.sum() < FEWEST_PAIRS:
            continue
        rest, own = pairs.pick(others), lens
        if bent and others.sum() >= LENS_PAIRS - 1:
            own = LensSettings(k1=_best_k1(rest, size))
        try:
            ground = Ground.from_pairs(*rest, _bend(own, size))
        except GroundError:  # only this one made it four of which no three are on a line
            continue
        one = pairs.pick(np.array([row]))
        far[row] = np.hypot(*(ground.places(one.image).xy - one.ground)[0])
        far_px[row] = np.hypot(*(ground.image(one.ground) - one.image)[0])
    return far, far_px


def uncertainty(
    found: Calibrated, pairs: Pairs, points: Floats, size: tuple[int, int], trials: int = 60
) -> Floats:
    """Estimate the standard deviations (k,) [m] of where image points (k, 2) are on the ground.

    The pairs are shaken by as much as they err, over and over, and the ground is fitted anew. A
    point that some of these grounds show beyond their horizon is nowhere: inf.
    """
    rng = np.random.default_rng(2)
    used = pairs.pick(found.kept)
    scale = 1.0 if np.isnan(found.scale) else found.scale
    lens, places = _bend(found.lens, size), []
    for _ in range(trials):
        shaken = Pairs(
            used.image + rng.normal(0, CLICK * scale, used.image.shape),
            used.ground + rng.normal(0, SURVEY * scale, used.ground.shape),
        )
        try:
            places.append(Ground.from_pairs(*shaken, lens).places(points).xy)
        except GroundError:
            places.append(np.full_like(points, np.nan))
    spread = np.sqrt(np.var(places, axis=0).sum(axis=1) / 2)
    return np.where(np.isnan(spread), np.inf, spread)
