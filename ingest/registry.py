"""What the registry says of devices and metrics, remembered for a while."""

import time
from collections.abc import Iterable
from typing import Final

from ingest.quality import NO_RANGES, Ranges, ranges
from storage.pool import Connection
from storage.registry import (
    Device,
    agree_units,
    find_devices,
    metric_numbers,
    metric_ranges,
)

MAX_AGE: Final = 30.0
"""How long a device or a metric may still be taken for what it was. [s]"""

MAX_NAME: Final = 200
"""Characters of a metric's name."""


class Registry:
    """Cache of registered devices and metrics; only what is registered is remembered."""

    def __init__(self) -> None:
        self._devices: dict[str, Device] = {}
        self._metrics: dict[str, int] = {}
        self._called: dict[tuple[str, str], str] = {}
        self.ranges: Ranges = NO_RANGES  # of the metrics that were found last
        self._read_at = time.monotonic()

    def devices(self, connection: Connection, identities: Iterable[str]) -> dict[str, Device]:
        """Find the registered ones among these."""
        if time.monotonic() - self._read_at > MAX_AGE:
            self.forget()
        missing = {i for i in identities if i not in self._devices and i.count("/") == 1}
        if missing:
            self._devices |= find_devices(connection, missing)
        return self._devices

    def forget(self) -> None:
        """Ask anew."""
        self._devices.clear()
        self._metrics.clear()
        self._called.clear()
        self._read_at = time.monotonic()

    def metrics(self, connection: Connection, names: Iterable[str]) -> dict[str, int]:
        """Find the numbers of these; a name has none if it is no name or there are too many."""
        missing = {n for n in names if n not in self._metrics and 0 < len(n) <= MAX_NAME}
        if missing:
            found = metric_numbers(connection, missing)
            # First, as another thread may take a number that is remembered to have its range.
            self.ranges = ranges(metric_ranges(connection))
            self._metrics |= found
        return self._metrics

    def remembered(self) -> tuple[dict[str, Device], dict[str, int]]:
        """Give what is known without asking, nothing once that is old; safe in any thread."""
        if time.monotonic() - self._read_at > MAX_AGE:
            return {}, {}
        return self._devices.copy(), self._metrics.copy()

    def called(
        self, connection: Connection, stated: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], str]:
        """Name each (metric, unit) that senders state; "" is whatever unit the metric has.

        A metric has the unit that is registered, or that was stated first. In another unit it is
        another metric, with that unit in its name: nothing is lost, and nothing mixed.
        """
        missing = {pair for pair in stated if pair not in self._called}
        if missing:
            first = {name: unit for name, unit in sorted(missing, reverse=True) if unit}
            self.metrics(connection, first)
            units = agree_units(connection, first)
            for name, unit in missing:
                same = not unit or units.get(name, unit) == unit
                self._called[name, unit] = name if same else f"{name}[{unit}]"
            other = {self._called[name, unit]: unit for name, unit in missing if unit}
            self.metrics(connection, other)
            agree_units(connection, other)
        return self._called
