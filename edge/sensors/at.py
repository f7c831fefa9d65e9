"""Modems that are asked by AT commands on a serial port, where ModemManager does not run."""

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import serial
from pydantic import Field

from edge.errors import SourceError
from edge.sensors.at_answers import parse_cesq, parse_qeng, parse_registration
from edge.sensors.plugin import Pieces, Polled, Reading, Watch, units_of
from edge.sensors.streams import Baud, Lines, Port, open_port, waiting_bytes

MOST: Final = 100
"""Lines of an answer; the rest is left out."""
_NAMES: Final = ("modem.rsrp", "modem.rsrq", "modem.sinr", "modem.cell")

Parser = Callable[[Sequence[str], int], list[Reading]]


class AtSensor(Polled):
    """A modem on a serial port that nobody else uses."""

    port: Port
    baud: Baud = 115_200
    period_s: Annotated[float, Field(ge=1, le=3600)] = 5.0

    @property
    def place(self) -> str:
        """The port."""
        return f"modem {self.port}"

    def units(self) -> dict[str, str]:
        """Name signal and cell."""
        return units_of(*_NAMES)

    def read(self, watch: Watch) -> Pieces:
        """Ask once a period, the maker's way if the modem knows it, else the standard's."""
        with open_port(self.port, self.baud) as port:
            dialogue = Dialogue(port, self.timeout_s)
            for setting in ("ATE0", "AT+CEREG=2", "AT+C5GREG=2"):  # what it does not know, it skips
                dialogue.ask(setting)
            while True:
                yield self._serving(dialogue, watch)
                if watch.wait_for_turn(self.period_s):
                    return

    def _serving(self, dialogue: "Dialogue", watch: Watch) -> list[Reading]:
        answer = dialogue.ask('AT+QENG="servingcell"')
        if answer is not None:
            return _parsed(parse_qeng, answer, watch)
        readings = _parsed(parse_cesq, dialogue.ask("AT+CESQ") or [], watch)
        for question in ("AT+C5GREG?", "AT+CEREG?"):
            cell = _parsed(parse_registration, dialogue.ask(question) or [], watch)
            if cell:
                return readings + cell
        return readings


def _parsed(parse: Parser, answer: list[str], watch: Watch) -> list[Reading]:
    try:
        return parse(answer, watch.clock())
    except ValueError as fault:
        watch.refuse(f"{answer}: {fault}")
        return []


class Dialogue:
    """Asks, and waits for the answer; what the modem says unasked stands among the lines."""

    def __init__(self, port: serial.Serial, timeout: float) -> None:
        self._port = port
        self._timeout = timeout  # [s]
        self._cut = Lines().cut

    def ask(self, command: str) -> list[str] | None:
        """Give the lines of the answer; None if the modem refuses.

        Raises
        ------
        SourceError
            If it does not answer in time.
        """
        self._port.write(f"{command}\r".encode())
        deadline = time.monotonic() + self._timeout
        answer: list[str] = []
        while time.monotonic() < deadline:
            for line in self._cut(waiting_bytes(self._port)):
                text = line.strip().decode("ascii", "replace")
                if text == "OK":
                    return answer
                if text == "ERROR" or text.startswith(("+CME ERROR", "+CMS ERROR")):
                    return None
                if text and len(answer) < MOST:
                    answer.append(text)
        msg = f"no answer to {command} within {self._timeout:g} s; is this the modem's AT port?"
        raise SourceError(msg)
