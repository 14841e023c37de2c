"""What of a model nobody can see into: operators and layers whose computation the file does not state.

A transposed convolution in one of them is not found. A report that says that a model holds none has to name them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from .onnx.graph import DEFAULT_DOMAINS, scopes

_SAYS = "what these compute cannot be seen, so a transposed convolution in them stays as it is"
#: Custom operators of TFLite whose computation is known: one is a transposed convolution, which is
#: converted, and none of the others is.
_KNOWN_CUSTOM = (
    "Convolution2DTransposeBias",
    "MaxPoolingWithArgmax2D",
    "MaxUnpooling2D",
    "TFLite_Detection_PostProcess",
    "TransformLandmarks",
    "TransformTensorBilinear",
    "Landmarks2TransformMatrix",
)
#: Operators of TensorFlow itself, which its converter leaves in a file under their names.
_FLEX = "Flex"
#: Domains of ONNX whose operators are documented.
_KNOWN_DOMAINS = (*DEFAULT_DOMAINS, "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training")
#: Domains of ONNX Runtime.
MICROSOFT = ("com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc")
_OPAQUE = ("EPContext", "PythonOp", "TorchScript")
#: Layers of Keras that call what a user gave them.
_CALLERS = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")


def note(names: Sequence[str]) -> tuple[str, ...]:
    """What a report says of these; nothing if there are none."""
    if not names:
        return ()
    counts = Counter(names)
    shown = ", ".join(f"{name} ({n})" if n > 1 else name for name, n in list(counts.items())[:8])
    more = f" and {len(counts) - 8} others" if len(counts) > 8 else ""
    advice = ""
    if "edgetpu-custom-op" in counts:
        advice = "; edgetpu-custom-op is a compiled program: convert the .tflite file that it was compiled from"
    return (f"{_SAYS}: {shown}{more}{advice}",)


def is_note(text: str) -> bool:
    """Whether this is a note that `note` makes."""
    return text.startswith(_SAYS)


def in_tflite(customs: Iterable[str]) -> list[str]:
    """Those of a file's custom operators, given by name, that nobody can see into."""
    return [name for name in customs if name not in _KNOWN_CUSTOM and not name.startswith(_FLEX)]


def in_onnx(model) -> list[str]:
    """The operators of an ONNX model, with their domains, that neither a standard nor the model itself defines."""
    own = {(function.domain, function.name) for function in model.functions}
    used = (node for scope in scopes(model) for node in scope.graph.node)
    return [f"{n.domain}.{n.op_type}" for n in used if (n.domain, n.op_type) not in own and not _is_known(n)]


def _is_known(node):
    documented = node.domain in MICROSOFT and node.op_type not in _OPAQUE
    return documented or node.domain in _KNOWN_DOMAINS


def in_keras(operations: Iterable[object], known: tuple[str, ...]) -> list[str]:
    """The layers and operations of a Keras model that compute by code of a user's.

    Args:
        operations: the layers, models and operations.
        known: how the names of modules begin whose code is known.
    """
    return [f"{type(one).__name__} {one.name!r}" for one in operations if _computes_by_own_code(type(one), known)]


def _computes_by_own_code(cls, known):
    if cls.__module__.startswith(known):
        return cls.__name__ in _CALLERS
    # A class may add to one of Keras' without touching what it computes. Keras' own rest on TensorFlow's.
    others = (one for one in cls.__mro__ if not one.__module__.startswith((*known, "tensorflow.", "builtins")))
    return any({"call", "__call__"} & set(vars(one)) for one in others)
