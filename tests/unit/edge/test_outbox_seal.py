import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.batch import SCHEMAS, Batch, decode
from edge.errors import OutboxError
from edge.outbox import OVERHEAD, SEALED, Outbox
from edge.outbox_seal import KEY_BYTES, MARK, BrokenSealError, Seal

KEY, OTHER = bytes(range(KEY_BYTES)), bytes(KEY_BYTES)
BOOT = UUID(int=7)
PLACE = "bus-stop-of-the-witness"
Open = Callable[..., Outbox]

names = st.tuples(st.uuids(), st.integers(0, 2**63 - 2), st.sampled_from(["obs", "tracks"]))


def batch() -> Batch:
    columns = {name: np.zeros(1, dtype) for name, dtype in SCHEMAS["events/1"].dtypes.items()}
    return Batch(
        schema="events/1", device="a/b", boot=UUID(int=0), seq=0, sent_at=0, columns=columns,
        names=[PLACE],
    )  # fmt: skip


@pytest.fixture
def open_outbox(tmp_path: Path) -> Open:
    def open_outbox(*keys: bytes) -> Outbox:
        return Outbox(
            tmp_path / "outbox.sqlite", device="a/b", boot=uuid4(), max_bytes=1 << 20,
            clock=lambda: 0, seal=Seal(keys),
        )  # fmt: skip

    return open_outbox


def secrets(outbox: Outbox) -> list[str]:
    payloads = [outbox.payload(w) for w in outbox.waiting(100, newest=False)]
    return [name for p in payloads if p is not None for name in decode(p).names]


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@given(st.binary(max_size=200).filter(lambda p: not p.startswith(MARK)), names)
def test_what_was_closed_opens(payload: bytes, name: tuple[UUID, int, str]) -> None:
    seal = Seal([KEY])
    kept = seal.close(payload, *name)
    assert seal.open(kept, *name) == payload
    assert seal.close(payload, *name) != kept, "no nonce twice"
    assert Seal([OTHER, KEY]).open(kept, *name) == payload, "a former key opens"
    assert Seal().close(payload, *name) == payload
    assert seal.open(payload, *name) == payload, "what was kept without a key"


@given(st.binary(min_size=1, max_size=50), names, names, st.data())
def test_what_was_changed_does_not_open(
    payload: bytes, name: tuple[UUID, int, str], other: tuple[UUID, int, str], data: st.DataObject
) -> None:
    seal = Seal([KEY])
    kept = bytearray(seal.close(payload, *name))
    if name != other:
        with pytest.raises(BrokenSealError):
            seal.open(bytes(kept), *other)
    with pytest.raises(BrokenSealError):
        Seal([OTHER]).open(bytes(kept), *name)
    with pytest.raises(BrokenSealError):
        seal.open(bytes(kept[: data.draw(st.integers(1, len(kept) - 1))]), *name)
    kept[data.draw(st.integers(1, len(kept) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BrokenSealError):
        seal.open(bytes(kept), *name)


def test_the_disk_does_not_say_what_waits(open_outbox: Open, tmp_path: Path) -> None:
    with open_outbox(KEY) as outbox:
        outbox.append([batch()])
        assert PLACE.encode() not in on_disk(tmp_path)
        assert secrets(outbox) == [PLACE]
    with open_outbox(KEY) as outbox:
        assert secrets(outbox) == [PLACE]
    assert PLACE.encode() not in on_disk(tmp_path)


def test_a_file_of_before_is_read_and_forgets_what_it_said(
    open_outbox: Open, tmp_path: Path
) -> None:
    with open_outbox() as outbox:
        outbox.append([batch()])
    assert PLACE.encode() in on_disk(tmp_path)
    with open_outbox(KEY) as outbox:
        outbox.append([batch()])
        assert secrets(outbox) == [PLACE, PLACE]
        for waiting in outbox.waiting(9, newest=False):
            outbox.durable(waiting.boot, [(0, 9)])
    assert PLACE.encode() not in on_disk(tmp_path)


@pytest.mark.parametrize("keys", [(), (OTHER,)])
def test_another_key_is_refused_and_what_waits_stays(
    open_outbox: Open, tmp_path: Path, keys: tuple[bytes, ...]
) -> None:
    with open_outbox(KEY) as outbox:
        outbox.append([batch()])
    with pytest.raises(OutboxError, match=r"1 batches.*Set outbox.key, or outbox.former_key"):
        open_outbox(*keys)
    assert not (tmp_path / "outbox.sqlite.corrupt").exists()
    with open_outbox(KEY) as outbox:
        assert secrets(outbox) == [PLACE]


def test_a_key_is_changed_while_batches_wait(open_outbox: Open) -> None:
    with open_outbox(KEY) as outbox:
        outbox.append([batch()])
        old = outbox.boot
    with open_outbox(OTHER, KEY) as outbox:
        outbox.append([batch()])
        assert secrets(outbox) == [PLACE, PLACE]
        outbox.durable(old, [(0, 1)])
    with open_outbox(OTHER) as outbox:
        assert secrets(outbox) == [PLACE], "the former key is not needed any more"


def test_a_broken_seal_is_reported_as_a_loss(open_outbox: Open, tmp_path: Path) -> None:
    with open_outbox(KEY) as outbox:
        outbox.append([batch()])
        boot = outbox.boot
    with sqlite3.connect(tmp_path / "outbox.sqlite") as db:
        (kept,) = db.execute("SELECT payload FROM batch").fetchone()
        broken = kept[:-1] + bytes([kept[-1] ^ 1])
        db.execute("UPDATE batch SET payload = ?", (broken,))
    db.close()
    with open_outbox(KEY) as outbox:
        assert secrets(outbox) == []
        assert outbox.stock()[:2] == (0, 0)
        assert outbox.stock().dropped == 1
        outbox.report_other_boots(batch())
        (report,) = outbox.waiting(9, newest=False)
        payload = outbox.payload(report)
        assert payload is not None
        assert report.boot == boot
        assert decode(payload).gone == [(0, 1, SEALED)]


def test_what_is_sealed_counts_as_long_as_it_is(open_outbox: Open) -> None:
    with open_outbox(KEY) as outbox:
        outbox.append([batch()])
        (waiting,) = outbox.waiting(1, newest=True)
        assert outbox.stock().bytes == waiting.bytes + OVERHEAD
        (size,) = outbox._db.execute("SELECT length(payload) FROM batch").fetchone()
        assert size == waiting.bytes


def test_keys_of_another_length_are_no_keys() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Seal([os.urandom(16)])
