from collections.abc import Callable

import pytest

from edge.batches import Scalar, SignalEvent
from edge.sensors.plugin import Pieces, Reading, Sensor, Watch
from edge.sensors.run import TOGETHER, SensorRun


class Device(Sensor):
    """Says much at once, then nothing any more."""

    kind: str = "device"
    much: int = 1

    @property
    def place(self) -> str:
        return "device"

    @property
    def silence(self) -> float:
        return 0.05

    def units(self) -> dict[str, str]:
        return {"air.temperature": "Cel"}

    def read(self, watch: Watch) -> Pieces:
        yield [Reading(n, "air.temperature", 20.0, "Cel") for n in range(self.much)]
        while not watch.wait(0.01):
            yield None


def test_a_silent_device_is_opened_anew(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    found: list[Scalar | SignalEvent] = []

    def sink(samples: list[Scalar | SignalEvent]) -> None:
        found.extend(samples)
        if len(found) == 2:
            run.stop()

    run = SensorRun(Device(), sink, lambda: 0)
    run.run(until_done=False)
    assert found == [Scalar(0, "air.temperature", 20.0)] * 2
    assert caplog.messages == [
        "sensor device lost: nothing readable came for 0 s", "sensor device recovered",
    ]  # fmt: skip
    assert run.over


def test_no_more_than_some_are_handed_on_at_once() -> None:
    sizes: list[int] = []

    def sink(samples: list[Scalar | SignalEvent]) -> None:
        sizes.append(len(samples))
        run.stop()

    run = SensorRun(Device(much=TOGETHER + 1), sink, lambda: 0)
    run.run(until_done=True)
    assert sizes == [TOGETHER, 1]


@pytest.mark.parametrize(("now", "period", "turn"), [(0, 60, 60), (61_500_000, 60, 58.5)])
def test_turns_are_those_of_the_clock(
    now: int, period: float, turn: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    watch = Watch("", lambda: now)
    wait: Callable[[float], bool] = waited.append  # type: ignore[assignment]
    monkeypatch.setattr(watch, "wait", wait)
    watch.wait_for_turn(period)
    assert waited == [turn]
