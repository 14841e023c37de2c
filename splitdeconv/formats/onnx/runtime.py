"""An ONNX model in ONNX Runtime on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...extras import require
from ...limits import allowance
from ..port import Input, Runner, number_type, rejected
from .storage.external_data import refers

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, NodeArg

    from ..port import Arrays

_BYTES = (np.dtype(np.int8), np.dtype(np.uint8))
_LARGE = 1 << 30  # bytes in other files above which no second copy is made


def load(
    model: bytes | Path,
    path: str | None = None,
    kernels: str = "default",
    threads: int | None = None,
) -> dict[str, Runner]:
    """The model under the name "", ready to run.

    Args:
        model: bytes or the path of a file.
        path: where the bytes came from, for external data.
        kernels: one of `splitdeconv.formats.port.KERNELS`.
        threads: number of threads for the kernels; None for all processors.

    Raises:
        RejectedError: ONNX Runtime rejects the model.
    """
    ort = require("onnxruntime", "onnx")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or os.cpu_count()
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = {
        "default": levels.ORT_ENABLE_ALL,
        "reference": levels.ORT_DISABLE_ALL,
        "builtin": levels.ORT_ENABLE_BASIC,
    }[kernels]
    if threads is None and allowance.bytes_outside() > _LARGE:  # not timed: no reordered copies
        options.add_session_config_entry("session.disable_prepacking", "1")
    source, folder = _source(model, path)
    if folder is not None:
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", folder
        )
    try:
        opened = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base but this
        raise rejected(error) from None
    session = _Session(opened)
    return {"": Runner(session.inputs, session)}


def _source(model: bytes | Path, path: str | None) -> tuple[bytes | str, str | None]:
    """The argument for ONNX Runtime, and the folder where it looks for the model's other files.

    For a file that it reads itself it looks beside that file; the folder is only needed for bytes.
    """
    folder = None if path is None else os.path.dirname(os.path.abspath(path))
    if isinstance(model, Path):
        elsewhere = folder and os.path.realpath(folder) != os.path.realpath(model.parent)
        if not elsewhere or not refers(data := model.read_bytes()):
            return str(model), None
        model = data
    return model, folder


class _Session:
    """A session that is called with arrays by name."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        self.inputs = tuple(
            Input(port.name, dtype, _shape(port), dtype in _BYTES, default)
            for default, ports in (
                (False, session.get_inputs()),
                (True, session.get_overridable_initializers()),
            )
            for port, dtype in ((port, _type_of(port.type)) for port in ports)
        )

    def __call__(self, feed: Arrays) -> Arrays:
        try:
            values = self._session.run(None, feed)
        except Exception as error:  # as above
            raise rejected(error) from None
        names = [port.name for port in self._session.get_outputs()]
        return {
            name: value
            for name, value in zip(names, values, strict=True)
            if isinstance(value, np.ndarray)
        }


def _shape(port: NodeArg) -> tuple[int | None, ...]:
    return tuple(n if isinstance(n, int) else None for n in port.shape or ())


def _type_of(text: str) -> np.dtype[Any] | None:
    names = {"float": "float32", "double": "float64"}
    inner = text[7:-1] if text.startswith("tensor(") else None
    return None if inner in (None, "string") else number_type(names.get(inner, inner))
