"""What modems answer to AT commands: `+QENG` (Quectel), `+CESQ`, `+C5GREG`, `+CEREG`.

References
----------
3GPP TS 27.007 (AT command set for UE), 8.69 `+CESQ`, 10.1.22 `+CEREG`, 10.1.47 `+C5GREG`.
Quectel, RG50xQ & RM5xxQ Series Network Application Note, 3.2.2 `AT+QENG`.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from edge.sensors.plugin import Reading, known

# Place in +CESQ, step of the scale, and what index 0 would be: index n begins at that + n steps.
_NR: Final = (("modem.rsrp", 7, 1.0, -157.0), ("modem.rsrq", 6, 0.5, -43.5),
              ("modem.sinr", 8, 0.5, -23.5))  # fmt: skip
_LTE: Final = (("modem.rsrp", 5, 1.0, -141.0), ("modem.rsrq", 4, 0.5, -20.0))
_NOT_KNOWN: Final = 255
_NOT_MEASURED: Final = -32768
_LTE_SINR: Final = range(26)
"""Quectel's 5G modems count the SINR of LTE so; older ones, which count to 250, have no 5G."""


class _Row(NamedTuple):
    """Where the fields of a row of `+QENG` stand, after its technology."""

    rsrp: int
    rsrq: int
    sinr: int
    cell: int | None


_ROWS: Final = {
    "LTE": _Row(rsrp=11, rsrq=12, sinr=14, cell=4),
    "NR5G-SA": _Row(rsrp=10, rsrq=11, sinr=12, cell=4),
    "NR5G-NSA": _Row(rsrp=4, rsrq=6, sinr=5, cell=None),
}


def parse_qeng(lines: Sequence[str], now: int) -> list[Reading]:
    """Read what ``AT+QENG="servingcell"`` answers; 5G wins over LTE, which then tells the cell.

    >>> row = '+QENG: "servingcell","NOCONN","NR5G-SA","TDD",460,01,19013B004,299,690E0F,633984,'
    >>> [r.value for r in parse_qeng([row + "78,12,-107,-13,2,1,-"], 0)]
    [-107.0, -13.0, 2.0, 6712176644.0]

    Raises
    ------
    ValueError
        If a row is not as documented.
    """
    rows: dict[str, list[str]] = {}
    for line in lines:
        fields = _fields(line, "+QENG")
        if fields[:1] == ["servingcell"]:
            fields = fields[2:]
        if fields and fields[0] in _ROWS:
            rows[fields[0]] = fields
    signal: list[Reading] = []
    cell: list[Reading] = []
    for technology in ("LTE", "NR5G-NSA", "NR5G-SA"):
        if technology in rows:
            better = _signal(technology, rows[technology], now)
            if any(reading.metric == "modem.rsrp" for reading in better):
                signal = better
            place = _ROWS[technology].cell
            if place is not None:
                cell = _cell(rows[technology][place], now) or cell
    return signal + cell


def parse_cesq(lines: Sequence[str], now: int) -> list[Reading]:
    """Read what ``AT+CESQ`` answers; 5G wins over LTE. A value is where its step begins.

    >>> [r.value for r in parse_cesq(["+CESQ: 99,99,255,255,255,255,65,70,77"], 0)]
    [-87.0, -11.0, 15.0]

    Raises
    ------
    ValueError
        If it holds no numbers.
    """
    for line in lines:
        steps = [int(field) for field in _fields(line, "+CESQ")]
        for scale in (_NR, _LTE):
            if len(steps) > scale[0][1] and steps[scale[0][1]] < _NOT_KNOWN:
                return [
                    known(now, metric, first + step * max(steps[place], 1))
                    for metric, place, step, first in scale
                    if place < len(steps) and steps[place] < _NOT_KNOWN
                ]
    return []


def parse_registration(lines: Sequence[str], now: int) -> list[Reading]:
    """Read the cell of what ``AT+C5GREG?`` or ``AT+CEREG?`` answers.

    >>> parse_registration(['+CEREG: 2,1,"8B2C","0B0A2F04",7'], 0)[0].value
    185216772.0

    Raises
    ------
    ValueError
        If the cell is no hexadecimal number.
    """
    for line in lines:
        for name in ("+C5GREG", "+CEREG"):
            fields = _fields(line, name)
            if len(fields) > 3 and fields[1].isdecimal():  # noqa: PLR2004  # else it is unasked
                return _cell(fields[3], now)
    return []


def _fields(line: str, name: str) -> list[str]:
    head, colon, rest = line.partition(":")
    if not colon or head.strip() != name:
        return []
    return [field.strip().strip('"') for field in rest.split(",")]


def _signal(technology: str, fields: list[str], now: int) -> list[Reading]:
    row = _ROWS[technology]
    if len(fields) <= max(row.rsrp, row.rsrq, row.sinr):
        msg = f"+QENG has {len(fields)} fields for {technology}: {fields}"
        raise ValueError(msg)
    readings = []
    for metric, place in (("modem.rsrp", row.rsrp), ("modem.rsrq", row.rsrq)):
        value = _value(fields[place])
        if value is not None:
            readings.append(known(now, metric, value))
    sinr = _value(fields[row.sinr])
    if sinr is not None and technology != "LTE":
        readings.append(known(now, "modem.sinr", sinr))
    elif sinr is not None and sinr in _LTE_SINR:
        readings.append(known(now, "modem.sinr", 2 * sinr - 20))
    return readings


def _value(field: str) -> int | None:
    """Read a number; a dash or -32768 stands for what was not measured."""
    value = None if field in {"", "-"} else int(field)
    return None if value == _NOT_MEASURED else value


def _cell(field: str, now: int) -> list[Reading]:
    return [] if field in {"", "-"} else [known(now, "modem.cell", int(field, 16))]
