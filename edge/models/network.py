"""A model in ONNX Runtime: its file, its checksum, and one run of it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.errors import DetectorError
from edge.models.file import checksum
from edge.models.signature import DTYPES, SIZES, Signature, Tensor, read_signature

_QUIET: Final = 3
"""ONNX Runtime's level of errors: what it finds odd about a model is no news here."""
_EMPTY: Final = {"float32": 0.5, "float16": 0.5, "uint8": 114}
"""Grey of the first picture, which says nothing."""


class Network:
    """A model that was loaded and run once.

    Parameters
    ----------
    path : Path
        ONNX file.
    threads : int
        Threads that one picture may use.
    sha256 : str or None
        Checksum that the file must have.
    """

    def __init__(self, path: Path, threads: int = 1, sha256: str | None = None) -> None:
        self.sha256 = checksum(path, sha256)
        ort = _runtime()
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = _QUIET
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as fault:  # ONNX Runtime's own types share no base but this
            msg = f"not a model that ONNX Runtime can load ({fault}); give one in ONNX format"
            raise DetectorError(msg) from fault
        metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        signature = read_signature(
            _tensors(self._session.get_inputs()), _tensors(self._session.get_outputs()), metadata
        )
        self._picture = signature.picture
        self._told = {
            tensor.name: np.array([[signature.width, signature.height]], np.int64)
            for tensor in signature.inputs
            if tensor.name == SIZES
        }
        shape = (1, 3, signature.height, signature.width)
        grey = np.full(shape, _EMPTY[self._picture.dtype], self._picture.dtype)
        self.signature: Signature = signature._replace(answers=self.run(grey))

    def run(self, picture: Any) -> Mapping[str, Any]:
        """Answers by output's name, without the batch's axis.

        Parameters
        ----------
        picture : (1, 3, h, w)
            Of the size and kind that the signature names.

        Raises
        ------
        DetectorError
            If the model fails.
        """
        try:
            answers = self._session.run(None, self._told | {self._picture.name: picture})
        except Exception as fault:  # ONNX Runtime's own types share no base but this
            msg = f"the model failed: {fault}"
            raise DetectorError(msg) from fault
        names = [output.name for output in self._session.get_outputs()]
        return {
            name: answer[0] if getattr(answer, "ndim", 0) and len(answer) == 1 else answer
            for name, answer in zip(names, map(np.asarray, answers), strict=True)
        }


def _runtime() -> Any:
    """ONNX Runtime, loaded when there is a model: it takes 16 MB."""
    # What runs on a box tells nobody but its city; the library looks at this when it is loaded.
    os.environ["ORT_DISABLE_TELEMETRY"] = os.environ["ORT_TELEMETRY_DISABLED"] = "1"

    import onnxruntime  # noqa: PLC0415

    return onnxruntime


def _tensors(some: Sequence[Any]) -> list[Tensor]:
    return [Tensor(t.name, DTYPES.get(t.type, t.type), _shape(t.shape)) for t in some]


def _shape(shape: list[Any]) -> tuple[int | None, ...]:
    return tuple(side if isinstance(side, int) and side > 0 else None for side in shape)
