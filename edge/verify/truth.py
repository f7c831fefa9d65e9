"""What is true of a clip: passages and totals that somebody counted, or annotated boxes."""

import json
import math
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contracts.classes import VULNERABLE, RoadUser
from edge.configuration.explain import ID_RULE
from edge.errors import TruthError
from edge.verify.scoring import Boxed
from edge.vision.frames import Floats

MOST: Final = 5000
"""Passages of a file: pairing them takes memory and time. Full: refused."""
Share = Annotated[float, Field(ge=0, le=1)]
Direction = Literal["in", "out"]
Class = Literal[
    "pedestrian", "bicycle", "scooter", "motorcycle", "car", "van", "truck", "bus", "tram"
]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TruthLine(_Table):
    """A line, by shares of the picture's width and height. Directions are those of the agent."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    a: tuple[Share, Share]
    b: tuple[Share, Share]

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.a == self.b:
            msg = f"a and b are both {self.a}; give two different points"
            raise ValueError(msg)
        return self


class Passage(_Table):
    """One road user passed."""

    line: str
    direction: Direction
    frame: float | None = Field(None, ge=0)  # the clip's first is 0
    time_s: float | None = Field(None, ge=0)  # since the clip's first frame
    kind: Class | None = Field(None, alias="class")
    speed_km_h: float | None = Field(None, ge=0, le=400)

    @model_validator(mode="after")
    def _has_moment(self) -> Self:
        if (self.frame is None) == (self.time_s is None):
            msg = "either frame or time_s says when; give exactly one"
            raise ValueError(msg)
        return self


class Total(_Table):
    """So many passed a line one way; when is not known."""

    line: str
    direction: Direction
    count: int = Field(ge=0)
    classes: dict[Class, Annotated[int, Field(ge=0)]] | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.classes is not None and sum(self.classes.values()) != self.count:
            msg = f"classes are {sum(self.classes.values())} together, count is {self.count}"
            raise ValueError(msg)
        return self


class Counted(_Table):
    """What somebody counted.

    The passages of a line are all that there were, both ways. A line without any has totals; a way
    that has neither is unknown.
    """

    lines: list[TruthLine] = Field(min_length=1, max_length=100)
    passages: list[Passage] = Field([], max_length=MOST)
    totals: list[Total] = []

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ids = [line.id for line in self.lines]
        if twice := [one for one, times in Counter(ids).items() if times > 1]:
            msg = f"lines: ids {twice} are used twice; give each line its own"
            raise ValueError(msg)
        for key, used in (
            ("passages", [passage.line for passage in self.passages]),
            ("totals", [total.line for total in self.totals]),
        ):
            for number, line in enumerate(used):
                if line not in ids:
                    msg = f"{key}.{number}.line is {line!r}: no such line; there are {ids}"
                    raise ValueError(msg)
        known = self._known()
        if unknown := [line for line in ids if line not in known]:
            msg = f"nothing is said of the lines {unknown}; give totals, of 0 if nobody passed"
            raise ValueError(msg)
        return self

    def _known(self) -> set[str]:
        """Lines of which something is said, once and without contradiction."""
        timed = Counter((p.line, p.direction) for p in self.passages)
        listed = {line for line, _ in timed}
        seen: set[tuple[str, str]] = set()
        for number, total in enumerate(self.totals):
            gate = (total.line, total.direction)
            if gate in seen:
                msg = f"totals.{number}: {gate} has a total already; remove one of them"
                raise ValueError(msg)
            seen.add(gate)
            if total.line in listed and timed[gate] != total.count:
                msg = (
                    f"totals.{number}.count is {total.count}, but {timed[gate]} passages are "
                    "listed; list all passages of a line, or none"
                )
                raise ValueError(msg)
        return listed | {line for line, _ in seen}


class Annotations(NamedTuple):
    """Boxes that somebody annotated."""

    boxes: Boxed
    ignored: Boxed  # whatever lies there is neither right nor wrong
    last: tuple[int, int]  # highest frame, and the line of the file that names it
    place: Floats | None = None  # (n, 2) of the boxes' feet on the ground [m]
    kinds: frozenset[RoadUser] = frozenset({RoadUser.PEDESTRIAN})  # that are annotated


def kind_of(name: str | None) -> RoadUser:
    """Class by its name.

    >>> kind_of("truck")
    <RoadUser.TRUCK: 7>
    """
    return RoadUser.UNKNOWN if name is None else RoadUser[name.upper()]


def read_truth(path: Path) -> Counted | Annotations:
    """Read a truth file: TOML or JSON of ours, or MOTChallenge's text.

    Raises
    ------
    TruthError
        If it cannot be used.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        msg = f"{path}: no kind of truth is known by this ending; give .toml, .json or MOT's .txt"
        raise TruthError(msg)
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin with a mark
    except OSError as fault:
        msg = f"{path}: cannot be read ({fault.strerror}); give the path of a truth file"
        raise TruthError(msg) from fault
    except UnicodeDecodeError as fault:
        msg = f"{path}: no text in UTF-8 ({fault}); save it as such"
        raise TruthError(msg) from fault
    return reader(path, text)


def _toml(path: Path, text: str) -> Counted:
    try:
        return _counted(path, tomllib.loads(text))
    except tomllib.TOMLDecodeError as fault:
        msg = f"{path}: no TOML: {fault}; correct it there"
        raise TruthError(msg) from fault


def _json(path: Path, text: str) -> Counted:
    try:
        return _counted(path, json.loads(text, object_pairs_hook=_each_once))
    except json.JSONDecodeError as fault:
        msg = f"{path}:{fault.lineno}: no JSON: {fault.msg} (column {fault.colno}); correct it"
        raise TruthError(msg) from fault
    except (ValueError, RecursionError) as fault:  # among them numbers of thousands of digits
        msg = f"{path}: cannot be used: {fault}; correct it there"
        raise TruthError(msg) from fault


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its keys and values; JSON itself would take the last of two."""
    if twice := [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]:
        msg = f"{twice[0]!r} is there twice in one object"
        raise ValueError(msg)
    return dict(pairs)


def _counted(path: Path, table: Any) -> Counted:
    try:
        return Counted.model_validate(table)
    except ValidationError as fault:
        raise TruthError("\n".join(f"{path}: {line}" for line in _explain(fault))) from fault


def _explain(fault: ValidationError) -> list[str]:
    lines = []
    for error in fault.errors(include_url=False, include_context=False):
        key = ".".join(map(str, error["loc"]))
        message = error["msg"].removeprefix("Value error, ")
        match error["type"]:
            case "missing":
                lines.append(f"{key} is not set; write it")
            case "extra_forbidden":
                lines.append(f"{key} is {error['input']!r}: no such key; remove or correct it")
            case "string_pattern_mismatch":
                lines.append(f"{key} is {error['input']!r}: {ID_RULE}; correct it")
            case "value_error":  # a rule about several keys: its input is all of them
                lines.append(f"{key}: {message}" if key else message)
            case _:
                lines.append(f"{key or 'the whole'} is {error['input']!r}: {message}; correct it")
    return lines


_COLUMNS: Final = "frame,id,left,top,width,height,conf"
_FEWEST: Final = 7
_WITH_PLACES: Final = 10
_WITH_CLASSES: Final = 9
_NOWHERE: Final = -1.0
_KINDS: Final[Mapping[float, frozenset[RoadUser]]] = {
    1: frozenset({RoadUser.PEDESTRIAN}),
    2: frozenset(VULNERABLE),  # a person on a vehicle
    3: frozenset({RoadUser.CAR, RoadUser.VAN, RoadUser.TRUCK, RoadUser.BUS}),
    4: frozenset({RoadUser.BICYCLE}),
    5: frozenset({RoadUser.MOTORCYCLE, RoadUser.SCOOTER}),
    7: frozenset({RoadUser.PEDESTRIAN}),  # a static person
}
"""What MOT16's classes are here."""


def _mot(path: Path, text: str) -> Annotations:
    """Read boxes; those with `conf` 0, among them MOT16's distractors, are ignored."""
    rows, seen = [], dict[tuple[int, int], int]()
    kinds: set[RoadUser] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = _box(line)
        except ValueError as fault:
            msg = f"{path}:{number}: {line[:60]!r}: {fault}; a line is {_COLUMNS},..."
            raise TruthError(msg) from None
        first = seen.setdefault((int(row[0]), int(row[1])), number)
        if first != number:
            msg = f"{path}:{number}: frame {row[0]:.0f} has id {row[1]:.0f} in line {first} already"
            raise TruthError(f"{msg}; remove one of them")
        rows.append(row)
        kinds |= _kinds(line) if row[6] else set()
    if not rows:
        msg = f"{path}: has no boxes in it; a line is {_COLUMNS},..."
        raise TruthError(msg)
    table = np.array(rows)
    corner = table[:, 2:4] - 1  # MOT counts pixels from 1
    boxes = Boxed(
        table[:, 0].astype(np.int64) - 1,  # and frames
        table[:, 1].astype(np.int64),
        np.hstack((corner, corner + table[:, 4:6])),
    )
    wanted = table[:, 6] != 0
    highest = int(boxes.frame.max())
    last = highest, seen[highest + 1, int(boxes.id[boxes.frame.argmax()])]
    # where nobody measured places, all of them are -1
    place = table[wanted, 7:9] if (table[:, 7:9] != _NOWHERE).any() else None
    annotated = frozenset(kinds or {RoadUser.PEDESTRIAN})
    return Annotations(boxes.pick(wanted), boxes.pick(~wanted), last, place, annotated)


def _kinds(line: str) -> frozenset[RoadUser]:
    """Classes that a box of MOT16 may have, none where the file has no classes."""
    fields = line.split(",")
    if len(fields) != _WITH_CLASSES:
        return frozenset()
    return _KINDS.get(float(fields[7]), frozenset())


def _place(fields: list[str]) -> tuple[float, float]:
    """Metres on the ground, of MOT15's 3D files; elsewhere -1, or MOT16's class and visibility."""
    if len(fields) != _WITH_PLACES:
        return _NOWHERE, _NOWHERE
    x, y = float(fields[7]), float(fields[8])
    if not (math.isfinite(x) and math.isfinite(y)):
        msg = "x and y are not finite"
        raise ValueError(msg)
    return x, y


def _box(line: str) -> tuple[float, ...]:
    fields = line.split(",")
    if len(fields) < _FEWEST:
        msg = f"{len(fields)} columns, at least {_FEWEST} are wanted"
        raise ValueError(msg)
    frame, who, left, top, width, height, conf = (float(field) for field in fields[:_FEWEST])
    if not all(map(math.isfinite, (frame, who, left, top, width, height, conf))):
        msg = "not all are finite"
        raise ValueError(msg)
    if frame < 1 or frame % 1 or who % 1:
        msg = "frame is a whole number from 1 on, id a whole number"
        raise ValueError(msg)
    if min(width, height) <= 0:
        msg = "width and height are greater than 0"
        raise ValueError(msg)
    return int(frame), int(who), left, top, width, height, conf, *_place(fields)


_READERS: Final[Mapping[str, Callable[[Path, str], Counted | Annotations]]] = {
    ".toml": _toml,
    ".json": _json,
    ".txt": _mot,
    ".csv": _mot,
}
