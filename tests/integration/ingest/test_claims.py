"""Workers that have the same batches at the same moment: one writes them, the others wait."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contracts.batch import Batch, Gone, encode
from contracts.clock import utc_now
from contracts.topics import topic
from ingest.inbox import Delivery
from ingest.judge import judge
from ingest.registry import Registry
from ingest.settings import DeadLetterQuota
from ingest.store import Context, Tally, store
from storage.pool import StorageSettings, connect

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'"""


def deliver(batch: Batch) -> Delivery:
    name = topic(batch.device, "up", "obs")
    return Delivery(1, 0, name, encode(batch), {}, utc_now())


@pytest.fixture
def at_once(database_url: str, street: Any, eventually: Any) -> Any:
    """Store each of these groups in a worker of its own; nobody commits before all are at it."""

    def work(deliveries: Sequence[Delivery]) -> Tally:
        context = Context(Registry(), DeadLetterQuota(10, 1 << 20), utc_now)
        with connect(StorageSettings(database_url=database_url)) as connection:
            judged = [judge(delivery, ahead=300) for delivery in deliveries]
            return store(connection, judged, [], context).tally

    def at_once(*groups: Sequence[Delivery]) -> Tally:
        found = Tally()
        with ThreadPoolExecutor(len(groups)) as workers:
            with connect(StorageSettings(database_url=database_url)) as gate, gate.transaction():
                gate.execute("LOCK TABLE observation IN EXCLUSIVE MODE")
                working = [workers.submit(work, group) for group in groups]
                eventually("all wait", lambda: street.rows(WAITING) == [(len(groups),)])
            for one in working:
                found.add(one.result())
        return found

    return at_once


def test_each_batch_counts_once(street: Any, at_once: Any) -> None:
    device = street.device("cam-1")
    batches = [deliver(device.batch(value=seq)) for seq in range(30)]
    tally = at_once(batches[:20], batches[10:], batches[::-1])
    assert (tally.batches, tally.rows, tally.duplicates) == (30, 90, 40)
    assert street.rows("SELECT value, count(*) FROM observation GROUP BY value ORDER BY value") == [
        (seq, 3) for seq in range(30)
    ]
    assert street.rows("SELECT count(*), count(DISTINCT seq) FROM batch") == [(30, 30)]
    assert street.rows("SELECT committed::text FROM ledger") == [("{[0,30)}",)]
    assert street.letters() == []


def test_who_has_other_batches_waits_for_nobody(street: Any, at_once: Any) -> None:
    device = street.device("cam-1")
    batches = [deliver(device.batch(value=seq)) for seq in range(20)]
    tally = at_once(batches[:10], batches[10:])
    assert (tally.batches, tally.duplicates) == (20, 0)
    assert street.rows("SELECT committed::text FROM ledger") == [("{[0,20)}",)]


def test_one_name_for_two_contents_is_told_apart(street: Any, at_once: Any) -> None:
    device = street.device("cam-1")
    one, other = (deliver(device.batch(seq=0, value=value)) for value in (1, 2))
    tally = at_once([one], [other])
    assert tally.letters == Counter({"conflicting-content": 1})
    [(value, count)] = street.rows("SELECT value, count(*) FROM observation GROUP BY value")
    assert count == 3
    assert value in {1, 2}


def test_what_is_lost_to_one_is_committed_by_the_other(street: Any, at_once: Any) -> None:
    """An agent says that it dropped a batch which yet arrives: it is there, and not lost."""
    device = street.device("cam-1")
    early = device.batch(value=0)
    late = device.batch(value=1, gone=[Gone(0, 1, "outbox-full")])
    at_once([deliver(early)], [deliver(late)])
    found = street.rows("SELECT committed::text, lost::text FROM ledger")
    assert found == [("{[0,2)}", "{}")]
