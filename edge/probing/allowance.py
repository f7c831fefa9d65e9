"""How many bytes probes may still take: buckets that fill slowly, and remember a restart."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from edge.durable_file import write_durably

DAY: Final = 86_400.0  # [s]
SHARES: Final = {"echo": 0.5, "time": 0.1, "train": 0.4}
"""Of the budget, by kind of probe; so a train, which is large, keeps nobody waiting."""
_LEVELS: Final = msgspec.json.Decoder(dict[str, float])


class Allowance:
    """Lets a probe go when its kind has saved up for it.

    A bucket holds one probe and fills with what its share of a day leaves beside that. So in any
    24 hours no more than the budget is taken, whenever they begin. What is taken is on the disk
    before it is spent, and time in which no agent ran fills nothing: who restarts often gets less.

    Parameters
    ----------
    path
        File of the levels; without one all buckets begin empty.
    daily
        Budget. [bytes]
    costs
        Bytes of one probe by kind; a kind whose share does not reach for one a day is left out.
    """

    def __init__(
        self,
        path: Path,
        daily: int,
        costs: Mapping[str, int],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._monotonic = monotonic
        self._at = monotonic()
        left = {kind: SHARES[kind] * daily - cost for kind, cost in costs.items()}
        self._costs = {kind: cost for kind, cost in costs.items() if left[kind] > 0}
        self._rates = {kind: left[kind] / DAY for kind in self._costs}  # [byte/s]
        kept = _read(path)
        self._levels = {
            kind: min(max(kept.get(kind, 0.0), 0.0), cost) for kind, cost in self._costs.items()
        }

    def period(self, kind: str) -> float | None:
        """How long a kind saves up for one probe; None: for ever. [s]."""
        return self._costs[kind] / self._rates[kind] if kind in self._costs else None

    def has(self, kind: str) -> bool:
        """Whether there is enough for a probe of this kind."""
        self._fill()
        return kind in self._costs and self._levels[kind] >= self._costs[kind]

    def take(self, kind: str) -> bool:
        """Take what a probe of this kind costs, which must be there; False: the disk is full."""
        self._levels[kind] -= self._costs[kind]
        try:
            write_durably(self._path, msgspec.json.encode(self._levels), 0o600)
        except OSError:
            return False  # after a restart nobody would know of it: nothing is sent
        return True

    def _fill(self) -> None:
        now = self._monotonic()
        for kind, rate in self._rates.items():
            more = self._levels[kind] + rate * (now - self._at)
            self._levels[kind] = min(more, self._costs[kind])
        self._at = now


def _read(path: Path) -> dict[str, float]:
    try:
        return _LEVELS.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}  # none yet, or broken: nothing was saved up
