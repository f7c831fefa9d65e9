"""How well this machine's clock is known, as chrony tells it."""

import re
import shutil
import subprocess
from typing import Final, NamedTuple

_OWN: Final = "7F7F0101"
"""Reference ID of a chrony that believes its own clock (`local`), and says that it errs by 0."""
_NUMBER: Final = r"(-?[0-9]{1,15}\.?[0-9]*) seconds"


class ClockQuality(NamedTuple):
    """Offset of the machine's clock from UTC [s] and the bound of its error [s]; None: unknown."""

    offset: float | None = None
    error: float | None = None


def clock_quality() -> ClockQuality:
    """Ask chrony; nothing is known where it does not run."""
    chronyc = shutil.which("chronyc")
    if chronyc is None:
        return ClockQuality()
    try:
        answer = subprocess.run(  # noqa: S603  # found on the path, fixed arguments
            [chronyc, "tracking"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=2,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ClockQuality()
    return parse_tracking(answer.stdout)


def parse_tracking(text: str) -> ClockQuality:
    """Read what ``chronyc tracking`` prints.

    The error is chrony's own bound beside the offset: root dispersion plus half the root delay.

    >>> parse_tracking("Leap status     : Not synchronised")
    ClockQuality(offset=None, error=None)
    """
    time = re.search(rf"^System time\s*: {_NUMBER} (slow|fast) of NTP time", text, re.MULTILINE)
    delay = re.search(rf"^Root delay\s*: {_NUMBER}", text, re.MULTILINE)
    dispersion = re.search(rf"^Root dispersion\s*: {_NUMBER}", text, re.MULTILINE)
    reference = re.search(r"^Reference ID\s*: (\w+)", text, re.MULTILINE)
    own = reference is not None and reference[1] == _OWN
    if own or "Not synchronised" in text or not (time and delay and dispersion):
        return ClockQuality()
    sign = 1 if time[2] == "fast" else -1
    return ClockQuality(sign * float(time[1]), float(dispersion[1]) + float(delay[1]) / 2)
