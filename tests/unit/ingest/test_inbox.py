"""The inbox is bounded, wakes who waits, and closes."""

import threading

from ingest.inbox import Delivery, Inbox


def delivery(size: int = 1) -> Delivery:
    return Delivery(1, 1, "topic", bytes(size), {}, 0)


def put_in_thread(inbox: Inbox, *deliveries: Delivery) -> threading.Thread:
    def put() -> None:
        for each in deliveries:
            inbox.put(each)

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    return thread


def test_takes_all_that_wait_at_most_so_many() -> None:
    inbox = Inbox(10)
    for size in range(5):
        inbox.put(delivery(size))
    assert [len(x.payload) for x in inbox.take(3)] == [0, 1, 2]
    assert [len(x.payload) for x in inbox.take(3)] == [3, 4]


def test_full_by_number_stops_the_reader() -> None:
    inbox = Inbox(2)
    thread = put_in_thread(inbox, *[delivery()] * 5)
    taken = 0
    while taken < 5:
        found = inbox.take(10)
        assert len(found) <= 2
        taken += len(found)
    thread.join(5)
    assert not thread.is_alive()


def test_full_by_bytes_stops_the_reader() -> None:
    inbox = Inbox(100, max_bytes=10)
    thread = put_in_thread(inbox, *[delivery(6)] * 3)
    assert [len(inbox.take(100)) for _ in range(3)] == [1, 1, 1]
    thread.join(5)


def test_one_that_is_larger_than_all_passes_alone() -> None:
    inbox = Inbox(100, max_bytes=10)
    inbox.put(delivery(1000))
    assert len(inbox.take(100)) == 1


def test_closing_wakes_everybody_and_gives_nothing_away() -> None:
    inbox = Inbox(1)
    inbox.put(delivery())
    blocked = put_in_thread(inbox, delivery())
    inbox.close()
    blocked.join(5)
    assert not blocked.is_alive()
    assert inbox.take(1) == []
