"""The parts of a TFLite model in memory, as types: the fields that this package reads or writes.

The schema's generated module, whose objects these are, has no types and is an optional package. A
list counts as present if `read` or `check` makes sure that it is.
"""

from typing import Any, Protocol

from ....core.typing import NumpyArray


class BufferT(Protocol):
    """Bytes of a constant or of metadata."""

    data: NumpyArray | None
    offset: int
    size: int


class QuantizationParametersT(Protocol):
    """Scales and zero points of a tensor."""

    scale: NumpyArray | None
    zeroPoint: NumpyArray | None
    min: NumpyArray | None
    max: NumpyArray | None
    quantizedDimension: int
    details: object | None


class TensorT(Protocol):
    """A tensor of a subgraph; `buffer` 0 means that the file has no data for it."""

    name: bytes | None
    type: int
    shape: NumpyArray | None
    shapeSignature: NumpyArray | None
    buffer: int
    isVariable: bool
    quantization: QuantizationParametersT | None
    sparsity: object | None


class OperatorT(Protocol):
    """An operator; its options have a class for each kind of operator."""

    opcodeIndex: int
    inputs: NumpyArray | None
    outputs: NumpyArray | None
    intermediates: NumpyArray | None
    builtinOptions: Any
    builtinOptions2: Any
    customOptions: NumpyArray | None
    largeCustomOptionsOffset: int
    largeCustomOptionsSize: int


class OperatorCodeT(Protocol):
    """A kind of operator that the model uses, and its version."""

    builtinCode: int
    deprecatedBuiltinCode: int
    customCode: bytes | None
    version: int


class SubGraphT(Protocol):
    """Tensors, and the operators on them in execution order."""

    tensors: list[TensorT]
    operators: list[OperatorT]
    inputs: NumpyArray | None
    outputs: NumpyArray | None


class TensorMapT(Protocol):
    """The name of an input or output in a signature."""

    name: bytes | None
    tensorIndex: int


class SignatureDefT(Protocol):
    """An entry point of the model, with names of its own."""

    subgraphIndex: int
    inputs: list[TensorMapT] | None
    outputs: list[TensorMapT] | None


class MetadataT(Protocol):
    """A named buffer for programs."""

    buffer: int


class ModelT(Protocol):
    """A whole model."""

    version: int
    operatorCodes: list[OperatorCodeT]
    subgraphs: list[SubGraphT]
    buffers: list[BufferT]
    metadata: list[MetadataT] | None
    metadataBuffer: NumpyArray | None
    signatureDefs: list[SignatureDefT] | None

    def Pack(self, builder: Any) -> int:
        """Write the model with a builder; return its offset there."""
        ...
