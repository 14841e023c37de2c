"""Custom TFLite operators whose computation is unknown; see `splitdeconv.formats.unseen`."""

from collections.abc import Iterable

#: Custom operators whose computation is known: one is a transposed convolution, which is converted,
#: and the others do not contain any.
_KNOWN_CUSTOM = (
    "Convolution2DTransposeBias",
    "MaxPoolingWithArgmax2D",
    "MaxUnpooling2D",
    "TFLite_Detection_PostProcess",
    "TransformLandmarks",
    "TransformTensorBilinear",
    "Landmarks2TransformMatrix",
)
#: Prefix of TensorFlow operators that its converter leaves in a file.
_FLEX = "Flex"


def names(customs: Iterable[str]) -> list[str]:
    """The custom operators of a file, given by name, whose computation is unknown."""
    return [name for name in customs if name not in _KNOWN_CUSTOM and not name.startswith(_FLEX)]
