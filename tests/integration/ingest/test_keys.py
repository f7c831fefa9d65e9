"""Keys of messages: put down once, whoever comes at the same time."""

import secrets
import threading
from collections.abc import Iterator

import pytest

from contracts.clock import MINUTE, utc_now
from ingest.keys import REMEMBERED, Claim, claim
from storage.pool import Connection, StorageSettings, connect

NOW = utc_now()


@pytest.fixture
def connections(database_url: str) -> Iterator[list[Connection]]:
    settings = StorageSettings(database_url=database_url)
    with connect(settings) as one, connect(settings) as other:
        yield [one, other]


def keys(count: int) -> list[Claim]:
    return [Claim(secrets.token_hex(16)) for _ in range(count)]


def test_what_is_new(connections: list[Connection]) -> None:
    connection, _ = connections
    first, more = keys(5), keys(3)
    assert claim(connection, [], NOW) == set()
    assert claim(connection, first, NOW) == {0, 1, 2, 3, 4}
    assert claim(connection, [first[2], more[0], first[0], more[1]], NOW) == {1, 3}
    # Of those that come twice at once the first counts.
    assert claim(connection, [more[2], first[1], more[2]], NOW) == {0}


def test_nothing_is_put_down_by_who_fails(connections: list[Connection]) -> None:
    connection, other = connections
    asked = keys(4)
    with connection.transaction(force_rollback=True):
        assert len(claim(connection, asked, NOW)) == 4
    assert len(claim(other, asked, NOW)) == 4


def test_two_at_the_same_time_share_them(connections: list[Connection]) -> None:
    """In whatever order they ask, nobody waits in a circle, and each key is somebody's."""
    asked = keys(300)
    got: list[set[str]] = [set(), set()]
    ready = threading.Barrier(2)

    def work(place: int) -> None:
        mine = asked[:: 1 if place else -1]
        for start in range(0, 300, 10):
            group = mine[start : start + 10]
            ready.wait(20)
            with connections[place].transaction():
                new = claim(connections[place], group, NOW)
            got[place] |= {group[i].key for i in new}

    threads = [threading.Thread(target=work, args=[place]) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got[0] | got[1] == {one.key for one in asked}
    assert not got[0] & got[1]


def test_a_delivery_is_new_whoever_had_its_packet_id(connections: list[Connection]) -> None:
    connection, _ = connections
    key = secrets.token_hex(16)
    first, again = (
        Claim(key, delivery=True, received=NOW - 1),
        Claim(key, delivery=True, again=True),
    )
    assert claim(connection, [first], NOW) == {0}
    assert claim(connection, [again], NOW) == set()
    # The same delivery, whose transaction ended though nobody saw it.
    assert claim(connection, [first], NOW + MINUTE) == set()
    other = first._replace(received=NOW + 1)
    assert claim(connection, [other], NOW + 1) == {0}
    # What was put down so long ago was another one's.
    assert claim(connection, [again], NOW + REMEMBERED - MINUTE) == set()
    assert claim(connection, [again], NOW + REMEMBERED + MINUTE) == {0}
