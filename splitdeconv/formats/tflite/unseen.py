"""Custom operators of a .tflite file whose computation nobody can see; see `splitdeconv.formats.unseen`."""

from collections.abc import Iterable

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


def names(customs: Iterable[str]) -> list[str]:
    """Those of a file's custom operators, given by name, that nobody can see into."""
    return [name for name in customs if name not in _KNOWN_CUSTOM and not name.startswith(_FLEX)]
