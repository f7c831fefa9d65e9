"""What ModemManager knows of the 5G modem on the box; other modems speak JSON lines."""

import json
import logging
import shutil
import subprocess
import threading
from collections.abc import Callable
from typing import Any, Final

from contracts.clock import Clock
from edge.batches import Scalar

log = logging.getLogger(__name__)

PERIOD: Final = 5.0
"""How often the modem is asked. [s]"""
_NAMES: Final = {"rsrp": "modem.rsrp", "rsrq": "modem.rsrq", "snr": "modem.sinr"}


def parse_signal(answer: str, now: int) -> list[Scalar]:
    """Read what ``mmcli -J -m any --signal-get`` prints; 5G wins over LTE.

    Parameters
    ----------
    now
        When it was asked. [us]

    Raises
    ------
    ValueError
        If it is not the answer to that.
    """
    try:
        signal: dict[str, dict[str, Any]] = json.loads(answer)["modem"]["signal"]
        for technology in ("5g", "lte"):
            values = {k: v for k, v in signal.get(technology, {}).items() if v != "--"}
            if scalars := [
                Scalar(now, metric, float(values[name]))
                for name, metric in _NAMES.items()
                if name in values
            ]:
                return scalars
    except (AttributeError, KeyError, TypeError) as fault:
        msg = f"no answer of mmcli --signal-get: {fault!r}"
        raise ValueError(msg) from fault
    return []


class ModemManager:
    """Asks the modem every few seconds."""

    def __init__(self, sink: Callable[[list[Scalar]], None], clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._stopping = threading.Event()
        self._lost = False

    def run(self, *, until_done: bool) -> None:  # noqa: ARG002  # a modem is never done
        """Ask until `stop`."""
        asked_for = False
        while not self._stopping.is_set():
            try:
                if not asked_for:  # without it ModemManager measures nothing
                    _mmcli(f"--signal-setup={PERIOD:.0f}")
                    asked_for = True
                self._sink(parse_signal(_mmcli("--signal-get"), self._clock()))
                self._change(lost=False, reason="")
            except (OSError, subprocess.SubprocessError, ValueError) as fault:
                asked_for = False
                self._change(lost=True, reason=str(fault))
            self._stopping.wait(PERIOD)

    def stop(self) -> None:
        """End `run` soon."""
        self._stopping.set()

    def _change(self, *, lost: bool, reason: str) -> None:
        if lost and not self._lost:
            log.warning("modem lost: %s", reason)
        elif self._lost and not lost:
            log.info("modem recovered")
        self._lost = lost


def _mmcli(request: str) -> str:
    mmcli = shutil.which("mmcli")
    if mmcli is None:
        msg = "mmcli is not installed; install ModemManager or give [modem] source another value"
        raise FileNotFoundError(msg)
    return subprocess.run(  # noqa: S603  # found on the path, fixed arguments
        [mmcli, "-J", "-m", "any", request],
        capture_output=True,
        text=True,
        timeout=PERIOD,
        check=True,
    ).stdout
