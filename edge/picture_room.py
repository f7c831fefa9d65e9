"""What the agent does with pictures: asks for them, serves them, keeps those of what happened."""

from collections.abc import Callable, Iterable
from functools import partial

from contracts.clock import Clock
from contracts.events import VIEW_BEGAN, VIEW_ENDED
from contracts.metrics import PICTURE_BYTES
from edge.batches import Event, Scalar
from edge.budget import Budget
from edge.certificate import Certificate, given, own
from edge.commands import RefusedError
from edge.config import AgentConfig, Pictures
from edge.parts import Parts
from edge.pictures import Began, Ended, PictureServer, Rules, Shelf, Supply
from edge.snapshots import Snapshot, Snapshots
from edge.wire import Picture

Add = Callable[[Iterable[Event]], None]


class PictureRoom:
    """The pictures of one device.

    Parameters
    ----------
    add
        Takes the events that say who looked at a live view.
    """

    def __init__(self, config: AgentConfig, camera: Parts, *, add: Add, clock: Clock) -> None:
        wanted = config.pictures
        if wanted is None:
            msg = "without [pictures] there are none"
            raise ValueError(msg)
        self._add, self._clock = add, clock
        self._camera = camera
        self._stills, self._live = Shelf(clock), Shelf(clock)
        self._snapshots = _snapshots(config, wanted, clock)
        self._said: dict[str, int] = {}
        want_live = partial(camera.want_live, wanted.frames_per_s)
        self.server = PictureServer(
            wanted.address,
            Rules(
                config.device,
                wanted.token.get_secret_value(),
                wanted.viewers,
                Budget(wanted.budget_kbit_s),
            ),
            Supply(camera.want_picture, want_live, self._stills, self._live, self._snapshots),
            clock=clock,
            note=self._note,
            certificate=_certificate(config, wanted, clock),
        )

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()

    def take(self, picture: Picture) -> None:
        """Take in a picture that the camera's process has made."""
        if picture.snapshot:
            if self._snapshots is not None:
                self._snapshots.put(picture.snapshot, picture.captured, picture.jpeg)
        else:
            (self._live if picture.purpose == "live" else self._stills).put(picture)

    def remember(self, name: str, kind: str) -> None:
        """Ask for a picture of what is shown now, to be kept under an id."""
        if self._snapshots is not None:
            self._camera.want_snapshot(name, kind)

    def take_now(self, patience: float) -> Snapshot:
        """Keep a picture of what is shown now; its id is new.

        Raises
        ------
        RefusedError
            If none are kept, or none came within so long [s].
        """
        if self._snapshots is None:
            raise RefusedError("this device keeps no snapshots: pictures.snapshot_bytes is 0")
        name = f"asked-{self._clock()}"
        self._camera.want_snapshot(name, "asked")
        taken = self._snapshots.wait(name, patience)
        if taken is None:
            raise RefusedError(f"no picture came within {patience:g} s")
        return taken

    def used(self, now: int) -> list[Scalar]:
        """Bytes of each stream so far, of those that have grown since this was last asked."""
        sent = self.server.sent()
        grown = [name for name, size in sent.items() if self._said.get(name) != size]
        self._said = sent
        return [Scalar(now, PICTURE_BYTES[name], sent[name]) for name in grown]

    def _note(self, view: Began | Ended) -> None:
        if isinstance(view, Began):
            self._add([Event(VIEW_BEGAN, view.at, view.viewer)])
        else:
            self._add([Event(VIEW_ENDED, view.at, view.viewer, value=view.sent)])


def _snapshots(config: AgentConfig, wanted: Pictures, clock: Clock) -> Snapshots | None:
    if not wanted.snapshot_bytes:
        return None
    folder = config.outbox.path.with_suffix(".snapshots")
    return Snapshots(
        folder, max_bytes=wanted.snapshot_bytes, days=wanted.snapshot_days, clock=clock
    )


def _certificate(config: AgentConfig, wanted: Pictures, clock: Clock) -> Certificate | None:
    if not wanted.tls:
        return None
    if wanted.certificate is not None and wanted.key is not None:
        return given(wanted.certificate, wanted.key)
    return own(config.outbox.path, config.device, clock)
