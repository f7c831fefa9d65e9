"""A YAML file with other values for some keys of its camera; all else stays as it was, to the byte.

Only the text of those values is replaced, by the positions that the reader of YAML tells.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

import yaml

from contracts.errors import SettingsError
from edge.calibration.layout import entry, flow, item
from edge.calibration.read import CalibrationError
from edge.configuration.document import parse_yaml
from edge.configuration.drawing import DrawnOn

SHAPES: Final = ("lines", "zones")
"""Lists whose items are known by their id; others are replaced whole."""


Gone = AbstractSet[tuple[str, str]]
"""Shapes that are to be deleted: key of the list, and id; masks have none."""


class Edited(NamedTuple):
    """What comes of a file."""

    text: str
    loses_comments: bool


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


def edited(
    text: str,
    name: str,
    wanted: Mapping[str, Any],
    drawn_on: DrawnOn,
    gone: Gone = frozenset(),
) -> Edited:
    """Text of a configuration with keys of its camera set, called `name` in errors.

    Shapes that are neither wanted nor gone stay.

    Raises
    ------
    CalibrationError
        If it has no camera, or what would come out is not what was meant.
    """
    before = _table(text, name)
    camera = before.get("camera")
    if not isinstance(camera, dict):
        msg = f"{name}: has no table camera; write one with its source"
        raise CalibrationError(msg)
    own = list(drawn_on) if isinstance(drawn_on, tuple) else drawn_on
    if camera.get("drawn_on") != own:
        msg = f"{name}: camera.drawn_on is not what coordinates were meant for; write it there"
        raise CalibrationError(msg)
    try:
        wanted = {key: value for key, value in wanted.items() if value or camera.get(key)}
        meant = {key: _meant(camera, key, value, gone) for key, value in wanted.items()}
        edits = sorted(_Place(text, camera).edits(wanted, meant), key=lambda edit: edit.start)
        out = _applied(text, edits)
        right = parse_yaml(out, name).table == before | {"camera": camera | meant}
    except (SettingsError, KeyError, TypeError):  # flags may hide that the file itself is wrong
        right = False
    if not right:
        msg = f"{name}: its camera is written in a way that cannot be edited; paste the block"
        raise CalibrationError(msg)
    return Edited(out, any("#" in text[edit.start : edit.end] for edit in edits))


def _table(text: str, name: str) -> dict[str, Any]:
    try:
        return parse_yaml(text, name).table
    except SettingsError as fault:
        raise CalibrationError(str(fault)) from fault


def _applied(text: str, edits: Sequence[_Edit]) -> str:
    out, at = "", 0
    for edit in edits:
        out += text[at : edit.start] + edit.text
        at = edit.end
    return out + text[at:]


def _meant(camera: Mapping[str, Any], key: str, value: Any, gone: Gone) -> Any:
    """Value of a key in the end: shapes that have the same id are changed, the others added."""
    if key not in SHAPES:
        return value
    known = {s["id"]: s for s in camera.get(key) or () if (key, s["id"]) not in gone}
    return list((known | {new["id"]: known.get(new["id"], {}) | new for new in value}).values())


class _Place:
    """Where the camera's values stand in a text."""

    def __init__(self, text: str, camera: Mapping[str, Any]) -> None:
        self._text, self._camera = text, camera
        self._newline = "\r\n" if "\r\n" in text else "\n"
        root: Any = yaml.compose(text, yaml.SafeLoader)
        self._node = next(value for key, value in root.value if key.value == "camera")
        self._entries = {key.value: (key, value) for key, value in self._node.value}

    def edits(self, wanted: Mapping[str, Any], meant: Mapping[str, Any]) -> Iterator[_Edit]:
        """Yield what is to be replaced; what is to be added at the camera's end comes last."""
        added: list[str] = []
        for key, value in wanted.items():
            if key not in self._entries:
                added += entry(key, value)
            elif key in SHAPES and self._entries[key][1].value:
                yield from self._shapes(key, value, meant[key])
            elif self._camera.get(key) != value:
                yield from self._replaced(key, value)
        if added:
            end = self._line_end(_end(self._node))
            yield _Edit(end, end, self._below(added, self._node))

    def _replaced(self, key: str, value: Any) -> Iterator[_Edit]:
        """Give a key another value; a comment in the line of the key stays there."""
        name, old = self._entries[key]
        start, end = name.start_mark.index, _end(old)
        stop = self._line_end(end)
        first, *rows = entry(key, value)
        if "\n" not in self._text[start:end]:
            yield _Edit(start, end, first)
            yield _Edit(stop, stop, self._below(rows, name))
        else:  # what stands behind the last row is of that row
            yield _Edit(start, stop, first + self._below(rows, name))

    def _shapes(
        self, key: str, wanted: Sequence[dict[str, Any]], meant: Sequence[dict[str, Any]]
    ) -> Iterator[_Edit]:
        """Change the shapes that have the same id, add the others, delete what is not meant."""
        node, own = self._entries[key][1], self._camera[key]
        known = {shape["id"]: n for n, shape in enumerate(own)}
        gone = known.keys() - {shape["id"] for shape in meant}
        if gone and (node.flow_style or not meant):
            yield from self._replaced(key, meant)
            return
        for shape in gone:
            yield self._item(node, node.value[known[shape]])
        rows: list[str] = []
        last = _end(node.value[-1])
        for shape in wanted:
            if (n := known.get(shape["id"])) is not None:
                for name, old in node.value[n].value:
                    value = shape.get(name.value, own[n][name.value])
                    if value != own[n][name.value]:
                        yield _Edit(old.start_mark.index, _end(old), flow(value))
            elif node.flow_style:
                yield _Edit(last, last, f", {flow(shape)}")
            else:
                rows += item(shape)
        end = self._line_end(last)
        yield _Edit(end, end, self._below(rows, node))

    def _item(self, node: yaml.CollectionNode, value: yaml.Node) -> _Edit:
        """Delete an item of a list whose items have rows of their own."""
        dash = f"{self._newline}{' ' * node.start_mark.column}-"
        start = self._text.rindex(dash, 0, value.start_mark.index)
        return _Edit(start, self._line_end(_end(value)), "")

    def _below(self, rows: Sequence[str], node: yaml.Node) -> str:
        """Rows that follow, each from the column on in which a node begins."""
        return "".join(self._newline + " " * node.start_mark.column + row for row in rows)

    def _line_end(self, at: int) -> int:
        """Where the line of a character ends, a comment included."""
        end = self._text.find(self._newline, at)
        return len(self._text) if end < 0 else end


def _end(node: yaml.Node) -> int:
    """Where a value ends; the reader counts comments below a table or list to it."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)
