"""Pairs of points from a file: CSV with a header, or TOML."""

import csv
import math
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from edge.calibration.coordinates import in_pixels, meaning, misplaced
from edge.calibration.fit import Pairs
from edge.calibration.places import metres
from edge.configuration.drawing import DrawnOn
from edge.errors import EdgeError

MOST: Final = 200
"""Pairs of a file; more: refused, each is looked at one by one."""
_EXAMPLE: Final = "u,v,x,y or u,v,lon,lat"


class CalibrationError(EdgeError):
    """What is given of a calibration cannot be used; the text names the place and the fix."""


class Marks(NamedTuple):
    """Pairs as somebody wrote them, in the coordinates of the configuration."""

    image: list[tuple[float, float]]
    place: list[tuple[float, float]]  # [m], or longitude and latitude [deg]
    geographic: bool

    def pairs(
        self, size: tuple[int, int], drawn_on: DrawnOn, origin: tuple[float, float] | None
    ) -> Pairs:
        """Pairs in a picture of this size [px].

        Raises
        ------
        CalibrationError
            If a point is none of the picture, or there is no origin (longitude and latitude) from
            which to measure.
        """
        if rows := misplaced(self.image, size, drawn_on):
            u, v = self.image[rows[0]]
            msg = f"pair {rows[0] + 1}: u, v = {u:g}, {v:g}: far beyond the picture; "
            msg += f"coordinates are {meaning(drawn_on)}"
            raise CalibrationError(msg)
        place = np.array(self.place, float).reshape(-1, 2)
        if self.geographic:
            if origin is None:
                msg = "lon, lat: metres from where? give --origin LON,LAT or --site SITE.TOML"
                raise CalibrationError(msg)
            place = metres(place, origin)
        return Pairs(in_pixels(self.image, size, drawn_on), place)


def read_marks(path: Path) -> Marks:
    """Read pairs.

    Raises
    ------
    CalibrationError
        If the file cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets begin with a mark
    except (OSError, UnicodeDecodeError) as fault:
        msg = f"{path}: cannot be read ({fault}); give a CSV or TOML file of pairs"
        raise CalibrationError(msg) from fault
    rows = _toml(path, text) if path.suffix.lower() == ".toml" else _csv(path, text)
    if not 0 < len(rows) <= MOST:
        msg = f"{path}: {len(rows)} pairs; give 4 to {MOST}"
        raise CalibrationError(msg)
    geographic = {"lon" in row for _, row in rows}
    if len(geographic) > 1:
        msg = f"{path}: some pairs are in metres, some in degrees; write all the same way"
        raise CalibrationError(msg)
    keys = ("lon", "lat") if geographic == {True} else ("x", "y")
    numbers = [[_number(path, where, row, key) for key in ("u", "v", *keys)] for where, row in rows]
    return Marks(
        [(u, v) for u, v, *_ in numbers], [(x, y) for *_, x, y in numbers], geographic == {True}
    )


def _toml(path: Path, text: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        msg = f"{path}: no TOML: {fault}"
        raise CalibrationError(msg) from fault
    rows = table.get("pairs")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        msg = f"{path}: has no pairs; write pairs = [{{ u = 1, v = 2, x = 3, y = 4 }}, ...]"
        raise CalibrationError(msg)
    return [(f"pairs.{number}", row) for number, row in enumerate(rows)]


def _csv(path: Path, text: str) -> list[tuple[str, dict[str, Any]]]:
    lines = text.splitlines()
    # a Czech spreadsheet separates by semicolons, as its decimals have commas
    delimiter = ";" if lines and ";" in lines[0] else ","
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    if reader.fieldnames is None or not {"u", "v"} <= set(reader.fieldnames):
        msg = f"{path}: its first line is no header; begin with {_EXAMPLE}"
        raise CalibrationError(msg)
    return [(f"line {reader.line_num}", dict(row)) for row in reader]


def _number(path: Path, where: str, row: dict[str, Any], key: str) -> float:
    try:
        value = float(str(row[key]).replace(",", "."))
    except (KeyError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        msg = f"{path}: {where}: {key} is {row.get(key)!r}; write a number, the columns {_EXAMPLE}"
        raise CalibrationError(msg)
    return value
