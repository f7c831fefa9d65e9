"""Whatever strangers send, it is read or refused, and nothing of it harms the neighbours."""

import json
from typing import Any, get_args

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.clock import from_micros, utc_now
from ingest.foreign.join import Arrival, apart, recipe, samples
from ingest.foreign.judge import Interpreter
from ingest.foreign.settings import Foreign, Format
from ingest.foreign.sparkplug_payload import Payload
from ingest.inbox import Delivery
from ingest.rows import blocks, marks
from storage.registry import Device

PATHS = ("$.a", "$..b", "$.*", "$[0]", "$.a.b[-1]", "$[?@.a > 1]")
MAPPING = {
    "records": "$..a",
    "id": "$.b",
    "time": "$.t",
    "time_unit": "s",
    "message_id": "$.id",
    "values": [{"path": path, "metric": f"m{i}"} for i, path in enumerate(PATHS)],
}
FORMATS: tuple[str, ...] = get_args(Format)
TOPICS = ("", "/SENSOR", "/STATE", "/LWT", "/availability", "/events/rpc", "/status/x:0", "/online")
KNOWN = """
a b t id n v u bn bt bs bv bver vs vb vd s Time Epoch TempUnit last_seen action src method params ts
events event component uplink_message end_device_ids device_id decoded_payload rx_metadata rssi snr
settings time received_at session_key_id f_cnt NotifyStatus NotifyEvent on off
2024-01-01T00:00:00 0001-01-01T00:00:00+14:00
"""
WORDS = KNOWN.split()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(WORDS),
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)


def sources(format_: str) -> Foreign:
    more: dict[str, Any] = {"mapping": MAPPING} if format_ == "mapping" else {}
    one = {"name": "s", "pilot": "p", "format": format_, "topics": ["x/#", "spBv1.0/#"]}
    return Foreign.model_validate({"source": [one | {"zone": "Europe/Prague"} | more]})


VALUES: list[dict[str, Any]] = [
    {"double_value": float("nan")},
    {"float_value": float("inf")},
    {"int_value": 2**32 - 1},
    {"long_value": 2**64 - 1},
    {"string_value": "\0"},
    {},
]
INTERPRETERS = {name: Interpreter(sources(name), ahead=300) for name in FORMATS}


def harmless(format_: str, topic: str, payload: bytes) -> None:
    """Judge a message, and make rows of what is good in it."""
    interpreter = INTERPRETERS[format_]
    message = interpreter.judge(Delivery(1, 3, topic, payload, {}, utc_now()))
    found = [Arrival(Device(1, 1), part, message) for part in message.parts]
    usable = [arrival for arrival in found if not arrival.part.odd]
    metrics = {name: i for i, name in enumerate({n for a in found for n in a.part.names})}
    joined = samples(usable)
    assert sum(sample.batch.rows for sample in joined) == sum(a.part.rows for a in usable)
    blocks(joined, metrics)
    marks(joined)
    recipe(found)
    for arrival in found:
        for judged in apart(arrival):
            assert judged.delivery.topic.startswith("tepna/1/p/")
    for change in message.changes:
        assert change.state is not None
        assert from_micros(change.state.since).year < 10_000


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=50)
@given(document=documents, topic=st.sampled_from(TOPICS))
def test_any_document(format_: str, document: Any, topic: str) -> None:
    harmless(format_, f"x/dev{topic}", json.dumps(document).encode())


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=50)
@given(payload=st.binary(max_size=40), topic=st.sampled_from(TOPICS))
def test_any_bytes(format_: str, payload: bytes, topic: str) -> None:
    harmless(format_, f"x/dev{topic}", payload)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [100, 600, 100_000])
def test_nested_without_end(format_: str, opening: str, depth: int) -> None:
    closing = "]" if opening == "[" else "}"
    harmless(format_, "x/dev", (opening * depth + "1" + closing * depth).encode())


@given(documents)
def test_any_cbor(document: Any) -> None:
    harmless("senml", "x/dev", cbor2.dumps([document]))


@given(
    st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"]),
    st.integers(0, 2**64 - 1),
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["", "bdSeq", "a", "b\0c"]) | st.text(max_size=5),
                "alias": st.integers(0, 3),
                "timestamp": st.integers(0, 2**64 - 1),
                "datatype": st.integers(0, 40),
                "is_null": st.booleans(),
            },
        ),
        max_size=4,
    ),
    st.sampled_from(VALUES),
)
def test_any_metrics(
    kind: str, timestamp: int, metrics: list[dict[str, Any]], value: dict[str, Any]
) -> None:
    payload = Payload(timestamp=timestamp)
    for metric in metrics:
        payload.metrics.add(**metric, **value)
    topic = f"spBv1.0/g/{kind}/n" + ("/d" if kind.startswith("D") else "")
    harmless("sparkplug", topic, payload.SerializeToString())


@pytest.mark.parametrize("format_", FORMATS)
def test_deep_ones(format_: str) -> None:
    for payload in (b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b"\x81" * 50_000):
        harmless(format_, "x/dev/SENSOR", payload)
    for depth in (50, 99, 101, 300, 500, 900, 1000):
        harmless(format_, "x/dev/SENSOR", b'{"a":' * depth + b"1" + b"}" * depth)
        harmless(format_, "x/dev/SENSOR", b"[" * depth + b"1" + b"]" * depth)
        for deep in (b'{"a":' * depth + b"1" + b"}" * depth, b"[" * depth + b"]" * depth):
            status = b'{"src":"a","method":"NotifyStatus","params":{"ts":1.8e9,"a":{"a":%b}}}'
            harmless(format_, "x/dev/SENSOR", status % deep)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1" + "0" * 30, "1e999", "1e308"])
def test_large_numbers(format_: str, number: str) -> None:
    """As values, and as times."""
    for name in ("a", "v", "t", "bt", "Epoch", "last_seen", "f_cnt", "ts"):
        inner = f'{{"n":"a","v":1,"b":"d","{name}":{number}}}'
        for document in (
            inner,
            f"[{inner}]",
            f'{{"src":"a","method":"NotifyStatus","params":{inner}}}',
        ):
            harmless(format_, "x/dev/SENSOR", document.encode())
    uplink = f'{{"end_device_ids":{{"device_id":"d"}},"uplink_message":{{"f_cnt":{number}}}}}'
    harmless(format_, "x/dev", uplink.encode())


@pytest.mark.parametrize("kind", ["NBIRTH", "NDATA", "DBIRTH", "DDATA"])
@pytest.mark.parametrize("at", [2**64 - 1, 2**63, 10**15, 0])
def test_times_without_end(kind: str, at: int) -> None:
    topic = f"spBv1.0/g/{kind}/n" + ("/d" if kind.startswith("D") else "")
    payload = Payload(timestamp=at)
    payload.metrics.add(name="a", double_value=1.0)
    harmless("sparkplug", topic, payload.SerializeToString())
    payload = Payload(timestamp=1000)
    payload.metrics.add(name="a", timestamp=at, string_value="x")
    harmless("sparkplug", topic, payload.SerializeToString())


@pytest.mark.parametrize("format_", ["zigbee2mqtt", "tasmota", "shelly", "things-stack"])
@pytest.mark.parametrize("listed", [True, False])
def test_many_values(format_: str, listed: bool) -> None:
    many = range(60_000)
    inner = {"a": {"a": [[i] for i in many]}} if listed else {f"k{i}": i for i in many}
    wrapped = {
        "shelly": {"src": "a", "method": "NotifyStatus", "params": {"ts": 1.8e9, "a": inner}},
        "things-stack": {
            "end_device_ids": {"device_id": "a"},
            "uplink_message": {"decoded_payload": inner},
        },
    }.get(format_, inner)
    payload = json.dumps(wrapped).encode()
    message = INTERPRETERS[format_].judge(Delivery(1, 3, "x/d/SENSOR", payload, {}, utc_now()))
    assert [letter.reason for letter in message.letters] == ["too-large"]
