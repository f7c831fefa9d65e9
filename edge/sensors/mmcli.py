"""What ModemManager knows of the modem on the box: signal, and the cell that serves it."""

import json
import shutil
import subprocess
from typing import Annotated, Any, Final

from pydantic import Field

from edge.errors import SourceError
from edge.sensors.plugin import Pieces, Polled, Reading, Watch, known, units_of

_NAMES: Final = {"rsrp": "modem.rsrp", "rsrq": "modem.rsrq", "snr": "modem.sinr"}
_UNKNOWN: Final = {"", "--"}


class MmcliSensor(Polled):
    """A modem that ModemManager looks after."""

    period_s: Annotated[float, Field(ge=1, le=3600)] = 5.0
    modem: str = Field("any", pattern=r"^(any|[0-9]+|[0-9a-f]{40})$", description="of mmcli -L")

    @property
    def place(self) -> str:
        """The modem."""
        return f"mmcli modem {self.modem}"

    def units(self) -> dict[str, str]:
        """Name signal and cell."""
        return units_of(*_NAMES.values(), "modem.cell")

    def read(self, watch: Watch) -> Pieces:
        """Ask once a period."""
        # Without it ModemManager measures nothing.
        self._mmcli(f"--signal-setup={max(1, round(self.period_s))}")
        while True:
            try:
                signal = parse_signal(self._mmcli("--signal-get"), watch.clock())
                cell = parse_cell(self._mmcli("--location-get"), watch.clock())
            except ValueError as fault:
                raise SourceError(str(fault)) from fault
            yield signal + cell
            if watch.wait_for_turn(self.period_s):
                return

    def _mmcli(self, request: str) -> str:
        mmcli = shutil.which("mmcli")
        if mmcli is None:
            msg = "mmcli is not installed; install ModemManager, or give the modem another kind"
            raise SourceError(msg)
        try:
            answer = subprocess.run(  # noqa: S603  # found on the path, checked arguments
                [mmcli, "-J", "-m", self.modem, request],
                capture_output=True, text=True, timeout=self.timeout_s, check=False,
            )  # fmt: skip
        except (subprocess.TimeoutExpired, UnicodeDecodeError) as fault:
            msg = f"mmcli does not answer: {fault}"
            raise SourceError(msg) from fault
        if answer.returncode:
            msg = f"mmcli {request} failed: {answer.stderr.strip()[:200]}"
            raise SourceError(msg)
        return answer.stdout


def parse_signal(answer: str, now: int) -> list[Reading]:
    """Read what ``mmcli -J -m any --signal-get`` prints.

    5G wins over LTE if its RSRP is known: for some LTE modems a value or two stand under 5G.

    Parameters
    ----------
    now
        When it was asked. [us]

    Raises
    ------
    ValueError
        If it is not the answer to that.
    """
    signal = _part(answer, "signal")
    try:
        for technology in ("5g", "lte"):
            values = {k: v for k, v in signal.get(technology, {}).items() if v not in _UNKNOWN}
            if "rsrp" in values:
                return [
                    known(now, metric, float(values[name]))
                    for name, metric in _NAMES.items()
                    if name in values
                ]
    except (AttributeError, TypeError, OverflowError) as fault:
        msg = f"no answer of mmcli --signal-get: {fault!r}"
        raise ValueError(msg) from fault
    return []


def parse_cell(answer: str, now: int) -> list[Reading]:
    """Read the cell of what ``mmcli -J -m any --location-get`` prints.

    Raises
    ------
    ValueError
        If it is not the answer to that.
    """
    cell = _part(answer, "location").get("3gpp", {})
    try:
        cid = cell.get("cid", "")
        return [] if cid in _UNKNOWN else [known(now, "modem.cell", int(cid, 16))]
    except (AttributeError, TypeError) as fault:
        msg = f"no answer of mmcli --location-get: {fault!r}"
        raise ValueError(msg) from fault


def _part(answer: str, name: str) -> dict[str, Any]:
    try:
        part = json.loads(answer)["modem"][name]
    except (KeyError, TypeError, RecursionError) as fault:
        msg = f"no answer of mmcli: {fault!r}"
        raise ValueError(msg) from fault
    if not isinstance(part, dict):
        msg = f"no answer of mmcli: {part!r}"
        raise ValueError(msg)  # noqa: TRY004  # data, not a caller's mistake
    return part
