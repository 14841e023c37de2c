"""The operators of a model file, independent of its format."""

from ..errors import SplitDeconvError
from .graph import Node
from .recognition.detect import detect
from .registry import format_of


def nodes(data: bytes) -> list[Node]:
    """The operators of a model's main graph, in order.

    Args:
        data: bytes of a .tflite or .onnx model.

    Raises:
        SplitDeconvError: the bytes have another format, or are not a valid model.
    """
    name = detect(data)
    drawn = format_of(name).nodes(data)
    if drawn is None:
        raise SplitDeconvError(
            "cannot draw this format as a graph",
            where="the model",
            expected="a .tflite or .onnx model",
            got=name,
        )
    return drawn
