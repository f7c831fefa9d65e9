"""What of a message can be stored, and what is a dead letter and why."""

import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from contracts.batch import SCHEMAS, Batch, Gone, decode, encode, restamp
from ingest.inbox import Delivery
from ingest.judge import EARLIEST, Judged, judge, refuse, unnamed
from ingest.rows import Sample, blocks
from ingest.states import Change, judge_state
from storage.registry import Device

NOW = 1_800_000_000_000_000
BOOT = uuid.UUID(int=5)
TOPIC = "tepna/1/usti/cam-1/up/"


def batch(schema: str = "obs/1", rows: int = 3, **given: Any) -> Batch:
    columns = {name: np.zeros(rows, dtype) for name, dtype in SCHEMAS[schema].dtypes.items()}
    columns["t"] += NOW
    for name in [name for name in given if name in columns]:
        columns[name] = np.asarray(given.pop(name)).astype(columns[name].dtype)
    header = {"device": "usti/cam-1", "boot": BOOT, "seq": 7, "sent_at": NOW, "names": ["m"]}
    return Batch(schema=schema, columns=columns, **(header | given))


def deliver(payload: bytes, topic: str = TOPIC + "obs", **stated: str) -> Delivery:
    return Delivery(1, 1, topic, payload, stated, NOW)


def judged(payload: bytes, topic: str = TOPIC + "obs", **stated: str) -> Judged:
    return judge(deliver(payload, topic, **stated), ahead=300)


def reasons(message: Judged) -> list[str]:
    return [letter.reason for letter in message.letters]


def test_good_batch_is_taken_whole() -> None:
    message = judged(encode(batch()))
    assert (message.identity, message.boot, message.seq) == ("usti/cam-1", BOOT, 7)
    assert (message.stream, message.rows, message.letters) == ("obs", 3, ())


def test_the_same_batch_sent_later_has_the_same_digest() -> None:
    payload = encode(batch())
    assert judged(restamp(payload, NOW + 1)).digest == judged(payload).digest
    assert judged(encode(batch(value=[1, 2, 3]))).digest != judged(payload).digest


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (TOPIC + "gossip", "unknown-topic"),
        (TOPIC + "obs/more", "unknown-topic"),
        ("tepna/1/usti/cam-1/state/obs", "unknown-topic"),
        ("tepna/2/usti/cam-1/up/obs", "unknown-topic"),
        ("tepna/1/usti/cam-2/up/obs", "identity-mismatch"),
        (TOPIC + "tracks", "stream-mismatch"),
    ],
)
def test_wrong_topic(topic: str, reason: str) -> None:
    message = judged(encode(batch()), topic)
    assert reasons(message) == [reason]
    assert message.batch is None
    assert message.letters[0].payload == message.delivery.payload


def test_undecodable_is_named_by_its_properties() -> None:
    named = judged(b"junk", boot=str(BOOT), seq="9")
    assert (named.boot, named.seq) == (BOOT, 9)
    for stated in ({}, {"boot": str(BOOT)}, {"boot": "x", "seq": "1"}):
        assert judged(b"junk", **stated).boot is None
    for seq in ("-1", "x", str(1 << 63), ""):
        assert judged(b"junk", boot=str(BOOT), seq=seq).boot is None


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(payload: bytes) -> None:
    message = judged(payload)
    assert message.batch is None
    assert len(message.letters) == 1


@given(st.data())
def test_damaged_batches_are_judged(data: st.DataObject) -> None:
    payload = bytearray(encode(batch(rows=50, value=range(50))))
    for place in data.draw(st.lists(st.integers(0, len(payload) - 1), max_size=4)):
        payload[place] = data.draw(st.integers(0, 255))
    message = judged(bytes(payload[: data.draw(st.integers(0, len(payload)))]))
    assert message.batch is not None or message.letters


@given(
    t=hn.arrays("i8", 20, elements=st.integers(-(1 << 63), (1 << 63) - 1)),
    value=hn.arrays("f8", 20),
)
def test_every_row_is_kept_held_or_dead_lettered_once(t: Any, value: Any) -> None:
    t[::2] = NOW - t[::2] % 1_000_000
    message = judged(encode(batch(rows=20, t=t, value=value)))
    assert message.batch is not None
    dead = [decode(letter.payload) for letter in message.letters]
    parts = [message.batch, *(held.batch for held in message.held), *dead]
    rows = sorted(
        (int(a), np.float64(b).tobytes())
        for part in parts
        for a, b in zip(part.columns["t"], part.columns["value"], strict=True)
    )
    assert rows == sorted((int(a), b.tobytes()) for a, b in zip(t, value, strict=True))
    kept = message.batch.columns
    assert np.all((kept["t"] >= EARLIEST) & (kept["t"] <= NOW + 300_000_000))
    assert np.all(np.isfinite(kept["value"]))
    assert set(reasons(message)) <= {"not-finite"}


def test_bounds_of_the_clock() -> None:
    ahead = NOW + 300_000_000
    message = judged(encode(batch(rows=4, t=[EARLIEST - 1, EARLIEST, ahead, ahead + 1])))
    assert message.batch is not None
    assert message.batch.columns["t"].tolist() == [EARLIEST, ahead]
    assert reasons(message) == []
    # The early are held apart from the late: what mends the ones does not mend the others.
    assert [held.batch.columns["t"].tolist() for held in message.held] == [
        [EARLIEST - 1],
        [ahead + 1],
    ]
    assert [held.detail.split(":")[0] for held in message.held] == ["1 of 4 rows", "1 of 3 rows"]


def test_what_is_refused_whole_holds_nothing() -> None:
    t = NOW - np.arange(3000) * 86_400_000_000
    t[0] = 5
    message = judged(encode(batch(rows=3000, t=t)))
    assert reasons(message) == ["scattered"]
    assert message.held == ()


def test_speed_of_a_crossing_may_be_unknown_but_not_infinite() -> None:
    message = judged(
        encode(batch("events/1", value=[np.nan, np.inf, 3], confidence=[np.nan, 1, 1])),
        TOPIC + "events",
    )
    assert message.rows == 2
    assert reasons(message) == ["not-finite"]


def test_events_of_endless_names_are_dead_letters_and_cost_nobody_memory() -> None:
    names = ["crossing", "line", "x" * 500_000, *[""] * 100_000]
    message = judged(
        encode(batch("events/1", names=names, kind=[0, 0, 2], object=[1, 2, 1])), TOPIC + "events"
    )
    assert message.rows == 1
    assert reasons(message) == ["bad-name"]
    assert message.batch is not None
    sample = Sample(Device(1, 1), message.batch, NOW)
    [block] = blocks([sample], {})
    assert sum(map(len, block.data)) < 200


def test_dead_rows_keep_their_name_and_not_the_losses() -> None:
    message = judged(encode(batch(value=[np.nan, 1, 2], gone=[Gone(0, 2, "outbox-full")])))
    assert message.batch is not None
    assert len(message.batch.gone) == 1
    rest = decode(message.letters[0].payload)
    assert (rest.boot, rest.seq, rest.names, rest.gone) == (BOOT, 7, ["m"], [])


def test_letters_are_told_apart_by_topic_reason_and_content() -> None:
    message = judged(encode(batch()))
    other = judged(encode(batch(value=[1, 2, 3])))
    digests = {
        refuse(message, "a", "").letters[0].digest,
        refuse(message, "b", "").letters[0].digest,
        refuse(other, "a", "").letters[0].digest,
        refuse(unnamed(deliver(b""), ""), "a", "").letters[0].digest,
    }
    assert len(digests) == 4
    assert refuse(message, "a", "other words").letters[0].digest in digests


STATE = b'{"status": "online", "boot": "00000000-0000-0000-0000-000000000005", "since": %d}'


@pytest.mark.parametrize("payload", [b"{}", b"\xff", STATE % -1, STATE % (1 << 62)])
def test_what_is_no_state(payload: bytes) -> None:
    message = judge_state(deliver(payload, "tepna/1/usti/cam-1/state"))
    assert isinstance(message, Judged)
    assert reasons(message) == ["not-a-state"]


def test_state() -> None:
    change = judge_state(deliver(STATE % 5, "tepna/1/usti/cam-1/state"))
    assert isinstance(change, Change)
    assert change.identity == "usti/cam-1"
    assert change.state is not None
    assert (change.state.boot, change.state.since) == (BOOT, 5)


def test_state_that_was_cleared() -> None:
    change = judge_state(deliver(b"", "tepna/1/usti/cam-1/state"))
    assert isinstance(change, Change)
    assert (change.identity, change.state) == ("usti/cam-1", None)
