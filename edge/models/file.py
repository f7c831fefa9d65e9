"""The file of a model, without what is needed to run it."""

import hashlib
from pathlib import Path

from edge.errors import DetectorError


def checksum(path: Path, wanted: str | None = None) -> str:
    """SHA-256 of a model's file.

    Parameters
    ----------
    path : Path
    wanted : str or None
        What it must be.

    Raises
    ------
    DetectorError
        If the file cannot be read or is not the one that is wanted; the text names key and fix.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as fault:
        msg = f"camera.detector is {str(path)!r}: {fault.strerror}; give an ONNX file, or none"
        raise DetectorError(msg) from fault
    if wanted is not None and wanted != found:
        msg = (
            f"camera.detector_sha256 is {wanted!r}: {str(path)!r} has {found};"
            " put the right file there, or correct the checksum"
        )
        raise DetectorError(msg)
    return found
