"""Take dirty windows, compute them, write their revisions."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from analytics.jobs.inputs import digests, edge_digests, read_inputs, whole_digest
from analytics.jobs.window import code_version, compute
from analytics.settings import AnalyticsSettings
from contracts.clock import Clock, from_micros
from storage.errors import DatabaseLostError
from storage.pool import AsyncConnection, Pool
from storage.windows import (
    Candidate,
    Window,
    WindowState,
    candidates,
    close_windows,
    defer,
    mark_computed,
    read_state,
    take,
    write_window,
)

MINUTE: Final = timedelta(minutes=1)
LONGEST_BACKOFF: Final = timedelta(minutes=10)
LONGEST_ERROR: Final = 2000
"""Characters of a window's error that are kept."""

Closed = Callable[[AsyncConnection, list[Window]], Awaitable[None]]
"""Is told which windows have got a new closed revision, after they are committed."""

logger = logging.getLogger(__name__)


class Worker:
    """Computes windows on connections of one pool."""

    def __init__(
        self, pool: Pool, settings: AnalyticsSettings, clock: Clock, closed: Closed | None = None
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._closed = closed
        self._news: list[Window] = []  # of the sweep at hand: at most as many as its candidates
        self._reachable = True

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop; the window at hand is finished first."""
        while not stopping.is_set():
            try:
                done = await self.sweep(stopping)
            except DatabaseLostError as fault:
                if self._reachable:
                    logger.error("database lost: %s", fault)  # noqa: TRY400  # it will be back
                self._reachable, done = False, 0
            else:
                if not self._reachable:
                    logger.info("database recovered")
                self._reachable = True
            if not done:
                await _sleep(stopping, self._settings.poll_s)

    async def sweep(self, stopping: asyncio.Event | None = None) -> int:
        """Close what is over, then compute the windows whose time has come; say how many.

        Live windows are looked for again after each second of back-fill.
        """
        settings, now = self._settings, self._now()
        async with self._pool.connection() as connection:
            over = now - MINUTE - timedelta(seconds=settings.grace_s)
            await close_windows(connection, over=over + timedelta(microseconds=1))
            live_since = now - timedelta(seconds=settings.live_s)
            found = await candidates(connection, live_since=live_since, pace=settings.pace)
        done = 0
        for candidate in found:
            if stopping is not None and stopping.is_set():
                break
            done += await self._attempt(candidate)
            if candidate.window.minute < live_since and self._now() - now > timedelta(seconds=1):
                break
        await self._tell()
        return done

    async def _tell(self) -> None:
        news, self._news = self._news, []
        if self._closed is None or not news:
            return
        async with self._pool.connection() as connection:
            try:
                await self._closed(connection, news)
            except Exception:
                if connection.broken:
                    raise
                logger.exception("nothing was made of the closed windows")

    async def _attempt(self, candidate: Candidate) -> bool:
        """Compute one window; one that cannot be computed is put aside and hinders no other."""
        window = candidate.window
        async with self._pool.connection() as connection:
            try:
                async with connection.transaction():
                    return await take(connection, window) and await self.compute(connection, window)
            except Exception as fault:
                if connection.broken:
                    raise
                logger.exception("window %s failed", window)
                backoff = min(timedelta(seconds=2 ** min(candidate.attempts, 20)), LONGEST_BACKOFF)
                error = f"{type(fault).__name__}: {fault}"[:LONGEST_ERROR]
                await defer(connection, candidate, backoff=backoff, error=error)
                return False

    async def compute(self, connection: AsyncConnection, window: Window) -> bool:
        """Within a transaction: bring a window up to its inputs.

        While the minute runs, its revision is 0 and is replaced. The first computation after that
        is revision 1, and what comes later makes 2, 3, ...; the same inputs make no new one.
        """
        old = await read_state(connection, window)
        inputs = await read_inputs(connection, window, self._settings.thresholds)
        parts = digests(inputs)
        whole, edges, now = whole_digest(parts), edge_digests(inputs), self._now()
        grace = timedelta(seconds=self._settings.grace_s)
        revision = 0
        if now >= window.minute + MINUTE + grace:
            revision = old.revision + 1 if old else 1
        known = old is not None and (old.digest, old.code) == (whole, code_version())
        if known and old is not None and (old.revision > 0 or revision == 0):
            return True
        result = await asyncio.to_thread(compute, inputs)
        state = WindowState(revision, whole, code_version(), parts | {"edges": edges})
        await write_window(
            connection,
            window,
            state,
            parts=result.parts,
            incidents=result.incidents,
            computed_at=now,
        )
        await self._mark_neighbours(connection, window, old, edges)
        if revision > 0:
            self._news.append(window)
        return True

    async def _mark_neighbours(
        self,
        connection: AsyncConnection,
        window: Window,
        old: WindowState | None,
        edges: dict[str, str],
    ) -> None:
        """Mark the minute before or after if it read points that are new or gone."""
        before = old.inputs["edges"] if old else {}
        minutes = [
            window.minute + shift
            for edge, shift in (("head", -MINUTE), ("tail", MINUTE))
            if before.get(edge) != edges[edge]
        ]
        if minutes:
            await mark_computed(connection, window, minutes)

    def _now(self) -> datetime:
        return from_micros(self._clock())


async def _sleep(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
