"""Whatever a device of ours sends, it is judged, and what is good in it becomes rows."""

import uuid
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.batch import CODES, SCHEMAS, Batch, BatchError, decode, encode, restamp
from ingest.batches import _row
from ingest.inbox import Delivery
from ingest.judge import Judged, judge
from ingest.rows import Sample, blocks, marks
from ingest.states import Change, judge_state
from storage.registry import Device

NOW = 1_800_000_000_000_000
DEVICE = Device(1, 1)
EDGES = [0, 1, -1, 255, 65_536, 100_001, 2**31, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)]

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(EDGES),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=8),
    st.lists(st.sampled_from(EDGES), max_size=5),
)


def wire(schema: str) -> Any:
    """A good batch of a schema, as its fields."""
    rows = 4
    columns = {name: np.arange(rows).astype(t) for name, t in SCHEMAS[schema].dtypes.items()}
    columns["t"] += NOW
    names = ["air.temperature", "a", "b", "c"]
    header = {"device": "p/d", "boot": uuid.UUID(int=5), "seq": 7, "sent_at": NOW}
    return msgspec.msgpack.decode(
        encode(Batch(schema=schema, columns=columns, names=names, **header))
    )


def harmless(topic: str, payload: bytes) -> Judged:
    """Judge a message, and make rows of what is good in it."""
    message = judge(Delivery(1, 1, topic, payload, {}, NOW), ahead=300)
    _row(DEVICE, message)
    if message.batch is not None:
        samples = [Sample(DEVICE, message.batch, NOW)]
        blocks(samples, {name: n for n, name in enumerate(message.batch.names)})
        marks(samples)
    for held in message.held:
        decode(encode(held.batch))
    return message


@pytest.mark.parametrize("schema", sorted(SCHEMAS))
@settings(max_examples=60)
@given(data=st.data())
def test_fields_that_lie(schema: str, data: st.DataObject) -> None:
    fields = wire(schema)
    for _ in range(data.draw(st.integers(1, 3))):
        put(fields, data)
    topic = f"tepna/1/p/d/up/{SCHEMAS[schema].stream}"
    harmless(topic, msgspec.msgpack.encode(fields))


def put(fields: Any, data: st.DataObject) -> None:
    """Replace one of the fields, or something in it."""
    keys = sorted(fields) if isinstance(fields, dict) else range(len(fields))
    key = data.draw(st.sampled_from(keys))
    inner = fields[key]
    if inner and isinstance(inner, (dict, list)) and data.draw(st.booleans()):
        put(inner, data)
    elif isinstance(inner, bytes) and inner and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(inner) - 1))
        fields[key] = inner[:at] + data.draw(st.binary(max_size=4)) + inner[at + 1 :]
    else:
        fields[key] = data.draw(anything)


@pytest.mark.parametrize("schema", sorted(CODES))
def test_a_first_frame_that_no_delay_reaches(schema: str) -> None:
    fields = wire(schema)
    fields[6][2] = (1 << 64) - 1
    payload = msgspec.msgpack.encode(fields)
    message = harmless(f"tepna/1/p/d/up/{SCHEMAS[schema].stream}", payload)
    assert [letter.reason for letter in message.letters] == ["not-a-batch"]
    with pytest.raises(BatchError, match="first frame"):
        restamp(payload, 0)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"status":"online","x":{"a":'])
def test_a_state_that_is_nested_without_end(opening: bytes) -> None:
    delivery = Delivery(1, 1, "tepna/1/p/d/state", opening * 100_000, {}, NOW)
    message = judge_state(delivery)
    assert isinstance(message, Judged)
    assert [letter.reason for letter in message.letters] == ["not-a-state"]


@given(st.dictionaries(st.sampled_from(["status", "boot", "since", "version"]), anything))
def test_any_state(state: dict[str, Any]) -> None:
    payload = msgspec.json.encode(state | {"boot": str(uuid.UUID(int=5))})
    found = judge_state(Delivery(1, 1, "tepna/1/p/d/state", payload, {}, NOW))
    assert isinstance(found, Change) or found.letters
