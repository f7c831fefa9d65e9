"""What a calibration is in the configuration's own words, and how it gets into the file."""

import os
import tomllib
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final, NamedTuple

import tomlkit
from tomlkit.items import AoT, Array, Table

from edge.calibration.coordinates import written
from edge.calibration.fit import Calibrated, Pairs
from edge.calibration.read import CalibrationError
from edge.vision.lens import LensSettings

METRE_DECIMALS: Final = 3


class Drawn(NamedTuple):
    """A line, zone or mask that somebody drew."""

    kind: str  # line, zone or mask
    id: str  # none of a mask
    points: list[tuple[float, float]]  # [px]


class Block(NamedTuple):
    """What is to be set in the camera's table; None: leave it as it is."""

    calibration: list[list[float]] | None
    lens: dict[str, float] | None  # a lens that was found
    lines: list[dict[str, Any]]
    zones: list[dict[str, Any]]
    masks: list[list[list[float]]] | None


def block_of(
    pairs: Pairs | None, found: Calibrated | None, drawn: Sequence[Drawn], size: tuple[int, int]
) -> Block:
    """Put into the configuration's words; pairs that do not agree are left out."""
    calibration = lens = None
    if pairs is not None and found is not None:
        used = pairs.pick(found.kept)
        calibration = [
            [*image, round(float(x), METRE_DECIMALS), round(float(y), METRE_DECIMALS)]
            for image, (x, y) in zip(written(used.image, size), used.ground, strict=True)
        ]
        if found.bent and found.lens is not None:
            lens = _lens(found.lens)
    shapes = [(one, written(one.points, size)) for one in drawn]
    masks = [points for one, points in shapes if one.kind == "mask"]
    return Block(
        calibration, lens,
        [{"id": one.id, "a": p[0], "b": p[1]} for one, p in shapes if one.kind == "line"],
        [{"id": one.id, "corners": p} for one, p in shapes if one.kind == "zone"],
        masks or None,
    )  # fmt: skip


def _lens(lens: LensSettings) -> dict[str, float]:
    return {"k1": lens.k1} if lens.k2 == 0 else {"k1": lens.k1, "k2": lens.k2}


def toml(block: Block) -> str:
    """Write it as TOML, to be pasted into the camera's table."""
    document = tomlkit.document()
    camera = tomlkit.table()
    _fill(camera, block)
    document["camera"] = camera
    return tomlkit.dumps(document)


def edited(text: str, block: Block) -> str:
    """Text of a configuration (TOML) with the block in it, all else as it was.

    Raises
    ------
    CalibrationError
        If it has no camera, or what would come out is not what was meant.
    """
    document = tomlkit.parse(text)
    camera = document.get("camera")
    if not isinstance(camera, Table):
        msg = "the configuration has no table [camera]; write one with its source"
        raise CalibrationError(msg)
    _fill(camera, block)
    out = tomlkit.dumps(document)
    before, after = tomllib.loads(text), tomllib.loads(out)
    ours = {"calibration", "lens", "lines", "zones", "masks"}
    rest = [
        {key: value for key, value in table["camera"].items() if key not in ours} | {"": others}
        for table in (before, after)
        for others in [{key: value for key, value in table.items() if key != "camera"}]
    ]
    if rest[0] != rest[1]:
        msg = "the configuration is written in a way that cannot be edited; paste the block instead"
        raise CalibrationError(msg)
    return out


def write(path: Path, block: Block) -> str:
    """Put the block into a file unless comments would be lost; say what was done.

    Raises
    ------
    CalibrationError
        If the file cannot be edited.
    """
    if path.suffix.lower() != ".toml":
        msg = f"{path}: only TOML can be edited; paste the block into it"
        raise CalibrationError(msg)
    text = path.read_text(encoding="utf-8")
    after = edited(text, block)
    if after == text:
        return f"{path} says so already"
    if text.count("#") != after.count("#"):
        diff = unified_diff(
            text.splitlines(keepends=True), after.splitlines(keepends=True), str(path), str(path)
        )
        return f"{path} is left as it is, as comments would be lost; the patch:\n{''.join(diff)}"
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(after, encoding="utf-8")
    beside.chmod(path.stat().st_mode & 0o777)
    os.replace(beside, path)  # noqa: PTH105  # whole, or not at all
    return f"{path} is written"


def _fill(camera: Table, block: Block) -> None:
    if block.calibration is not None:
        camera["calibration"] = _rows(block.calibration)
        if block.lens is not None:
            lens = tomlkit.inline_table()
            lens.update(block.lens)
            camera["lens"] = lens
    if block.masks is not None:
        camera["masks"] = _rows(block.masks)
    for key, tables in (("lines", block.lines), ("zones", block.zones)):
        _merge(camera, key, tables)


def _rows(rows: Sequence[Any]) -> Array:
    array = tomlkit.array()
    for row in rows:
        array.append(row)
    return array.multiline(multiline=True)


def _merge(camera: Table, key: str, tables: list[dict[str, Any]]) -> None:
    """Change the tables that have the same id, and add the others."""
    if not tables:
        return
    known = camera.get(key)
    if not isinstance(known, AoT):
        known = known or tomlkit.aot()
        camera[key] = known
    if not isinstance(known, AoT):
        msg = f"camera.{key} is a list in one line; write [[camera.{key}]] tables"
        raise CalibrationError(msg)
    by_id = {table.get("id"): table for table in known}
    for wanted in tables:
        table = by_id.get(wanted["id"])
        if table is None:
            table = tomlkit.table()
            known.append(table)
        for name, value in wanted.items():
            if table.get(name) != value:
                table[name] = value
