"""The files of a model, without what is needed to run it."""

import hashlib
from pathlib import Path

from edge.errors import DetectorError
from edge.models.weights import weights


def checksum(path: Path, wanted: str | None = None) -> str:
    """SHA-256 of a model: of its file, or of the list of its file's and then its weights' own.

    That list has a row for each, in hex; weights are in the order of their names.

    Parameters
    ----------
    path : Path
    wanted : str or None
        What it must be.

    Raises
    ------
    DetectorError
        If a file cannot be read or it is not the one that is wanted; the text names key and fix.
    """
    try:
        found, *beside = [_digest(file) for file in (path, *weights(path))]
    except OSError as fault:
        which = "" if fault.filename in (None, str(path)) else f"its weights {fault.filename!r}: "
        msg = f"camera.detector is {str(path)!r}: {which}{fault.strerror}"
        raise DetectorError(f"{msg}; give an ONNX file, or none") from fault
    if beside:
        rows = "".join(f"{digest}\n" for digest in (found, *beside))
        found = hashlib.sha256(rows.encode()).hexdigest()
    if wanted is not None and wanted != found:
        msg = (
            f"camera.detector_sha256 is {wanted!r}: {str(path)!r} has {found};"
            " put the right file there, or correct the checksum"
        )
        raise DetectorError(msg)
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
