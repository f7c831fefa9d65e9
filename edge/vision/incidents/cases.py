"""From subjects that are active to incidents that are told: once, with reasons and evidence."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID, uuid4

import numpy as np

from contracts.incidents import MOST_TRACKS, EvidenceTrack, Reason
from edge.vision.boxes import covered, grow, iou
from edge.vision.frames import Bools, Boxes, Bytes, Floats, Ids
from edge.vision.incidents.machine import Machine, State, Timing
from edge.vision.incidents.scene import Scene

PIECE: Final = 0.6
"""Share of a box in another's from which both are of one road user."""
AGAIN: Final = 0.1
"""Overlap of grown boxes from which who appears is who vanished there."""
BUFFER: Final = 0.25
"""By this share they are grown on each side: it went on meanwhile, not quite as expected."""
ADOPTION: Final = 3_000_000
"""After so long who appears in a place is somebody else. [µs]"""
MOST_CASES: Final = 200  # at one place; full: the oldest that is over is forgotten


class Incident(NamedTuple):
    """An incident begins, or ends."""

    id: UUID
    kind: str
    place: str
    phase: Literal["begins", "ends"]
    captured: int  # when it became certain [µs]
    began: int  # when the conditions began to hold [µs]
    cls: int  # RoadUser, of the first
    track: int  # 0: nobody
    value: float  # for how long the conditions held [s]
    confidence: float  # share of the frames in which they did, times the score of who did it
    why: list[Reason]
    tracks: list[EvidenceTrack]
    at: tuple[float, float] | None  # on the ground [m]


class Subjects(NamedTuple):
    """Who may be an incident in this frame: n, ascending by id."""

    captured: int  # [µs]
    id: Ids  # (n,)
    holds: Bools  # (n,) all conditions
    known: Bools  # (n,) whether that can be told
    box: Boxes  # (n, 4) [px]
    velocity: Floats  # (n, 2) [px/s]
    cls: Bytes  # (n,) RoadUser
    score: Floats  # (n,)
    xy: Floats  # (n, 2) [m]


class _Place(NamedTuple):
    box: Boxes  # (1, 4)
    velocity: Floats  # (2,)
    seen: int  # [µs]

    def at(self, captured: int) -> Boxes:
        """Give the box as it is expected at a moment."""
        moved = self.velocity * (captured - self.seen) / 1e6
        return self.box + np.tile(moved, 2)


@dataclass(slots=True)
class _Case:
    id: UUID
    began: int
    until: int  # last moment at which the conditions held [µs]
    first: tuple[int, int]  # class, track
    why: list[Reason]
    confidence: float
    at: tuple[float, float] | None
    place: _Place
    home: Boxes  # (1, 4) where it began
    active: set[int] = field(default_factory=set)  # subjects
    tracks: dict[int, EvidenceTrack] = field(default_factory=dict)  # at most MOST_TRACKS
    over: int | None = None  # when that was told [µs]


class Cases:
    """Incidents of one kind at one place.

    Parameters
    ----------
    kind, place
        Of every incident.
    timing
        Of the state machine, and of the silence after an incident.
    one
        Whether there is only one incident at a time: everybody joins it. Otherwise those join whose
        boxes are pieces of one, or follow each other.
    stays
        Whether an incident stays where it began: who appears there later is in it, too. Otherwise
        it is looked for where it was heading.
    name
        Gives a new incident its id.
    """

    def __init__(
        self,
        kind: str,
        place: str,
        timing: Timing,
        *,
        one: bool = False,
        stays: bool = False,
        name: Callable[[], UUID] = uuid4,
    ) -> None:
        self.kind, self.place, self._one, self._stays = kind, place, one, stays
        self._name = name
        self.machine = Machine(timing)
        self._cases: dict[int, _Case] = {}
        self._places: dict[int, _Place] = {}  # of the subjects that the machine remembers
        self._before: Ids = np.zeros(0, np.uint32)
        self._next = 1

    def active(self, ids: Ids) -> Bools:
        """Whether each subject (n,) is in an incident."""
        active: Bools = self.machine.state(ids) == State.ACTIVE
        return active

    def adopt(self, ids: Ids, box: Boxes, captured: int) -> Ids:
        """Recognise who vanished as who appears there; gives the new ids (k,).

        Parameters
        ----------
        ids, box : (n,), (n, 4)
            Everybody who is there now.
        captured : int
            Moment of the frame. [µs]
        """
        fresh = np.flatnonzero(~np.isin(ids, self._before))
        self._before = ids
        gone = [
            (id_, place)
            for id_, place in self._places.items()
            if id_ not in ids and captured - place.seen <= ADOPTION
        ]
        pairs: dict[int, int] = {}
        for old, place in gone:
            alike = iou(grow(place.at(captured), BUFFER), grow(box[fresh], BUFFER))[0]
            alike[np.isin(ids[fresh], list(pairs.values()))] = 0
            if len(alike) and alike.max() > AGAIN:
                pairs[old] = int(ids[fresh[alike.argmax()]])
        if pairs:
            self._rename(pairs)
        return np.array(list(pairs.values()), np.uint32)

    def _rename(self, pairs: dict[int, int]) -> None:
        self.machine.rename(
            np.array(list(pairs), np.uint32), np.array(list(pairs.values()), np.uint32)
        )
        for old, new in pairs.items():
            self._places[new] = self._places.pop(old)
            for case in self._cases.values():
                if old in case.active:
                    case.active = case.active - {old} | {new}

    def step(self, now: Subjects, why: Callable[[int], list[Reason]]) -> list[Incident]:
        """Advance by one frame; `why` gives the reasons of a subject, by its row."""
        began, ended = self.machine.step(now.id, now.holds, now.known, now.captured)
        self._remember(now)
        told = [i for row in began for i in self._begin(row, now, why)]
        for number in ended["case"]:
            if (case := self._cases.get(int(number))) is not None:
                case.active -= set(ended["id"][ended["case"] == number].tolist())
        self._collect(now)
        told += self._close(now.captured)
        return told

    def _remember(self, now: Subjects) -> None:
        """Keep places of whom the machine remembers."""
        memory = self.machine.memory["id"]
        self._places = {i: p for i, p in self._places.items() if i in memory}
        for row in np.flatnonzero(np.isin(now.id, memory) & now.known):
            self._places[int(now.id[row])] = _Place(
                now.box[row : row + 1], now.velocity[row], now.captured
            )

    def _begin(
        self, memory: np.void, now: Subjects, why: Callable[[int], list[Reason]]
    ) -> Iterator[Incident]:
        id_ = int(memory["id"])
        row = int(np.searchsorted(now.id, id_))
        number = self._same(self._places[id_], now)
        if number is None:
            number = self._next
            self._next += 1
            share = float(memory["yes"]) / max(float(memory["asked"]), 1.0)
            xy = now.xy[row]
            self._cases[number] = _Case(
                id=self._name(),
                began=int(memory["began"]),
                until=now.captured,
                first=(int(now.cls[row]), id_),
                why=why(row),
                confidence=share * float(now.score[row]),
                at=(float(xy[0]), float(xy[1])) if np.isfinite(xy).all() else None,
                place=self._places[id_],
                home=self._places[id_].box,
            )
        case = self._cases[number]
        case.active.add(id_)
        self.machine.assign(np.array([id_], np.uint32), number)
        self._collect(now)
        if number == self._next - 1 and len(case.active) == 1 and case.over is None:
            yield self._told(case, "begins", now.captured)

    def _same(self, place: _Place, now: Subjects) -> int | None:
        """Case that a subject which becomes active belongs to, however young or lately over."""
        for number, case in self._cases.items():
            if self._one:
                return number
            box, theirs = place.box, case.place.at(now.captured)
            if np.isin(list(case.active), now.id).any():  # both are there: then it is a piece
                near = max(covered(box, theirs)[0, 0], covered(theirs, box)[0, 0]) > PIECE
            else:
                theirs = case.home if self._stays else theirs
                near = iou(grow(box, BUFFER), grow(theirs, BUFFER))[0, 0] > AGAIN
            if near:
                return number
        return None

    def _collect(self, now: Subjects) -> None:
        """Put down what this frame adds to the evidence."""
        for memory in self.machine.memory[self.machine.memory["case"] > 0]:
            case = self._cases.get(int(memory["case"]))
            if case is None:
                continue
            id_, held = int(memory["id"]), int(memory["held"])
            case.until = max(case.until, held)
            if (place := self._places.get(id_)) is not None and place.seen >= case.place.seen:
                case.place = place
            row = int(np.searchsorted(now.id, id_))
            old = case.tracks.get(id_)
            if old is not None:
                case.tracks[id_] = old._replace(end=held)
            elif len(case.tracks) < MOST_TRACKS and row < len(now.id) and now.id[row] == id_:
                case.tracks[id_] = EvidenceTrack(id_, int(now.cls[row]), int(memory["began"]), held)

    def _close(self, captured: int) -> list[Incident]:
        """End the cases that nobody is in any more; forget those that are over for long."""
        told = []
        for case in self._cases.values():
            if not case.active and case.over is None:
                told.append(self._told(case, "ends", captured))
            if case.active:
                case.over = captured if case.over is not None else None
            elif case.over is None:
                case.over = captured
        cool = self.machine.timing.cool * 1e6
        kept = {n: c for n, c in self._cases.items() if c.over is None or captured - c.over <= cool}
        over = [n for n, c in kept.items() if c.over is not None]
        for number in over[: max(len(kept) - MOST_CASES, 0)]:
            del kept[number]
        self._cases = kept
        return told

    def _told(self, case: _Case, phase: Literal["begins", "ends"], captured: int) -> Incident:
        cls, track = case.first
        return Incident(
            case.id, self.kind, self.place, phase, captured, case.began, cls, track,
            (case.until - case.began) / 1e6, case.confidence, case.why,
            list(case.tracks.values()), case.at,
        )  # fmt: skip


def subjects(scene: Scene, holds: Bools) -> Subjects:
    """All road users of a scene as subjects; who is hidden is not known."""
    return Subjects(
        scene.captured, scene.id, holds, scene.seen, scene.box, scene.velocity, scene.kind,
        scene.score, scene.xy,
    )  # fmt: skip


def one_subject(captured: int, *, holds: bool, score: float = 1.0, **given: Any) -> Subjects:
    """Subjects of what has no tracks of its own: a zone, a camera."""
    values: dict[str, Any] = {
        "box": np.zeros((1, 4)),
        "velocity": np.zeros((1, 2)),
        "cls": np.zeros(1, np.uint8),
        "score": np.array([score]),
        "xy": np.full((1, 2), np.nan),
        "known": np.ones(1, bool),
    } | given
    return Subjects(captured, np.zeros(1, np.uint32), np.array([holds]), **values)
