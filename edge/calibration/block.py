"""What a calibration is in the configuration's own words, and how it gets into the file."""

from collections.abc import Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final, NamedTuple

from edge.calibration.coordinates import written
from edge.calibration.edit import SHAPES, Gone, edited
from edge.calibration.fit import Calibrated, Pairs
from edge.calibration.layout import entry, flow
from edge.calibration.read import CalibrationError
from edge.configuration.document import LARGEST
from edge.configuration.drawing import DrawnOn
from edge.durable_file import write_durably
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

    def table(self, gone: Gone = frozenset()) -> dict[str, Any]:
        """Keys of the camera that are to be set; empty where all is gone."""
        emptied = {key for key, _ in gone}
        return {k: v or [] for k, v in self._asdict().items() if v or k in emptied}


def block_of(
    pairs: Pairs | None,
    found: Calibrated | None,
    drawn: Sequence[Drawn],
    size: tuple[int, int],
    drawn_on: DrawnOn,
) -> Block:
    """Put into the configuration's words; pairs that do not agree are left out."""
    calibration = lens = None
    if pairs is not None and found is not None:
        used = pairs.pick(found.kept)
        calibration = [
            [*image, round(float(x), METRE_DECIMALS), round(float(y), METRE_DECIMALS)]
            for image, (x, y) in zip(written(used.image, size, drawn_on), used.ground, strict=True)
        ]
        if found.bent and found.lens is not None:
            lens = _lens(found.lens)
    shapes = [(one, written(one.points, size, drawn_on)) for one in drawn]
    masks = [points for one, points in shapes if one.kind == "mask"]
    return Block(
        calibration, lens,
        [{"id": one.id, "a": p[0], "b": p[1]} for one, p in shapes if one.kind == "line"],
        [{"id": one.id, "corners": p} for one, p in shapes if one.kind == "zone"],
        masks or None,
    )  # fmt: skip


def _lens(lens: LensSettings) -> dict[str, float]:
    return {"k1": lens.k1} if lens.k2 == 0 else {"k1": lens.k1, "k2": lens.k2}


def pasted(path: Path, block: Block, gone: Gone = frozenset()) -> str:
    """Write it as what the file is in, to be pasted into the camera's table."""
    table = block.table(gone)
    if path.suffix == ".toml":
        return _toml(table)
    rows = [row for key, value in table.items() for row in entry(key, value)]
    return "\n".join(["camera:", *("  " + row for row in rows)]) + "\n"


def _toml(table: Mapping[str, Any]) -> str:
    rows = ["[camera]"]
    for key, value in table.items():
        if key == "lens":
            rows.append(f"lens = {flow(value, equals=' = ')}")
        elif not value:
            rows.append(f"{key} = []")
        elif key in {"calibration", "masks"}:
            rows += [f"{key} = [", *(f"    {flow(row)}," for row in value), "]"]
    for key in SHAPES:
        for shape in table.get(key, ()):
            rows += ["", f"[[camera.{key}]]", f'id = "{shape["id"]}"']
            rows += [f"{name} = {flow(value)}" for name, value in shape.items() if name != "id"]
    return "\n".join(rows) + "\n"


def check_writable(path: Path) -> None:
    """See that a file is one that can be written.

    Raises
    ------
    CalibrationError
        If it is not YAML.
    """
    if path.suffix == ".toml":
        msg = f"--write: {path} is TOML, and only YAML is written; leave --write out and paste"
        raise CalibrationError(msg)


def write(path: Path, block: Block, drawn_on: DrawnOn, gone: Gone = frozenset()) -> str:
    """Put the block into a file unless comments would be lost; say what was done.

    Raises
    ------
    CalibrationError
        If the file cannot be edited.
    """
    check_writable(path)
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        msg = f"{path}: larger than {LARGEST} bytes; paste the block into it"
        raise CalibrationError(msg)
    text = content.decode()
    after = edited(text, str(path), block.table(gone), drawn_on, gone)
    if after.text == text:
        return f"{path} says so already"
    if after.loses_comments:
        old, new = text.splitlines(keepends=True), after.text.splitlines(keepends=True)
        diff = unified_diff(old, new, fromfile=str(path), tofile=str(path))
        return f"{path} is left as it is, as comments would be lost; the patch:\n{''.join(diff)}"
    write_durably(path, after.text.encode(), path.stat().st_mode & 0o777)
    return f"{path} is written"
