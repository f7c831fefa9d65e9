"""The database goes away and comes back: nothing is lost, and that is said once."""

import logging
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from contracts.clock import utc_now
from ingest.run import Ingest
from ingest.settings import IngestSettings
from storage.pool import Connection, StorageSettings, connect

CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = %s AND application_name = 'tepna-ingest'"""


class Outage:
    """Cuts ingest off from the test's database; nobody else is."""

    def __init__(self, connection: Connection, database: str) -> None:
        self._connection = connection
        self._database = database

    def begin(self) -> int:
        """Let nobody in, and throw ingest out; tell whether it was there."""
        self._allow("false")
        row = self._connection.execute(CUT, [self._database]).fetchone()
        return int(row[0]) if row else 0

    def end(self) -> None:
        self._allow("true")

    def _allow(self, allowed: str) -> None:
        statement = f"ALTER DATABASE {self._database} ALLOW_CONNECTIONS {allowed}"
        self._connection.execute(statement)


@pytest.fixture
def outage(stack: Any, database_url: str) -> Iterator[Outage]:
    server = StorageSettings(database_url=stack.endpoints.database_url)
    with connect(server) as connection:
        outage = Outage(connection, urlsplit(database_url).path.removeprefix("/"))
        yield outage
        outage.end()


@pytest.mark.usefixtures("ingest")
def test_lost_and_recovered(
    street: Any, eventually: Any, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    device = street.device("cam-1")
    device.send(device.batch(value=0))
    eventually("durable", lambda: device.is_durable(0))

    assert outage.begin() == 1
    for n in range(1, 11):
        device.send(device.batch(value=n))
    eventually("the word of the loss", lambda: said(caplog, "database lost"))
    assert not device.is_durable(1)

    outage.end()
    eventually("durable", lambda: device.is_durable(10))
    assert street.rows("SELECT count(*), sum(value) FROM observation") == [(33, 165.0)]
    assert (said(caplog, "database lost"), said(caplog, "database recovered")) == (1, 1)


def test_holds_no_more_than_it_may_while_the_database_is_away(
    settings: IngestSettings, street: Any, eventually: Any, outage: Outage
) -> None:
    """What it does not read waits at the broker, in order, and nothing is lost."""
    ingest = Ingest(settings.model_copy(update={"ingest_window": 5}), utc_now)
    thread = threading.Thread(target=ingest.run)
    thread.start()
    eventually("subscription", ingest.receiver.subscribed.is_set)
    device = street.device("cam-1")
    device.send(device.batch(value=0))
    eventually("durable", lambda: device.is_durable(0))
    outage.begin()
    for n in range(1, 41):
        device.send(device.batch(value=n))
    eventually("full", lambda: not ingest.tell().reading)
    told = ingest.tell()
    assert told.messages == 5
    eventually("the word of the loss", lambda: ingest.tell().database_lost_since)
    assert ingest.tell().state == "down"

    outage.end()
    eventually("durable", lambda: all(device.is_durable(n) for n in range(41)))
    eventually("room", lambda: ingest.tell().messages == 0)
    assert ingest.tell().database_lost_since is None
    assert ingest.tell().reading
    ingest.stop()
    thread.join(20)
    assert street.rows("SELECT count(*), sum(value) FROM observation") == [(123, 2460.0)]


def test_stops_though_the_database_is_away(
    ingest: Any, street: Any, eventually: Any, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    device = street.device("cam-1")
    device.send(device.batch(value=0))
    eventually("durable", lambda: device.is_durable(0))
    outage.begin()
    device.send(device.batch(value=1))
    eventually("the word of the loss", lambda: said(caplog, "database lost"))
    ingest.stop()
    eventually("the end", lambda: not ingest.receiver._thread.is_alive())
    assert not device.is_durable(1)


def said(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace("@", "x@"), "it refuses ingest-"),
        (lambda url: url.rsplit(":", 1)[0] + ":1", ":1 cannot be reached"),
    ],
)
def test_says_why_the_broker_is_not_there(
    settings: IngestSettings,
    eventually: Any,
    caplog: pytest.LogCaptureFixture,
    change: Any,
    words: str,
) -> None:
    url = change(settings.mqtt_url.get_secret_value())
    elsewhere = settings.model_copy(update={"mqtt_url": SecretStr(url)})
    ingest = Ingest(elsewhere, utc_now)
    thread = threading.Thread(target=ingest.run)
    thread.start()
    eventually("the word of it", lambda: said(caplog, words))
    ingest.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert said(caplog, "broker lost") == 1
