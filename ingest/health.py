"""How an ingest process does: told over HTTP, and to the database every few seconds."""

import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from contracts.clock import MICROSECONDS, Clock
from contracts.messages import ENCODER, IngestHealth
from ingest.inbox import Inbox
from ingest.receiver import Receiver
from ingest.writer import Writer
from storage.errors import DatabaseError
from storage.pool import StorageSettings, connect
from storage.workers import remove_worker, write_worker

log = logging.getLogger(__name__)

BEAT: Final = 5.0
"""Time between two words to the database. [s]"""

OLD_S: Final = 5.0
"""What has been held for longer says that the database is slow."""

REQUEST_TIMEOUT: Final = 5.0  # [s]


def examine(inbox: Inbox, receiver: Receiver, writer: Writer, clock: Clock) -> IngestHealth:
    """Look at all parts of a process."""
    oldest, now = inbox.oldest, clock()
    age = 0.0 if oldest is None else max(0, now - oldest) / MICROSECONDS
    reading = inbox.has_room()
    lost = receiver.lost_since is not None or writer.lost_since is not None
    return IngestHealth(
        state="down" if lost else "ok" if age <= OLD_S else "degraded",
        at=now,
        broker_lost_since=receiver.lost_since,
        database_lost_since=writer.lost_since,
        messages=len(inbox),
        bytes=inbox.bytes,
        oldest_s=age,
        reading=reading,
        answers=receiver.waiting_answers,
        dropped_answers=receiver.dropped_answers,
    )


class Heartbeat(threading.Thread):
    """Tells the database how this worker does, over a connection of its own."""

    def __init__(
        self, settings: StorageSettings, worker: str, tell: Callable[[], IngestHealth]
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._settings = settings
        self._worker = worker
        self._tell = tell
        self._stopping = threading.Event()

    def run(self) -> None:
        """Tell it until `stop` is called; who leaves in order is not missed."""
        while not self._stopping.is_set():
            try:
                with connect(self._settings, name="tepna-ingest-heartbeat") as connection:
                    while not self._stopping.is_set():
                        write_worker(connection, self._worker, self._tell())
                        self._stopping.wait(BEAT)
                    remove_worker(connection, self._worker)
            except DatabaseError:
                self._stopping.wait(BEAT)  # the writer has said it

    def stop(self) -> None:
        """Say good-bye."""
        self._stopping.set()
        if self.ident is not None:
            self.join(BEAT)


class Listener:
    """`/health` and `/metrics` over HTTP, for orchestrators and Prometheus."""

    def __init__(
        self, host: str, port: int, tell: Callable[[], IngestHealth], registry: CollectorRegistry
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = REQUEST_TIMEOUT

            def do_GET(self) -> None:
                """Answer the two paths that there are."""
                if self.path == "/metrics":
                    self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path == "/health":
                    health = tell()
                    down = health.state == "down"
                    status = HTTPStatus.SERVICE_UNAVAILABLE if down else HTTPStatus.OK
                    self._answer(status, "application/json", ENCODER.encode(health))
                else:
                    self.send_error(HTTPStatus.NOT_FOUND)

            def log_message(self, *_: object) -> None:
                """Say nothing: these are asked for every few seconds."""

            def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="listener", daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()
