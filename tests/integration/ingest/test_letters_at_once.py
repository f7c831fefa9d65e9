"""Dead letters that several workers write at once."""

from concurrent.futures import ThreadPoolExecutor

from contracts.clock import utc_now
from ingest.inbox import Delivery
from ingest.judge import Judged, judge
from ingest.registry import Registry
from ingest.settings import DeadLetterQuota
from ingest.store import Context, store
from storage.pool import StorageSettings, connect

ROUNDS = 30
STRANGERS = 12


def _letters() -> list[Judged]:
    return [
        judge(
            Delivery(
                connection=1,
                packet=0,
                topic=f"tepna/1/nowhere/stranger-{i}/up/obs",
                payload=b"no batch",
                properties={},
                received=utc_now(),
            ),
            ahead=300,
        )
        for i in range(STRANGERS)
    ]


def test_workers_that_see_the_same_letters_in_any_order_do_not_block_each_other(
    database_url: str,
) -> None:
    letters = _letters()
    context = Context(Registry(), DeadLetterQuota(10, 1 << 20), utc_now)

    def work(order: int) -> None:
        with connect(StorageSettings(database_url=database_url)) as connection:
            for _ in range(ROUNDS):
                store(connection, letters[::order], [], context)  # a deadlock is an error here

    with ThreadPoolExecutor(2) as workers:
        list(workers.map(work, (1, -1)))
    with connect(StorageSettings(database_url=database_url)) as connection:
        found = connection.execute("SELECT count(*), min(seen), max(seen) FROM dead_letter")
        assert found.fetchone() == (STRANGERS, 2 * ROUNDS, 2 * ROUNDS)
