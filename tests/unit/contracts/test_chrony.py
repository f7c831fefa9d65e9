import pytest

from contracts.chrony import ClockQuality, parse_tracking

ANSWER = """Reference ID    : CB00710F (ntp1.example.net)
Stratum         : 3
Ref time (UTC)  : Fri Jan 27 09:49:17 2017
System time     : 0.000006523 seconds slow of NTP time
Last offset     : -0.000006747 seconds
RMS offset      : 0.000035822 seconds
Frequency       : 3.225 ppm slow
Residual freq   : -0.000 ppm
Skew            : 0.129 ppm
Root delay      : 0.013639022 seconds
Root dispersion : 0.001100737 seconds
Update interval : 64.2 seconds
Leap status     : Normal
"""


def test_slow_is_behind_fast_is_ahead() -> None:
    error = pytest.approx(0.001100737 + 0.013639022 / 2)
    assert parse_tracking(ANSWER) == (-6.523e-6, error)
    assert parse_tracking(ANSWER.replace("seconds slow", "seconds fast")) == (6.523e-6, error)


# A chrony without sources that `local stratum 10` tells to believe the machine's own clock.
LOCAL = """Reference ID    : 7F7F0101 ()
Stratum         : 10
Ref time (UTC)  : Tue Mar 12 15:34:02 2019
System time     : 0.000000000 seconds slow of NTP time
Last offset     : +0.000000000 seconds
RMS offset      : 0.000000000 seconds
Frequency       : 1.172 ppm slow
Residual freq   : +0.000 ppm
Skew            : 0.000 ppm
Root delay      : 0.000000000 seconds
Root dispersion : 0.000000000 seconds
Update interval : 0.0 seconds
Leap status     : Normal
"""


@pytest.mark.parametrize(
    "text", ["", "506 Cannot talk to daemon", ANSWER.replace("Normal", "Not synchronised"), LOCAL]
)
def test_nothing_is_known(text: str) -> None:
    assert parse_tracking(text) == ClockQuality()
