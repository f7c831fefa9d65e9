from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clock import from_micros
from edge.batches import Scalar
from edge.sensors.kinds import read_sensor
from edge.sensors.nmea import Receiver, parse_sentence
from edge.sensors.plugin import Reading, Watch

# The two sentences that every description of NMEA 0183 explains.
GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
RMC = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"
# What receivers say before they know anything.
NO_FIX = b"$GPGGA,,,,,,0,00,99.99,,,,,,*48\r\n"
NO_RMC = b"$GPRMC,,V,,,,,,,,,,N*53\r\n"
GSV = b"$GPGSV,1,1,00*79\r\n"


def seal(content: bytes) -> bytes:
    checksum = 0
    for byte in content:
        checksum ^= byte
    return b"$%b*%02X\r\n" % (content, checksum)


def said(readings: list[Reading]) -> dict[str, float]:
    return {r.metric.removeprefix("gnss."): r.value for r in readings}


def test_position_in_the_receivers_time() -> None:
    receiver = Receiver(own_time=True)
    readings = receiver.take(RMC, 5)
    assert said(readings) == {
        "latitude": pytest.approx(48 + 7.038 / 60),
        "longitude": pytest.approx(11 + 31 / 60),
        "speed": pytest.approx(22.4 * 1852 / 3600),
        "course": 84.4,
    }
    assert {from_micros(r.t).isoformat() for r in readings} == {"1994-03-23T12:35:19+00:00"}
    assert [(r.metric, r.unit) for r in readings][-1] == ("gnss.speed", "m/s")
    quality = receiver.take(GGA, 5)
    assert said(quality) == {"fix": 1, "satellites": 8, "hdop": 0.9, "altitude": 545.4}
    assert {r.t for r in quality} == {readings[0].t}


def test_position_in_the_boxs_time() -> None:
    receiver = Receiver(own_time=False)
    assert {r.t for r in receiver.take(GGA, 5) + receiver.take(RMC, 5)} == {5}


def test_south_and_west_are_negative() -> None:
    south = seal(b"GPRMC,123519,A,4807.038,S,01131.000,W,,,230394,,")
    assert said(Receiver(own_time=True).take(south, 5)) == {
        "latitude": pytest.approx(-48.1173), "longitude": pytest.approx(-11.516667),
    }  # fmt: skip


def test_a_time_of_day_is_dated_by_the_nearest_rmc() -> None:
    receiver = Receiver(own_time=True)
    receiver.take(seal(b"GPRMC,235959,A,4807.038,N,01131.000,E,,,311294,,"), 5)
    (fix, *_) = receiver.take(seal(b"GPGGA,000000,4807.038,N,01131.000,E,1,08,0.9,,M,,M,,"), 5)
    assert from_micros(fix.t).isoformat() == "1995-01-01T00:00:00+00:00"
    (fix, *_) = receiver.take(seal(b"GPGGA,235958,4807.038,N,01131.000,E,1,08,0.9,,M,,M,,"), 5)
    assert from_micros(fix.t).isoformat() == "1994-12-31T23:59:58+00:00"


def test_without_a_fix_there_is_no_position() -> None:
    receiver = Receiver(own_time=True)
    assert receiver.take(NO_RMC, 5) == []
    assert receiver.take(NO_FIX, 5) == [
        Reading(5, "gnss.fix", 0.0, "1"), Reading(5, "gnss.satellites", 0.0, "{satellite}"),
    ]  # fmt: skip
    assert receiver.take(GGA, 5) == [], "nobody has told the date yet"


@pytest.mark.parametrize(
    "line",
    [b"", b"$", b"x", b"\xff\xfe", RMC.replace(b"6A", b"6B"), RMC[5:], RMC[:30], b"$GPRMC*00"],
)
def test_a_damaged_sentence_is_none(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_sentence(line)


@given(st.binary(max_size=80), st.sampled_from([b"GPRMC,", b"GPGGA,", b"", b"GPRMC,123519,A,"]))
def test_whatever_comes_is_read_or_refused(content: bytes, head: bytes) -> None:
    try:
        readings = Receiver(own_time=True).take(seal(head + content), 5)
    except ValueError:
        return
    assert all(isinstance(reading.value, float) for reading in readings)


def test_sentences_are_put_together_and_bad_ones_counted(port: Any) -> None:
    sensor = read_sensor({"kind": "nmea", "port": str(port.path), "clock": "arrival"})
    watch = Watch("", lambda: 5)
    pieces = sensor.read(watch)
    assert next(pieces) is None, "opened, and nothing came"
    port.say(b"131.000,E*00\r\n" + GSV + RMC[:20])
    assert next(pieces) == [], "whoever joins in the middle of a sentence cannot complain"
    port.say(RMC[20:] + b"$GPRMC,1*00\r\nnoise\r\n\r\n")
    assert {r.metric for r in next(pieces) or () if isinstance(r, Reading)} == {
        "gnss.latitude", "gnss.longitude", "gnss.speed", "gnss.course",
    }  # fmt: skip
    assert watch.bad == 2
    port.say(b"\x80" * 5000)
    while watch.bad == 2:
        assert next(pieces) is None, "noise is no sign of life"
    watch.stopping.set()
    assert list(pieces) == []


def test_a_receiver_that_is_unplugged_comes_back(
    start: Callable[..., Any], port: Any, caplog: pytest.LogCaptureFixture
) -> None:
    running = start(kind="nmea", port=str(port.path), clock="arrival")

    def says(sentence: bytes, metric: str) -> bool:
        port.say(sentence)  # what comes before the port is opened is thrown away
        return bool(running.values(metric))

    running.until(lambda: says(RMC, "gnss.latitude"))
    port.unplug()
    running.until(lambda: "lost" in caplog.text)
    port.plug()
    running.until(lambda: says(NO_FIX, "gnss.fix"))
    running.stop()
    assert running.samples[-1] == Scalar(running.clock(), "gnss.satellites", 0)
    assert caplog.text.count(f"sensor {port.path} lost") == 1
    assert caplog.text.count(f"sensor {port.path} recovered") == 1
