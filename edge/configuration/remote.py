"""Configuration from afar: taken whole or not at all, watched for a while, taken back if it fails.

What the platform desires lies over the file of the box, in a few tables only. What is tried and
what was good before are kept in one file beside the outbox; it is replaced in one step, so a power
cut leaves the old one or the new one.
"""

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from contracts.clock import Clock
from contracts.errors import SettingsError
from contracts.messages import DESIRED, ENCODER, NO_MESSAGE, Desired, Reported
from contracts.secrecy import SECRETS, has_account
from edge.config import AgentConfig
from edge.durable_file import write_durably

log = logging.getLogger(__name__)

ALLOWED: Final = ("batches", "camera", "modem", "sensors")
"""What may be desired; how the box reaches the platform, and what it keeps, is its own affair."""
STARTS: Final = 2
"""So often an agent may start anew with a configuration that is tried; then it is at fault."""
LOSSES: Final = 2
"""So often a camera may be lost while its configuration is tried."""

Overlay = dict[str, Any]


class Health(NamedTuple):
    """How the agent does."""

    camera: bool  # frames come, or there is no camera, or its recording is over
    losses: int  # how often a camera was lost since the agent started
    connected: bool  # the uplink


class Kept(msgspec.Struct, frozen=True):
    """What lies on the disk."""

    overlay: Overlay
    applied: int  # version of the overlay, 0: none
    reported: Reported | None = None
    trying: bool = False
    watch_s: float = 60.0
    sees: bool = False  # the camera was seen before, so it must be again
    starts: int = 0  # of the agent since it is tried
    good: Overlay = {}
    good_applied: int = 0


_KEPT: Final = msgspec.json.Decoder(Kept)


def check_overlay(overlay: Overlay) -> None:
    """Refuse what may not be desired from afar.

    Raises
    ------
    SettingsError
        If it has another table, or a secret that is not a reference to a file of the box.
    """
    for name in overlay:
        if name not in ALLOWED:
            msg = f"{name} is not set from afar, only {', '.join(ALLOWED)}; write it on the box"
            raise SettingsError(msg)
    _check_secrets(overlay, "")


def _check_secrets(value: Any, key: str) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_secrets(inner, f"{key}.{name}".lstrip("."))
            if name in SECRETS and isinstance(inner, str):
                file = inner.removeprefix("file:")
                if file == inner or Path(file).name != file:
                    msg = f"{key}.{name} is ***: no secret is sent; write file:NAME, a file beside "
                    raise SettingsError(f"{msg}the box's own configuration")
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            _check_secrets(inner, f"{key}.{n}")
    elif isinstance(value, str) and has_account(value):
        msg = f"{key} is ***: no password is sent in an address; write it on the box"
        raise SettingsError(msg)


class Remote:
    """What is desired of an agent, and what became of it.

    Parameters
    ----------
    path
        File in which it is kept.
    read
        Reads the configuration with this overlay on the box's own file.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Mapping[str, Any]], AgentConfig],
        *,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._read = read
        self._clock = clock
        self._monotonic = monotonic
        self._heard = deque[bytes](maxlen=1)  # full: only the newest is desired
        self._kept = self._load()
        self._until = 0.0  # when what is tried is judged, monotonic [s]
        self._losses = 0
        self._config: AgentConfig | None = None  # in force
        self._good: AgentConfig | None = None  # that was, before what is tried
        self._untold: Reported | None = self._kept.reported

    def hear(self, payload: bytes) -> None:
        """Note what is desired; safe in any thread."""
        self._heard.append(payload)

    def begin(self) -> AgentConfig:
        """Read the configuration that an agent starts with.

        Raises
        ------
        SettingsError
            If the box's own file cannot be used.
        """
        kept = self._kept
        if kept.trying and kept.starts >= STARTS:
            return self._back(f"the agent ended {kept.starts + 1} times while it was tried")
        try:
            self._config = self._read(kept.overlay)
        except SettingsError as fault:
            if not kept.overlay:
                raise
            return self._back(str(fault))
        if kept.trying:
            with suppress(SettingsError):  # it is asked for again when it is needed
                self._good = self._read(kept.good)
            self._keep(msgspec.structs.replace(kept, starts=kept.starts + 1))
            self._until = self._monotonic() + kept.watch_s
        return self._config

    def current(self) -> AgentConfig:
        """Read the box's own file anew, with what lies over it.

        Raises
        ------
        SettingsError
            If that cannot be used.
        """
        self._config = self._read(self._kept.overlay)
        return self._config

    def look(self, health: Health) -> AgentConfig | None:
        """Take what was heard, judge what is tried; give a configuration that is to be applied."""
        if self._heard:
            return self._take(self._heard.popleft(), health)
        if not self._kept.trying:
            return None
        reason = self._judge(health)
        if reason:
            return self._back(reason)
        if self._monotonic() >= self._until:
            log.info("configuration %d is accepted", self._kept.applied)
            self._kept = msgspec.structs.replace(self._kept, trying=False, good={}, good_applied=0)
            self._answer("accepted", "", self._kept.applied)
        return None

    def _judge(self, health: Health) -> str:
        """Say what is wrong with what is tried, nothing if nothing is as yet."""
        if health.losses - self._losses >= LOSSES:
            return f"the camera was lost {LOSSES} times"
        if self._monotonic() < self._until:
            return ""
        if self._kept.sees and not health.camera:
            return f"no picture came within {self._kept.watch_s:g} s"
        return "" if health.connected else f"the uplink was down after {self._kept.watch_s:g} s"

    def report(self) -> bytes | None:
        """Give what is to be said to the platform, once."""
        untold, self._untold = self._untold, None
        return None if untold is None else ENCODER.encode(untold)

    def _take(self, payload: bytes, health: Health) -> AgentConfig | None:
        if not payload:  # somebody has cleared what the broker retained
            return None
        try:
            desired = DESIRED.decode(payload)
        except NO_MESSAGE as fault:
            log.warning("what is desired is no message: %s", fault)
            return None
        known = self._kept.reported
        if known is not None and desired.version <= known.version:  # retained: it comes each time
            self._untold = known
            return None
        try:
            check_overlay(desired.config)
            config = self._read(desired.config)
        except SettingsError as fault:
            log.warning("configuration %d is rejected: %s", desired.version, fault)
            self._answer("rejected", str(fault), desired.version)
            return None
        return self._try(desired, config, health)

    def _try(self, desired: Desired, config: AgentConfig, health: Health) -> AgentConfig | None:
        kept = before = self._kept
        if not kept.trying:
            good, self._good = (kept.overlay, kept.applied), self._config
            sees = health.camera
        else:  # what is tried is not good yet
            good, sees = (kept.good, kept.good_applied), kept.sees
        sees = sees and config.camera is not None
        watch = desired.watch_s
        self._kept = Kept(desired.config, desired.version, None, True, watch, sees, 0, *good)
        in_force, self._config = self._config, config
        if not self._answer("trying", "", desired.version):
            self._kept, self._config = before, in_force
            self._answer("rejected", f"{self._path} cannot be written to", desired.version)
            return None
        self._until = self._monotonic() + watch
        self._losses = health.losses
        log.info("configuration %d is tried for %g s", desired.version, watch)
        return config

    def _back(self, reason: str) -> AgentConfig:
        """Return to what was good; if that fits the box's file no more, to the file alone."""
        kept, failed = self._kept, self._kept.applied
        log.warning("configuration %d is taken back: %s", failed, reason)
        overlay, applied = kept.good, kept.good_applied
        try:
            config = self._read(overlay)
        except SettingsError:
            if self._good is not None:  # the box's file has become wrong meanwhile
                config = self._good
            else:
                overlay, applied = {}, 0
                config = self._read(overlay)
        self._kept, self._config = Kept(overlay, applied), config
        self._answer("rolled-back", reason, failed)
        return config

    def _answer(
        self,
        state: Literal["trying", "accepted", "rejected", "rolled-back"],
        reason: str,
        version: int,
    ) -> bool:
        """Keep what became of a version, to be reported; say whether it could be kept."""
        said = "" if self._config is None else self._config.model_dump_json()
        reported = Reported(
            version=version,
            state=state,
            reason=reason,
            applied=self._kept.applied,
            config_hash=hashlib.sha256(said.encode()).hexdigest(),
            at=self._clock(),
        )
        return self._keep(msgspec.structs.replace(self._kept, reported=reported))

    def _load(self) -> Kept:
        try:
            return _KEPT.decode(self._path.read_bytes())
        except FileNotFoundError:
            return Kept({}, 0)
        except NO_MESSAGE as fault:
            log.warning("%s is not used, it is damaged: %s", self._path, fault)
            return Kept({}, 0)

    def _keep(self, kept: Kept) -> bool:
        """Write it so that it is there whole, or not at all, whenever the power goes."""
        self._kept = kept
        self._untold = kept.reported
        try:
            write_durably(self._path, ENCODER.encode(kept), 0o600)
        except OSError as fault:
            log.warning("%s cannot be written to: %s", self._path, fault)
            return False
        return True
