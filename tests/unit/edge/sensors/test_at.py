import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge.sensors.at_answers import parse_cesq, parse_qeng, parse_registration
from edge.sensors.plugin import Reading

# Examples of Quectel's RG50xQ & RM5xxQ Series Network Application Note, 3.2.2.
LTE_ROW = '+QENG: "servingcell","NOCONN","LTE","FDD",460,01,5F1EA15,12,1650,3,5,5,DE10,'
LTE = [f"{LTE_ROW}-100,-12,-68,11,0,-32768,27"]
EN_DC = [
    '+QENG: "servingcell","NOCONN"',
    '+QENG: "LTE","FDD",460,01,5F1EA15,12,1650,3,5,5,DE10,-99,-12,-67,11,9,230,-',
    '+QENG:"NR5G-NSA",460,01,747,-71,33,-11,627264,78,12,1',
]
SA_ROW = '+QENG: "servingcell","NOCONN","NR5G-SA","TDD",460,01,19013B004,299,690E0F,633984,78,12,'
SA = [f"{SA_ROW}-107,-13,2,1,-"]
# What modems said on lines that people published.
SPACED_ROW = '+QENG: "servingcell","NOCONN","NR5G-SA","TDD", 202,01,12AA54086,262,15EC,634080,78,7,'
SA_SPACED = [f"{SPACED_ROW}-92,-11,18,1,-"]
NO_NR = [*EN_DC[:2], '+QENG: "NR5G-NSA",460,01,-,-32768,-,-32768,-,-,-,-']
SEARCHING = ['+QENG: "servingcell","SEARCH"']


def said(readings: list[Reading]) -> dict[str, float]:
    return {r.metric.removeprefix("modem."): r.value for r in readings}


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        (LTE, {"rsrp": -100, "rsrq": -12, "sinr": 2, "cell": 0x5F1EA15}),
        (EN_DC, {"rsrp": -71, "rsrq": -11, "sinr": 33, "cell": 0x5F1EA15}),
        (SA, {"rsrp": -107, "rsrq": -13, "sinr": 2, "cell": 0x19013B004}),
        (SA_SPACED, {"rsrp": -92, "rsrq": -11, "sinr": 18, "cell": 0x12AA54086}),
        (NO_NR, {"rsrp": -99, "rsrq": -12, "sinr": 2, "cell": 0x5F1EA15}),
        (SEARCHING, {}),
        ([], {}),
    ],
)
def test_the_serving_cell(lines: list[str], values: dict[str, float]) -> None:
    assert said(parse_qeng(lines, 7)) == values


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("+CESQ: 99,99,255,255,255,255,65,70,77", {"rsrq": -11, "rsrp": -87, "sinr": 15}),
        ("+CESQ: 27,99,255,255,16,44,255,255,255", {"rsrp": -97, "rsrq": -12}),
        ("+CESQ: 17,99,255,255,4,29", {"rsrp": -112, "rsrq": -18}),
        ("+CESQ: 99,99,255,255,255,255,0,0,0", {"rsrp": -156, "rsrq": -43, "sinr": -23}),
        ("+CESQ: 99,99,255,255,255,255,126,126,127", {"rsrp": -31, "rsrq": 19.5, "sinr": 40}),
        ("+CESQ: 99,99,255,255,34,97", {"rsrp": -44, "rsrq": -3}),
        ("+CESQ: 99,99,255,255,255,255,255,255,255", {}),
    ],
)
def test_the_standards_signal(line: str, values: dict[str, float]) -> None:
    assert said(parse_cesq([line], 7)) == values


def test_the_standards_cell() -> None:
    assert said(parse_registration(['+C5GREG: 2,1,"690E0F","19013B004",11,1,"01"'], 7)) == {
        "cell": 0x19013B004,
    }  # fmt: skip
    assert parse_registration(["+CEREG: 2,0"], 7) == []
    assert parse_registration(['+CEREG: 1,"8B2C","0B0A2F04",7'], 7) == [], "said unasked"


@pytest.mark.parametrize("lines", [[LTE[0][:60]], [SA[0].replace("-107", "x")], ["+QENG: "]])
def test_a_row_that_is_not_as_documented(lines: list[str]) -> None:
    if lines == ["+QENG: "]:
        assert parse_qeng(lines, 7) == []
        return
    with pytest.raises(ValueError, match=r".+"):
        parse_qeng(lines, 7)
    with pytest.raises(ValueError, match=r".+"):
        parse_cesq(["+CESQ: a,b"], 7)


class Modem:
    """Answers on the far end of a serial port, with echo until it is told to be silent."""

    def __init__(self, port: Any, answers: dict[str, list[str]]) -> None:
        self.asked: list[str] = []
        self._port, self._answers = port, answers
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        rest = b""
        while True:
            try:
                rest += os.read(self._port.far, 1000)
            except OSError:
                return
            *commands, rest = rest.split(b"\r")
            for command in commands:
                self.asked.append(command.decode())
                answer = self._answers.get(command.decode(), ["ERROR"])
                text = "\r\n".join([command.decode() + "\r", '+QIND: "act"', *answer, ""])
                os.write(self._port.far, text.encode())

    def join(self) -> None:
        self._thread.join(20)


@pytest.fixture
def modem(port: Any) -> Iterator[Callable[[dict[str, list[str]]], Modem]]:
    made: list[Modem] = []

    def make(answers: dict[str, list[str]]) -> Modem:
        made.append(Modem(port, answers))
        return made[-1]

    yield make
    port.unplug()
    for one in made:
        one.join()


def test_quectels_way(start: Callable[..., Any], port: Any, modem: Callable[..., Modem]) -> None:
    modem({"ATE0": ["OK"], 'AT+QENG="servingcell"': [*EN_DC, "", "OK"]})
    running = start(kind="at", port=str(port.path), period_s=1)
    running.until(lambda: running.values("modem.cell"))
    assert running.values("modem.rsrp")[0] == -71
    assert running.run.bad == 0
    running.stop()


def test_the_standards_way(
    start: Callable[..., Any], port: Any, modem: Callable[..., Modem]
) -> None:
    made = modem({
        "AT+CEREG=2": ["OK"],
        "AT+CESQ": ["+CESQ: 27,99,255,255,16,44,255,255,255", "OK"],
        "AT+C5GREG?": ["+CME ERROR: 100"],
        "AT+CEREG?": ['+CEREG: 2,1,"8B2C","0B0A2F04",7', "OK"],
    })  # fmt: skip
    running = start(kind="at", port=str(port.path), period_s=1)
    running.until(lambda: running.values("modem.cell"))
    assert running.values("modem.rsrp")[0] == -97
    assert "AT+C5GREG=2" in made.asked
    running.stop()


def test_a_port_on_which_nobody_answers(
    start: Callable[..., Any], port: Any, caplog: pytest.LogCaptureFixture
) -> None:
    running = start(kind="at", port=str(port.path), timeout_s=0.6)
    running.until(lambda: "is this the modem's AT port?" in caplog.text)
    running.stop()
