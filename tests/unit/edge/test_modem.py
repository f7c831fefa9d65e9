import pytest

from edge.batches import Scalar
from edge.modem import parse_signal

ANSWER = """{"modem": {"signal": {
"5g": {"error-rate": "--", "rsrp": "-92.00", "rsrq": "-11.00", "snr": "14.50"},
"cdma1x": {"ecio": "--", "error-rate": "--", "rssi": "--"},
"evdo": {"ecio": "--", "error-rate": "--", "io": "--", "rssi": "--", "sinr": "--"},
"gsm": {"error-rate": "--", "rssi": "--"},
"lte": {"error-rate": "--", "rsrp": "-100.00", "rsrq": "-9.00", "rssi": "-71.00", "snr": "19.00"},
"refresh": {"rate": "5"}, "threshold": {"error-rate": "no", "rssi": "0"},
"umts": {"ecio": "--", "error-rate": "--", "rscp": "--", "rssi": "--"}}}}"""


def test_5g_wins() -> None:
    assert parse_signal(ANSWER, 7) == [
        Scalar(7, "modem.rsrp", -92.0),
        Scalar(7, "modem.rsrq", -11.0),
        Scalar(7, "modem.sinr", 14.5),
    ]


def test_lte_where_there_is_no_5g() -> None:
    answer = ANSWER.replace("-92.00", "--").replace("-11.00", "--").replace("14.50", "--")
    assert [s.value for s in parse_signal(answer, 7)] == [-100.0, -9.0, 19.0]


def test_what_is_not_measured_is_absent() -> None:
    assert [s.metric for s in parse_signal(ANSWER.replace("14.50", "--"), 7)] == [
        "modem.rsrp", "modem.rsrq",
    ]  # fmt: skip
    assert parse_signal('{"modem": {"signal": {"refresh": {"rate": "5"}}}}', 7) == []


@pytest.mark.parametrize("answer", ["", "error: no modem", "{}", "[]", '{"modem": {"signal": 1}}'])
def test_no_answer(answer: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_signal(answer, 7)
