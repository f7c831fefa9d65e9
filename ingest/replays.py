"""Replays that the API asks for: one thread beside the pipeline, with a connection of its own.

However many ingest processes run, one of them replays at a time: who holds the database's advisory
lock. Each letter is a transaction that also says how far the replay is, so that nothing is taken
twice when another process goes on after a kill.
"""

import logging
import random
import threading
from typing import Final

import msgspec

from contracts.clock import Clock
from ingest.errors import IngestError
from ingest.replay import replay
from ingest.settings import ReplaySettings
from storage.errors import DatabaseError
from storage.pool import Connection, connect

log = logging.getLogger(__name__)

POLL: Final = 1.0  # [s] between two looks
LONGEST_PAUSE: Final = 30.0  # [s] while the database is away
STOP: Final = 10.0  # [s]
LOCK: Final = 0x7E9A_0001
FAULTS: Final = 100
"""Letters that stayed of which a replay tells the reason; of the rest it has the number."""
KEPT: Final = 1000
"""Finished replays that can still be read."""

TRY_LOCK: Final = "SELECT pg_try_advisory_lock(%s)"
NEXT: Final = """
SELECT replay, letters[taken + 1] FROM dead_letter_replay WHERE done_at IS NULL
ORDER BY replay LIMIT 1"""
GO_ON: Final = """
UPDATE dead_letter_replay SET taken = taken + 1, replayed = replayed + 1, rows = rows + %(rows)s
WHERE replay = %(replay)s"""
GO_ROUND: Final = f"""
UPDATE dead_letter_replay SET taken = taken + 1,
    faults = CASE WHEN jsonb_array_length(faults) < {FAULTS} THEN faults || %(fault)s::jsonb
                  ELSE faults END
WHERE replay = %(replay)s"""  # noqa: S608  # our own constant
FINISH: Final = "UPDATE dead_letter_replay SET done_at = now() WHERE replay = %s"
FORGET: Final = "DELETE FROM dead_letter_replay WHERE replay <= %s AND done_at IS NOT NULL"


class Replays:
    """Does what `dead_letter_replay` asks for, from `start` to `stop`."""

    def __init__(self, settings: ReplaySettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replays", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the letter at hand and leave."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(STOP)  # longer only if the database hangs

    def _run(self) -> None:
        pause = POLL
        while not self._stopping.is_set():
            try:
                with connect(self._settings, name="tepna-replays") as connection:
                    pause = POLL
                    self._serve(connection)
            except DatabaseError as fault:
                if pause == POLL:  # the pipeline says that the database is lost; here is why, once
                    log.info("replays wait: %s", str(fault).strip().replace("\n", " "))
                self._stopping.wait(pause * random.uniform(0.5, 1))  # noqa: S311  # only to spread
                pause = min(2 * pause, LONGEST_PAUSE)

    def _serve(self, connection: Connection) -> None:
        while connection.execute(TRY_LOCK, [LOCK]).fetchone() != (True,):
            if self._stopping.wait(POLL):
                return
        while not self._stopping.is_set():
            if not self._step(connection):
                self._stopping.wait(POLL)

    def _step(self, connection: Connection) -> bool:
        """Take one letter of the oldest replay; False if nothing is asked for."""
        found = connection.execute(NEXT).fetchone()
        if found is None:
            return False
        number, letter = found
        if letter is None:
            connection.execute(FINISH, [number])
            connection.execute(FORGET, [number - KEPT])
            return True
        try:
            with connection.transaction():
                tally = replay(connection, letter, self._settings, self._clock)
                connection.execute(GO_ON, {"replay": number, "rows": tally.rows})
        except IngestError as fault:
            reason = str(fault) or fault.__doc__ or ""
            told = msgspec.json.encode([[letter, reason]]).decode()
            connection.execute(GO_ROUND, {"replay": number, "fault": told})
        return True
