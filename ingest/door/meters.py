"""What the door counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.door.desk import Desk
from ingest.store import Tally


class Meters:
    """Counters of one door."""

    def __init__(self, desk: Desk) -> None:
        self.registry = all_of_them = CollectorRegistry()

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"tepna_door_{name}", says, labels, registry=all_of_them)

        self.answers = counter("answers", "Requests answered", "status")
        self.rows = counter("rows", "Samples committed")
        self.letters = counter("dead_letters", "Dead letters", "reason")
        self.commit = Histogram(
            "tepna_door_commit_seconds", "From the whole body to the commit", registry=all_of_them
        )
        waiting = Gauge("tepna_door_waiting", "Requests in work", registry=all_of_them)
        waiting.set_function(lambda: float(desk.waiting))

    def count(self, tally: Tally, seconds: float) -> None:
        """Count a committed message."""
        self.rows.inc(tally.rows)
        self.commit.observe(seconds)
        for reason, letters in tally.letters.items():
            self.letters.labels(reason).inc(letters)


class Metering:
    """ASGI middleware that counts answers."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request."""

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._meters.answers.labels(message["status"]).inc()
            await send(message)

        await self._app(scope, receive, counting)
