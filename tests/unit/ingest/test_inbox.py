"""The inbox is bounded, wakes who waits, and closes."""

import threading

from ingest.inbox import Delivery, Inbox


def delivery(size: int = 1, received: int = 0) -> Delivery:
    return Delivery(1, 1, "topic", bytes(size), {}, received)


def filled(inbox: Inbox, *sizes: int) -> Inbox:
    for size in sizes:
        inbox.put(delivery(size))
    return inbox


def take_in_thread(inbox: Inbox, enough: int) -> tuple[threading.Thread, list[Delivery]]:
    taken: list[Delivery] = []
    thread = threading.Thread(target=lambda: taken.extend(inbox.take(enough)), daemon=True)
    thread.start()
    return thread, taken


def test_gives_as_many_as_are_enough_in_the_order_in_which_they_came() -> None:
    inbox = filled(Inbox(10), 0, 1, 2, 3, 4)
    assert [len(x.payload) for x in inbox.take(3)] == [0, 1, 2]
    inbox.hurry()
    assert [len(x.payload) for x in inbox.take(3)] == [3, 4]


def test_waits_for_enough_unless_somebody_is_in_a_hurry() -> None:
    inbox = filled(Inbox(10), 1, 1)
    thread, taken = take_in_thread(inbox, 3)
    inbox.put(delivery())
    thread.join(5)
    assert len(taken) == 3

    inbox.put(delivery())
    thread, taken = take_in_thread(inbox, 3)
    inbox.hurry()
    thread.join(5)
    assert len(taken) == 1


def test_hurry_waits_for_the_first_and_ends_when_it_is_time_to_relax() -> None:
    inbox = Inbox(10)
    inbox.hurry()
    thread, taken = take_in_thread(inbox, 3)
    inbox.put(delivery())
    thread.join(5)
    assert len(taken) == 1

    inbox.relax()
    inbox.put(delivery())
    thread, taken = take_in_thread(inbox, 2)
    inbox.put(delivery())
    thread.join(5)
    assert len(taken) == 2


def test_full_by_number_until_it_is_released() -> None:
    inbox = filled(Inbox(2), 1)
    assert inbox.has_room()
    inbox.put(delivery())
    assert not inbox.has_room()
    taken = inbox.take(10)  # though ten are not there: no more will come
    assert len(taken) == 2
    assert not inbox.has_room()
    inbox.release(taken)
    assert inbox.has_room()
    assert (len(inbox), inbox.bytes) == (0, 0)


def test_full_by_bytes_until_it_is_released() -> None:
    inbox = filled(Inbox(100, max_bytes=10), 6)
    assert inbox.has_room()
    inbox.put(delivery(6))
    assert (inbox.has_room(), inbox.bytes) == (False, 12)
    taken = inbox.take(1)
    assert not inbox.has_room()
    inbox.release(taken)
    assert (inbox.has_room(), inbox.bytes) == (True, 6)


def test_says_since_when_the_oldest_has_been_held() -> None:
    inbox = Inbox(10)
    assert inbox.oldest is None
    for received in (5, 6, 7):
        inbox.put(delivery(received=received))
    assert inbox.oldest == 5
    first = inbox.take(2)
    second = inbox.take(1)
    assert inbox.oldest == 5
    inbox.release(first)
    assert inbox.oldest == 7
    inbox.release(second)
    assert inbox.oldest is None


def test_closing_wakes_everybody_and_gives_nothing_away() -> None:
    inbox = filled(Inbox(10), 1)
    thread, taken = take_in_thread(inbox, 5)
    inbox.close()
    thread.join(5)
    assert not thread.is_alive()
    inbox.put(delivery())
    assert inbox.take(1) == taken == []
    assert len(inbox) == 1
