"""List every layer of a model file that multiplies as a row for `splitdeconv.dlp.workload`.

Files are read with the same checks and in the same kind of child process as for a conversion, but
nothing is run. An operator that may multiply but is not supported here raises an error, so that no
part of a network's work is silently ignored.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import SplitDeconvError
from ..formats.registry import format_of
from .exchange import ModelFile, job


def layer_rows(
    model: ModelFile,
    size: Sequence[int] | None = None,
    *,
    timeout: float | None = None,
    memory: float | None = None,
) -> list[dict[str, Any]]:
    """The layers of a model that multiply, in the order of the file.

    Args:
        model: path or bytes of a .tflite, .onnx, .keras or .pt2 model.
        size: height and width of the image, for an ONNX model that leaves them open.
        timeout, memory: limits of the child process in seconds and GiB; by default they grow with
            the size of the file.

    Returns:
        A list of mappings with the keys `splitdeconv.networks.table.COLUMNS`. `padding` is
        "EXPLICIT" if only `before_h` to `end_w` describe it.

    Raises:
        SplitDeconvError: the model is invalid, a size is only known at run time, or an operator is
            not supported.
    """
    with job("layers", model, timeout, memory, options={"size": size}) as prepared:
        return prepared.run()


def read(
    kind: str,
    data: bytes | Path,
    where: str,
    path: str | Path | None = None,
    size: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """Like `layer_rows`, but in this process and for a known `kind`; `where` is used in errors."""
    file_format = format_of(kind)
    if size is not None and not file_format.sized:
        raise SplitDeconvError(
            f"the image size of a {kind} model is fixed",
            where=where,
            expected="the size to be left out",
            got="x".join(map(str, size)),
            fix="omit --size (size=)",
        )
    return file_format.layers(data, where, path, size)
