"""Add constants, tensors and operators to a subgraph of a TFLite model in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..flatbuffer.bounds import make, schema
from ..flatbuffer.check import builtin
from ..graph import ports, type_name
from ..quantization import parameters

if TYPE_CHECKING:
    from ....core.typing import ArrayLike, NumpyArray
    from ..flatbuffer.objects import ModelT, OperatorT, QuantizationParametersT, SubGraphT, TensorT

# The lowest version with the required meaning, where it is not 1, by type of the operand. Source:
# TensorFlow's rule in tensorflow/lite/tools/versioning/op_version.cc at 02087409.
_VERSIONS = {
    "CONV_2D": {"INT8": 3, "INT16": 4},
    "PAD": {"INT8": 2, "INT16": 3},
    "CONCATENATION": {"INT8": 2, "INT16": 3},
    "STRIDED_SLICE": {"INT8": 2},
    "TRANSPOSE": {"INT8": 2, "INT16": 5},
    "BATCH_TO_SPACE_ND": {"INT8": 2, "INT16": 4},
    # That rule says 2 for int8 DEPTH_TO_SPACE, but the reference resolver only knows 1; one kernel
    # serves both.
}


class Editor:
    """Edits one subgraph: operators are collected in `new` until they are placed.

    Args:
        model: a `ModelT`.
        graph: one of its subgraphs.
        prefix: prefix of the names of new tensors.
        opened: whether batch, height and width are known only at run time; by default all are
            known.
    """

    def __init__(
        self, model: ModelT, graph: SubGraphT, prefix: str, opened: Sequence[bool] = (False,) * 3
    ) -> None:
        self.model, self.graph, self.prefix, self.opened = model, graph, prefix, (*opened, False)
        self.schema = schema()
        self.new: list[OperatorT] = []
        self._assumed: dict[int, tuple[int, ...]] = {}
        self._names = {tensor.name for tensor in graph.tensors}
        self._helpers: dict[tuple[tuple[int, ...], bytes], int] = {}

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of a tensor, with assumed lengths for unknown ones."""
        return self._assumed.get(index) or tuple(ports(self.graph.tensors[index].shape))

    def assume(self, index: int, shape: Sequence[int]) -> None:
        """Assume a shape for a tensor with open lengths."""
        self._assumed[index] = tuple(shape)

    def constant(
        self,
        values: NumpyArray,
        label: str,
        kind: int,
        quantization: QuantizationParametersT | None = None,
    ) -> int:
        """A new constant tensor of type `kind` (the schema's number), optionally quantized."""
        buffer = make("Buffer", data=np.ascontiguousarray(values).reshape(-1).view(np.uint8))
        self.model.buffers.append(buffer)
        tensor = self._tensor(label, values.shape, kind, quantization)
        tensor.buffer = len(self.model.buffers) - 1
        return self._add(tensor)

    def helper(self, values: ArrayLike, label: str) -> int:
        """An int32 constant such as paddings or a shape; this editor shares equal ones."""
        numbers = np.asarray(values, "<i4")
        key = numbers.shape, numbers.tobytes()
        if key not in self._helpers:
            self._helpers[key] = self.constant(numbers, label, self.schema.TensorType.INT32)
        return self._helpers[key]

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        like: int,
        shape: Sequence[int],
        label: str,
        options: Any,
        version: int | None = None,
    ) -> int:
        """Add a builtin operator; its output has the type and quantization of the tensor `like`."""
        reference = self.graph.tensors[like]
        # Like TensorFlow's converter, write 1 for open lengths. A batch is already assumed to be 1.
        sizes = zip(shape[1:], self.opened[1:], strict=True)
        stated = [shape[0], *(1 if is_open else n for n, is_open in sizes)]
        output = self._tensor(label, stated, reference.type, parameters(reference))
        if any(self.opened):
            sizes = zip(shape, self.opened, strict=True)
            signature = [-1 if is_open else n for n, is_open in sizes]
            output.shapeSignature = np.array(signature, "<i4")
        version = version or _VERSIONS.get(name, {}).get(type_name(reference), 1)
        index = self._add(output)
        self.assume(index, shape)
        return self.place(self._code(name, version), inputs, index, options)

    def place(self, code: int, inputs: Sequence[int], output: int, options: Any = None) -> int:
        """Add an operator whose operator code is already in the model."""
        kind = type(options).__name__.removesuffix("T")
        number = getattr(self.schema.BuiltinOptions, kind) if options is not None else 0
        self.new.append(
            make(
                "Operator",
                opcodeIndex=code,
                inputs=np.array(inputs, "<i4"),
                outputs=np.array([output], "<i4"),
                builtinOptionsType=number,
                builtinOptions=options,
            )
        )
        return output

    def unpacked(self, packed: int, by: OperatorT, like: int, label: str) -> int:
        """The output of a DEQUANTIZE, like the operator `by`, of the constant `packed`."""
        reference = self.graph.tensors[like]
        output = self._tensor(label, self.shape(packed), reference.type, parameters(reference))
        return self.place(by.opcodeIndex, [packed], self._add(output), by.builtinOptions)

    def finish(self, output: int) -> list[OperatorT]:
        """Make the last operator write the tensor `output`; return the collected operators."""
        last = self.new[-1]
        assert ports(last.outputs)[0] == len(self.graph.tensors) - 1
        self.graph.tensors.pop()
        self._assumed.pop(len(self.graph.tensors), None)
        last.outputs = np.array([output], "<i4")
        return self.new

    def _tensor(
        self,
        label: str,
        shape: Sequence[int],
        kind: int,
        quantization: QuantizationParametersT | None,
    ) -> TensorT:
        return make(
            "Tensor",
            name=self._name(label),
            shape=np.array(shape, "<i4"),
            type=kind,
            quantization=quantization,
            hasRank=True,
        )

    def _add(self, tensor: TensorT) -> int:
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _name(self, label: str) -> bytes:
        """The prefix and a label, numbered if a tensor already has that name."""
        base = name = f"{self.prefix}/{label}".encode()
        number = 1
        while name in self._names:
            number += 1
            name = base + f"_{number}".encode()
        self._names.add(name)
        return name

    def _code(self, name: str, version: int) -> int:
        """Index of the operator code of a builtin in a given version, added if missing."""
        kind = getattr(self.schema.BuiltinOperator, name)
        for index, code in enumerate(self.model.operatorCodes):
            if builtin(code) == kind and code.version == version:
                return index
        code = make(
            "OperatorCode", deprecatedBuiltinCode=min(kind, 127), version=version, builtinCode=kind
        )
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1
