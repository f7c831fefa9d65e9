import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.sensors.mmcli import parse_cell, parse_signal
from edge.sensors.plugin import Reading

# As ModemManager 1.20 prints it for a 5G modem.
SIGNAL = """{"modem": {"signal": {
"5g": {"error-rate": "--", "rsrp": "-92.00", "rsrq": "-11.00", "snr": "14.50"},
"cdma1x": {"ecio": "--", "error-rate": "--", "rssi": "--"},
"evdo": {"ecio": "--", "error-rate": "--", "io": "--", "rssi": "--", "sinr": "--"},
"gsm": {"error-rate": "--", "rssi": "--"},
"lte": {"error-rate": "--", "rsrp": "-100.00", "rsrq": "-9.00", "rssi": "-71.00", "snr": "19.00"},
"refresh": {"rate": "5"}, "threshold": {"error-rate": "no", "rssi": "0"},
"umts": {"ecio": "--", "error-rate": "--", "rscp": "--", "rssi": "--"}}}}"""
# What a modem on LTE really said: a value of it stands under 5G.
MIXED = (
    '{"modem":{"signal":{"5g":{"error-rate":"--","rsrp":"--","rsrq":"-14.00","snr":"--"},'
    '"lte":{"error-rate":"--","rsrp":"-104.00","rsrq":"--","rssi":"--","snr":"2.00"},'
    '"refresh":{"rate":"10"}}}}'
)
CELL = (
    '{"modem":{"location":{"3gpp":{"cid":"0197763E","lac":"0000","mcc":"262","mnc":"03",'
    '"tac":"00C945"},"cdma-bs":{"latitude":"--","longitude":"--"},"gps":{"altitude":"--",'
    '"latitude":"--","longitude":"--","nmea":[],"utc":"--"}}}}'
)


def test_5g_wins() -> None:
    assert parse_signal(SIGNAL, 7) == [
        Reading(7, "modem.rsrp", -92.0, "dB[mW]"),
        Reading(7, "modem.rsrq", -11.0, "dB"),
        Reading(7, "modem.sinr", 14.5, "dB"),
    ]


def test_lte_where_there_is_no_5g() -> None:
    answer = SIGNAL.replace("-92.00", "--").replace("-11.00", "--").replace("14.50", "--")
    assert [s.value for s in parse_signal(answer, 7)] == [-100.0, -9.0, 19.0]
    assert {s.metric: s.value for s in parse_signal(MIXED, 7)} == {
        "modem.rsrp": -104.0, "modem.sinr": 2.0,
    }  # fmt: skip


def test_what_is_not_measured_is_absent() -> None:
    assert [s.metric for s in parse_signal(SIGNAL.replace("14.50", "--"), 7)] == [
        "modem.rsrp", "modem.rsrq",
    ]  # fmt: skip
    assert parse_signal('{"modem": {"signal": {"refresh": {"rate": "5"}}}}', 7) == []


def test_the_cell() -> None:
    assert parse_cell(CELL, 7) == [Reading(7, "modem.cell", 0x197763E, "1")]
    assert parse_cell(CELL.replace("0197763E", "--"), 7) == []
    assert parse_cell('{"modem": {"location": {}}}', 7) == []


@pytest.mark.parametrize(
    "answer",
    ["", "error: no modem", "{}", "[]", '{"modem": {"signal": 1, "location": 1}}',
     '{"modem": {"signal": {"lte": {"rsrp": []}}, "location": {"3gpp": {"cid": []}}}}',
     '{"modem": {"signal": {"lte": 1}, "location": {"3gpp": 1}}}'],
)  # fmt: skip
@pytest.mark.parametrize("parse", [parse_signal, parse_cell])
def test_no_answer(parse: Callable[[str, int], list[Reading]], answer: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(answer, 7)


def test_it_is_asked_on_the_command_line(
    start: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A script stands in for mmcli: first without a modem, then with one."""
    program = tmp_path / "mmcli"
    program.write_text(
        "#!/bin/sh\n"
        f'test -e {tmp_path}/modem || {{ echo "error: couldn\'t find modem" >&2; exit 1; }}\n'
        f"case $4 in --signal-get) cat {tmp_path}/signal;; --location-get) cat {tmp_path}/cell;;\n"
        f"*) echo $* > {tmp_path}/asked;; esac\n"
    )
    (tmp_path / "signal").write_text(SIGNAL)
    (tmp_path / "cell").write_text(CELL)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    program.chmod(0o755)
    running = start(kind="mmcli", period_s=2)
    running.until(lambda: "couldn't find modem" in caplog.text)
    (tmp_path / "modem").touch()
    running.until(lambda: running.values("modem.cell"))
    assert running.values("modem.rsrp")[0] == -92
    assert (tmp_path / "asked").read_text() == "-J -m any --signal-setup=2\n"
    assert caplog.text.count("lost") == caplog.text.count("recovered") == 1


def test_without_modemmanager(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", "")
    running = start(kind="mmcli")
    running.until(lambda: "mmcli is not installed; install ModemManager" in caplog.text)
