"""Figures for Prometheus, of one application."""

from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.feed import Feed
from api.live import Hub
from api.routers.health import Health

PARTS: Final = ("database", "broker", "ingest", "analytics")
LEVELS: Final = {"ok": 1.0, "degraded": 0.5, "down": 0.0}


class Meters:
    """The registry, and what is counted in it."""

    def __init__(self, hub: Hub, feed: Feed) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tepna_api_requests",
            "Requests answered",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.duration = Histogram(
            "tepna_api_request_seconds",
            "Time to the first byte of the answer",
            ("route",),
            registry=self.registry,
        )
        self._parts = self._gauge("tepna_part_up", "1 ok, 0.5 degraded, 0 down", "part")
        self._latency = self._gauge("tepna_ingest_latency_p95_seconds", "Captured to stored")
        self._dirty = self._gauge("tepna_analytics_dirty_windows", "Windows that wait")
        self._oldest = self._gauge("tepna_analytics_oldest_seconds", "Wait of the oldest window")
        self._dead_letters = self._gauge("tepna_ingest_dead_letters", "Letters nobody could use")
        self._dropped = self._gauge("tepna_ingest_dead_letters_dropped", "Letters over a quota")
        clients = self._gauge("tepna_live_clients", "Live streams that are open")
        clients.set_function(lambda: float(hub.watching))
        taken = self._gauge("tepna_live_frames_taken", "Frames since the start")
        taken.set_function(lambda: float(hub.taken))
        lost = self._gauge("tepna_live_frames_lost", "Frames that slow clients missed")
        lost.set_function(lambda: float(hub.lost))
        refused = self._gauge("tepna_live_refused", "Messages that were no batch")
        refused.set_function(lambda: float(feed.refused))

    def take_health(self, health: Health) -> None:
        """Put down how each part does."""
        for part in PARTS:
            self._parts.labels(part).set(LEVELS[getattr(health, part).state])
        self._dead_letters.set(health.ingest.dead_letters)
        self._dropped.set(health.ingest.dead_letters_dropped)
        self._dirty.set(health.analytics.dirty_windows)
        self._oldest.set(health.analytics.oldest_s or 0.0)
        # No batch, no latency: NaN is Prometheus' word for "not known".
        latency = health.ingest.latency_p95_s
        self._latency.set(float("nan") if latency is None else latency)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)


class Metering:
    """ASGI middleware that counts answers by route, never by address: those are without bound."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = perf_counter()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                self._meters.requests.labels(scope["method"], route, message["status"]).inc()
                self._meters.duration.labels(route).observe(perf_counter() - start)
            await send(message)

        await self._app(scope, receive, counting)
