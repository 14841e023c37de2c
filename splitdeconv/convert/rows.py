"""Every layer of a model file that multiplies, as one row of sizes: what `splitdeconv.dlp.workload` takes.

Files are read as the converters read them, with the same checks and in the same child process, and nothing is run.
An operator that may multiply but is not described here is a refusal, so that no work is left out of a network in
silence.
"""

from ..errors import SplitDeconvError
from ..formats.registry import format_of
from .exchange import job


def layer_rows(model, size=None, *, timeout=None, memory=None):
    """The layers of a model that multiply, in the order of the file.

    Args:
        model: path or bytes of a .tflite, .onnx or .keras model.
        size: height and width of the image, for an ONNX model that leaves them open.
        timeout, memory: limits of the child process in seconds and GiB; by default grown with the file.

    Returns:
        A list of mappings, with keys of `splitdeconv.networks.table.COLUMNS`. `padding` is "EXPLICIT" where `before_h`
        to `end_w` alone say it.

    Raises:
        SplitDeconvError: no sound model, a size that is known only at run time, or an operator that is not described.
    """
    with job("layers", model, timeout, memory, options={"size": size}) as prepared:
        return prepared.run()


def read(kind, data, where, path=None, size=None):
    """As `layer_rows`, in this process, of the bytes of a model of a known `kind`; `where` names it in a refusal."""
    file_format = format_of(kind)
    if size is not None and not file_format.sized:
        raise SplitDeconvError(
            "only an ONNX model can leave its image size open",
            where=where,
            expected=f"no size for a {kind} model",
            got=f"size {size}",
        )
    return file_format.layers(data, where, path, size)
