"""A checked model as tables, and as one JSON object."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from contracts.classes import RoadUser
from edge.models.check import Checked
from edge.tables import empty_table
from edge.vision.detections import Detections


def tables(found: Checked) -> Iterator[str | Table]:
    """Yield what to print."""
    s, classes = found.signature, found.classes
    yield f"{found.path.name}: {found.head}, {found.bytes / 1e6:.1f} MB"
    if found.weights:
        yield f"weights beside it: {', '.join(file.name for file in found.weights)}"
    yield f"sha256 {found.sha256}{' of all of these files' if found.weights else ''}"
    yield f"takes pictures of {s.width}x{s.height}, {s.picture.dtype}, {found.placing}"
    if classes.assumed:
        yield "its classes are assumed to be COCO's: neither names nor answers say how many it has"
    yield class_table(found)
    yield f"unused: {', '.join(classes.unused) or 'none'}"
    yield speed_table(found)
    pss = "" if found.memory.pss is None else f", {found.memory.pss:.0f} MB of it its own (PSS)"
    yield f"memory: {found.memory.rss:.0f} MB more when it is loaded and asked{pss}"
    if found.found is not None and found.picture is not None:
        yield f"{found.picture.name}: {len(found.found.score)} road users"
        if len(found.found.score):
            yield found_table(found.found)


def class_table(found: Checked) -> Table:
    """Show which road user each class that is used becomes."""
    table = empty_table(("class", "named", "road user"), ())
    for number, user in found.classes.used.items():
        table.add_row(str(number), found.classes.names[number], user.name.lower())
    return table


def speed_table(found: Checked) -> Table:
    """Show how long a request takes."""
    table = empty_table((), ("threads", "median ms", "p95 ms", "core ms", "pictures/s"))
    for speed in found.speeds:
        table.add_row(
            str(speed.threads), f"{speed.median_ms:.1f}", f"{speed.p95_ms:.1f}",
            f"{speed.core_ms:.1f}", f"{speed.per_s:.1f}",
        )  # fmt: skip
    return table


def found_table(found: Detections) -> Table:
    """Show what was found in a picture, the surest first."""
    table = empty_table(("road user",), ("score", "left", "top", "right", "bottom"))
    for row in _found(found):
        table.add_row(row["class"], f"{row['score']:.2f}", *(f"{edge:.0f}" for edge in row["box"]))
    return table


def as_document(found: Checked) -> dict[str, Any]:
    """Give the same for programs; null is unknown."""
    s, classes = found.signature, found.classes
    return {
        "model": str(found.path),
        "weights": [str(file) for file in found.weights],
        "sha256": found.sha256,
        "bytes": found.bytes,
        "head": found.head,
        "input": {
            "width": s.width, "height": s.height, "type": s.picture.dtype, "fit": found.placing,
        },
        "classes": {
            classes.names[number]: user.name.lower() for number, user in classes.used.items()
        },
        "classes_assumed": classes.assumed,
        "unused": classes.unused,
        "speed": [speed._asdict() for speed in found.speeds],
        "memory_mb": found.memory._asdict(),
        "picture": None if found.picture is None else str(found.picture),
        "found": None if found.found is None else _found(found.found),
    }  # fmt: skip


def _found(found: Detections) -> list[dict[str, Any]]:
    rows = zip(found.kind.tolist(), found.score.tolist(), found.boxes.tolist(), strict=True)
    named = [{"class": RoadUser(k).name.lower(), "score": s, "box": b} for k, s, b in rows]
    return sorted(named, key=lambda row: -row["score"])
