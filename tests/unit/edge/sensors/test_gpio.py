import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.batches import Scalar
from edge.errors import SourceError
from edge.sensors.gpio import EVENT, Edges, GpioSensor
from edge.sensors.kinds import read_sensor
from edge.sensors.plugin import Reading, Watch

METER = {"kind": "gpio", "line": 17, "metric": "meter.pulses", "unit": "{pulse}", "period_s": 1}


def edge(number: int) -> bytes:
    """What <linux/gpio.h> says that the kernel writes for a rising edge of line 17."""
    event = EVENT.pack(1_760_000_000_000_000_000, 1, 17, number, number)
    assert len(event) == 48, "sizeof(struct gpio_v2_line_event)"
    return event


def test_edges_are_counted_by_their_numbers() -> None:
    near, far = os.pipe()
    edges = Edges(near)
    assert edges.take() == 0
    os.write(far, b"".join(map(edge, (1, 2, 3))))
    edges.wait(5)
    assert edges.take() == 3
    os.write(far, edge(40))
    edges.wait(5)
    assert edges.take() == 37, "the kernel dropped 36 that nobody read"
    edges.wait(0)
    assert edges.take() == 0
    edges._taken = edges._newest = (1 << 32) - 1
    os.write(far, edge(1))
    edges.wait(5)
    assert edges.take() == 2, "the numbers begin anew after 32 bits"
    os.close(far)
    with pytest.raises(OSError, match="No such device"):
        edges.wait(5)
    os.close(near)


def test_a_line_that_is_lost_says_what_it_had_counted() -> None:
    near, far = os.pipe()
    sensor = read_sensor(METER | {"scale": 0.2, "unit": "mm", "metric": "rain.amount"})
    assert isinstance(sensor, GpioSensor)
    counting = sensor.count(near, Watch("", lambda: 5))
    assert next(counting) == [], "a sign of life"
    os.write(far, b"".join(map(edge, range(1, 6))))
    os.close(far)
    assert next(counting) == [Reading(5, "rain.amount", 1.0, "mm")]
    with pytest.raises(OSError, match="No such device"):
        next(counting)
    os.close(near)


def test_the_count_is_of_the_period_that_ends() -> None:
    near, far = os.pipe()
    sensor = read_sensor(METER)
    assert isinstance(sensor, GpioSensor)
    watch = Watch("", lambda: 1_999_000)
    counting = sensor.count(near, watch)
    next(counting)
    os.write(far, edge(1))
    assert next(counting) == [Reading(1_998_999, "meter.pulses", 1.0, "{pulse}")]
    watch.stopping.set()
    assert list(counting) == []
    os.close(far)
    os.close(near)


def test_without_a_chip_it_says_what_to_do(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    if Path("/dev/gpiochip77").exists():
        pytest.skip("this machine has 78 GPIO chips")
    running = start(**METER, chip="/dev/gpiochip77")
    running.until(lambda: "there is no /dev/gpiochip77; `gpioinfo` lists" in caplog.text)
    running.stop()
    assert [s for s in running.samples if isinstance(s, Scalar)] == []


def test_what_is_no_chip_is_said(tmp_path: Path) -> None:
    path = tmp_path / "gpiochip"
    path.write_text("")
    sensor = read_sensor(METER)
    assert isinstance(sensor, GpioSensor)
    wrong = sensor.model_copy(update={"chip": str(path)})
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        next(wrong.read(Watch("", lambda: 5)))
    with pytest.raises(SourceError, match="there is no"):
        next(sensor.model_copy(update={"chip": "/none"}).read(Watch("", lambda: 5)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"offset": 1}, "offset: what counts has none; remove it"),
        ({"edge": "up"}, "'rising', 'falling' or 'both'"),
        ({"chip": "gpiochip0"}, "should match pattern"),
        ({"unit": "pulses"}, "is no unit that UCUM"),
        ({"metric": "rain.amount"}, "rain.amount is kept in 'mm'"),
    ],
)
def test_wrong_settings(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_sensor(METER | wrong)
