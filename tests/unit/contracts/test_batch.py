from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from contracts.batch import (
    CODES,
    MAX_BYTES,
    MAX_ROWS,
    SCHEMAS,
    STREAMS,
    Batch,
    BatchError,
    Gone,
    Schema,
    decode,
    encode,
    restamp,
    schema_of,
)

BOOT = UUID("12345678-1234-5678-1234-567812345678")
INDICES = ("metric", "kind", "object", "detail")
SEQ_END = 2**63 - 1

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@st.composite
def gone(draw: st.DrawFn) -> Gone:
    first = draw(st.integers(0, SEQ_END - 1))
    return Gone(first, draw(st.integers(first + 1, SEQ_END)), draw(texts))


PLAIN = [schema for schema in SCHEMAS.values() if schema.id not in CODES]


@st.composite
def batches(draw: st.DrawFn, schemas: list[Schema] = PLAIN) -> Batch:
    schema = draw(st.sampled_from(schemas))
    rows = draw(st.integers(0, 40))
    names = draw(st.lists(texts, min_size=1, max_size=5))
    columns = {
        name: draw(
            hnp.arrays(
                dtype,
                rows,
                elements=st.integers(0, len(names) - 1) if name in INDICES else None,
            )
        )
        for name, dtype in schema.dtypes.items()
    }
    optional = st.none() | st.floats(allow_nan=False)
    return Batch(
        schema=schema.id,
        device="pilot/" + draw(texts),
        boot=draw(st.uuids()),
        seq=draw(st.integers(0, SEQ_END - 1)),
        sent_at=draw(st.integers(0, 253_402_300_799_999_999)),
        columns=columns,
        names=names,
        clock_offset=draw(optional),
        clock_error=draw(optional),
        simulated=draw(st.booleans()),
        gone=draw(st.lists(gone(), max_size=3)),
    )


def example(schema: Schema, rows: int = 30) -> Batch:
    columns = {name: np.arange(rows).astype(dtype) for name, dtype in schema.dtypes.items()}
    columns |= {name: columns[name] % 3 for name in INDICES if name in columns}
    return Batch(
        schema=schema.id,
        device="pilot/cam-1",
        boot=BOOT,
        seq=7,
        sent_at=1_700_000_000_000_000,
        columns=columns,
        names=["a", "b", "c"],
        gone=[Gone(1, 3, "outbox full")],
    )


def wire(**changes: Any) -> bytes:
    """A valid batch without rows, on the wire, with some of its fields changed."""
    fields = {
        "schema": "obs/1",
        "device": "pilot/cam-1",
        "boot": BOOT.bytes,
        "seq": 1,
        "sent_at": 1,
        "rows": 0,
        "columns": dict.fromkeys(SCHEMAS["obs/1"].dtypes, b""),
    }
    return msgspec.msgpack.encode(fields | changes)


def header(batch: Batch) -> dict[str, Any]:
    return {f: getattr(batch, f) for f in batch.__struct_fields__ if f != "columns"}


@given(batches())
def test_what_is_encoded_is_decoded(batch: Batch) -> None:
    again = decode(encode(batch))
    assert header(again) == header(batch)
    for name, column in batch.columns.items():
        assert again.columns[name].dtype == SCHEMAS[batch.schema].dtypes[name]
        assert again.columns[name].tobytes() == column.tobytes()  # NaN payloads too


@given(batches([SCHEMAS[name] for name in CODES]))
def test_what_was_decoded_of_an_array_is_encoded_as_it_was(batch: Batch) -> None:
    payload = encode(batch)
    again = decode(payload)
    assert encode(again) == payload
    assert schema_of(payload) == batch.schema
    assert again.columns.keys() == batch.columns.keys()
    assert sorted(again.columns["t"].tolist()) == sorted(batch.columns["t"].tolist())
    told = header(batch)
    for clock in ("clock_offset", "clock_error"):
        close = pytest.approx(told[clock], abs=0.51e-6, rel=1e-12) if told[clock] else told[clock]
        assert getattr(again, clock) == close
        told[clock] = getattr(again, clock)
    assert header(again) == told | ({"names": []} if batch.schema == "tracks/2" else {})


@given(batches(list(SCHEMAS.values())), st.integers(0, 253_402_300_799_999_999))
def test_restamp_changes_only_the_time_of_sending(batch: Batch, moment: int) -> None:
    before, after = encode(batch), restamp(encode(batch), moment)
    assert header(decode(after)) == header(decode(before)) | {"sent_at": moment}
    assert restamp(after, batch.sent_at) == before


def test_a_clock_that_is_right_is_no_unknown_clock() -> None:
    batch = msgspec.structs.replace(
        example(SCHEMAS["tracks/2"]), gone=[], clock_offset=0.0, clock_error=0.0
    )
    assert decode(encode(batch)).clock_error == 0.0


def test_columns_are_read_only_views_of_the_payload() -> None:
    with pytest.raises(ValueError, match="read-only"):
        decode(encode(example(SCHEMAS["obs/1"]))).columns["t"][0] = 1


def test_long_columns_are_compressed() -> None:
    assert len(encode(example(SCHEMAS["signal/1"], 10_000))) < 10_000 * 12 / 2


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_every_truncation_is_refused(schema: Schema) -> None:
    payload = encode(example(schema))
    for length in range(len(payload)):
        with pytest.raises(BatchError, match=r"^(truncated|not-a-batch): "):
            decode(payload[:length])


def array(**changes: Any) -> bytes:
    """A batch of `tracks/2` on the wire, with some of its fields changed."""
    fields = dict(
        zip(
            ("code", "device", "boot", "seq", "delay", "rows", "extents", "packed"),
            msgspec.msgpack.decode(encode(example(SCHEMAS["tracks/2"]))),
            strict=False,
        )
    )
    return msgspec.msgpack.encode(list((fields | changes).values()))


@pytest.mark.parametrize(
    ("payload", "reason", "detail"),
    [
        (array(code=9), "unknown-schema", "code 9"),
        (array(rows=29), "bad-column", "29 rows in 30 frames"),
        (array(rows=31), "bad-column", "not 31"),
        (array(rows=0), "bad-column", "0 rows in 30 frames"),
        (array(rows=0, extents=(0, 0, 0, 0, 0)), "bad-column", "bytes of no rows"),
        (array(rows=MAX_ROWS + 1), "too-large", str(MAX_ROWS)),
        (array(rows=-1), "too-large", "-1 rows"),
        (array(packed=b""), "bad-column", "0 bytes of 30 rows"),
        (array(packed=b"\xff" * 1_000_000), "bad-column", "bytes"),
        (array(packed=b"\0" * 1_000_000), "bad-column", "0 numbers, not"),
        (array(extents=(2**63 - 1, 1, 0, 0, 0)), "bad-column", "frames"),
        (array(extents=(30, 2**63 - 1, 0, 0, 0)), "bad-column", "pieces"),
        (array(extents=(-1, 1, 0, 0, 0)), "bad-column", "-1 frames"),
        (array(extents=(30, 30, 0, 2**64 - 1, 0)), "bad-column", "8 bytes"),
        (array(extents=(30, 30, 0, 0, -1)), "bad-column", "a track"),
        (array(extents=(30, 30)), "not-a-batch", "length"),
        (array(delay=-(2**62)), "not-a-batch", "sent_at"),
        (array(boot=b"short"), "not-a-batch", "short"),
        (array(seq=-1), "not-a-batch", "seq -1"),
        (array(device="a/\0"), "not-a-batch", "NUL"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else None,
)
def test_an_array_that_is_no_batch_is_refused_with_its_reason(
    payload: bytes, reason: str, detail: str
) -> None:
    with pytest.raises(BatchError) as caught:
        decode(payload)
    assert caught.value.reason == reason
    assert detail in caught.value.detail


@pytest.mark.parametrize("schema", CODES)
def test_arrays_of_flipped_bits_are_others_or_refused(schema: str) -> None:
    random = np.random.default_rng(1)
    whole, refused = encode(example(SCHEMAS[schema], 200)), 0
    for _ in range(300):
        payload = bytearray(whole)
        for bit in random.integers(8 * len(payload), size=random.integers(1, 5)):
            payload[bit // 8] ^= 1 << bit % 8
        try:
            batch = decode(bytes(payload))
        except BatchError:
            refused += 1
        else:
            assert {len(column) for column in batch.columns.values()} == {batch.rows}
            assert decode(encode(batch)).rows == batch.rows, "what is held is encoded anew"
    assert 0 < refused < 300


@given(
    st.sampled_from(list(SCHEMAS.values())),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=4),
)
def test_flipped_bytes_are_another_batch_or_refused(
    schema: Schema, flips: list[tuple[int, int]]
) -> None:
    payload = bytearray(encode(example(schema)))
    for position, flip in flips:
        payload[position % len(payload)] ^= flip
    try:
        batch = decode(bytes(payload))
    except BatchError as fault:
        assert fault.reason  # noqa: PT017  # both ways are right; anything else raised is not
    else:
        assert {len(column) for column in batch.columns.values()} == {batch.rows}


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(BatchError):
        decode(noise)


def zstd_zeros(stated: int) -> bytes:
    """A zstd frame that states its content's size, and one block that repeats a zero byte."""
    # RFC 8878: magic, descriptor (8-byte size, single segment), size; block header: last, RLE, size
    return (
        bytes.fromhex("28b52ffd") + b"\xe0" + stated.to_bytes(8, "little") + b"\x03\x00\x00" + b"\0"
    )


@pytest.mark.parametrize("rows", [0, 1, MAX_ROWS])
@pytest.mark.parametrize("stated", [2**40, 2**62])
def test_a_decompression_bomb_is_not_unpacked(rows: int, stated: int) -> None:
    # 1 TiB cannot be allotted: had anybody tried, it would be a MemoryError.
    columns = dict.fromkeys(SCHEMAS["obs/1"].dtypes, zstd_zeros(stated))
    with pytest.raises(BatchError, match="truncated: t holds"):
        decode(wire(rows=rows, columns=columns))


@pytest.mark.parametrize(
    ("payload", "reason", "detail"),
    [
        (b"", "truncated", "truncated"),
        (b"x" * (MAX_BYTES + 1), "too-large", str(MAX_BYTES)),
        (wire(rows=MAX_ROWS + 1), "too-large", str(MAX_ROWS)),
        (wire(rows=-1), "too-large", "-1 rows"),
        (wire(schema="obs/9"), "unknown-schema", "'obs/9'; known are obs/1"),
        (wire(schema="\0" * 10_000), "unknown-schema", r"\x00"),
        (wire(columns={"t": b""}), "bad-column", "['t']"),
        (wire(rows=1), "truncated", "t"),
        (wire(seq=-1), "not-a-batch", "seq -1"),
        (wire(seq=SEQ_END), "not-a-batch", "no such thing"),
        (wire(seq="1"), "not-a-batch", "$.seq"),
        (wire(boot=b"short"), "not-a-batch", "short"),
        (wire(sent_at=-1), "not-a-batch", "sent_at -1"),
        (wire(sent_at=2**64 - 1), "not-a-batch", "between 1970 and 10000"),
        (wire(gone=[(3, 3, "full")]), "not-a-batch", "gone [3, 3)"),
        (wire(gone=[(0, 2**63, "full")]), "not-a-batch", "gone [0, "),
        (wire(device="a/\0"), "not-a-batch", "NUL"),
        (wire(names=["\0"]), "not-a-batch", "NUL"),
        (wire(gone=[(0, 1, "\0")]), "not-a-batch", "NUL"),
        (b"\x91" * 100_000 + b"\x01", "not-a-batch", ""),
        (b"\x88" + wire()[1:] + b"\xa1x" + b"\x91" * 100_000, "not-a-batch", "recursion"),
        (b"\x88" + wire()[1:] + b"\xa5names\xdd\xff\xff\xff\xff", "truncated", ""),
        (b"\x81\xa6schema\xa1\xff", "not-a-batch", ""),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else None,
)
def test_what_is_no_batch_is_refused_with_its_reason(
    payload: bytes, reason: str, detail: str
) -> None:
    with pytest.raises(BatchError) as caught:
        decode(payload)
    assert caught.value.reason == reason
    assert detail in caught.value.detail
    assert len(caught.value.detail) <= 500


def test_an_index_past_the_names_is_refused_on_both_sides() -> None:
    good = example(SCHEMAS["obs/1"])
    bad = msgspec.structs.replace(good, names=["a", "b"])
    with pytest.raises(BatchError, match="metric points past the 2 names"):
        encode(bad)
    fields = msgspec.msgpack.decode(encode(good)) | {"names": ["a", "b"]}
    with pytest.raises(BatchError, match="metric points past the 2 names"):
        decode(msgspec.msgpack.encode(fields))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"schema": "obs/0"}, "unknown-schema"),
        ({"columns": {"t": np.zeros(2)}}, "bad-column: obs/1 has the columns"),
        ({"columns": SCHEMAS["obs/1"].empty() | {"t": np.zeros(2)}}, "metric is .*not"),
        ({"seq": -1}, "not-a-batch"),
        ({"sent_at": -1}, "not-a-batch"),
        ({"gone": [Gone(2, 1, "full")]}, "not-a-batch"),
        ({"columns": {n: np.zeros(MAX_ROWS + 1) for n in SCHEMAS["obs/1"].dtypes}}, "too-large"),
    ],
    ids=str,
)
def test_nothing_is_encoded_that_would_be_refused(changes: dict[str, Any], complaint: str) -> None:
    batch = msgspec.structs.replace(example(SCHEMAS["obs/1"]), **changes)
    with pytest.raises(BatchError, match=complaint):
        encode(batch)


def test_every_stream_has_a_schema_that_says_when() -> None:
    assert {"obs", "tracks", "events", "signal"} == STREAMS
    for key, schema in SCHEMAS.items():
        assert key == schema.id
        assert key.partition("/")[0] == schema.stream
        assert key in {f"{schema.stream}/{version}" for version in (1, 2, 3)}
        assert schema.dtypes["t"] == np.dtype("<i8")
        assert all(len(column) == 0 for column in schema.empty().values())
