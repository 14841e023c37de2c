"""ONNX operators computed from their definition, where the runtime has no kernel for their type.

ONNX Runtime's CPU provider has no ConvTranspose for float64 or bfloat16. An operator that is cut
out of its model is then run by ONNX's reference evaluator, in NumPy, with the transposed
convolution as `splitdeconv.core.definition` defines it. Narrow floats are first widened to float32,
which changes no value, so that both models compute the same numbers in an arithmetic that NumPy
supports. Whole models are run this way in double precision where single precision proves nothing;
see `splitdeconv.convert.verify.apart.double`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, SupportsInt

import numpy as np

from ...core.definition import conv_transpose
from ...core.plan import SplitPlan
from ...extras import require
from ..port import Input, rejected
from .graph import scopes
from .shapes.geometry import from_onnx
from .shapes.types import declared
from .tensors import array, inlined, is_external, tensors_of

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto
    from onnx.reference.op_run import OpRun

    from ...core.typing import NumpyArray
    from ..port import Arrays

_FLOAT, _HALF, _DOUBLE, _BFLOAT = 1, 10, 11, 16
_NARROWER = {_FLOAT: (_HALF, _BFLOAT), _DOUBLE: (_FLOAT, _HALF, _BFLOAT)}


class Defined:
    """An ONNX model, ready to be computed from its definition.

    Args:
        data: its bytes.
        path: where they came from, for external data.
        double: whether to compute in double precision.

    Raises:
        RejectedError: the evaluator does not support one of its operators.
    """

    def __init__(self, data: bytes, path: str | None = None, double: bool = False) -> None:
        onnx = require("onnx", "onnx")
        model = onnx.load_model_from_string(data)
        folder = None if path is None else os.path.dirname(os.path.abspath(path))
        _widen(model, folder, _DOUBLE if double else _FLOAT)
        try:
            evaluator = require("onnx.reference", "onnx").ReferenceEvaluator
            self._run = evaluator(model, new_ops=[_transposed(), _dequantize(), _loop()])
        except Exception as error:  # the evaluator's errors have no common base class
            raise rejected(error) from None
        stored = {tensor.name for tensor in model.graph.initializer}
        self.inputs = tuple(_port(value) for value in model.graph.input if value.name not in stored)
        self._outputs = [value.name for value in model.graph.output]

    def __call__(self, feed: Arrays) -> Arrays:
        """The outputs for the inputs `feed`, by name.

        Raises:
            RejectedError: the model does not accept them.
        """
        try:
            return dict(zip(self._outputs, self._run.run(None, feed), strict=True))
        except Exception as error:  # as above
            raise rejected(error) from None


def _port(value: ValueInfoProto) -> Input:
    """A declared input."""
    kind = value.type.tensor_type
    lengths = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    try:
        dtype = require("onnx", "onnx").helper.tensor_dtype_to_np_dtype(kind.elem_type)
    except KeyError:  # not an ONNX type
        dtype = None
    return Input(value.name, dtype if dtype is not None and dtype.kind in "fiub" else None, lengths)


@cache
def _transposed() -> type[OpRun]:
    """ConvTranspose for the reference evaluator, whose own is slow and does not support groups."""
    base: Any = require("onnx.reference.op_run", "onnx").OpRun

    class ConvTranspose(base):
        def _run(
            self, X: NumpyArray, W: NumpyArray, B: NumpyArray | None = None, **attributes: Any
        ) -> tuple[NumpyArray]:
            given = {name: value for name, value in attributes.items() if value is not None}
            groups = given.pop("group", 1)
            given.setdefault("kernel_shape", W.shape[2:])
            plain: dict[str, Any] = {name: _plain(value) for name, value in given.items()}
            axes = from_onnx(X.shape[2:], **plain)
            spatial = tuple(range(2, X.ndim))
            # Filters (in, out per group, ...) to (..., out per group, in).
            filters = W.transpose(*spatial, 1, 0)
            y = conv_transpose(
                X.transpose(0, *spatial, 1), filters, SplitPlan(axes, groups, "native")
            )
            y = np.moveaxis(y, -1, 1)
            return (y if B is None else y + B.reshape(-1, *(1,) * len(spatial)),)

    return ConvTranspose


@cache
def _dequantize() -> type[OpRun]:
    """DequantizeLinear of all versions; the reference evaluator only has versions from 19 on."""
    base: Any = require("onnx.reference.op_run", "onnx").OpRun

    class DequantizeLinear(base):
        def _run(
            self,
            x: NumpyArray,
            scale: NumpyArray,
            zero: NumpyArray | None = None,
            axis: int = 1,
            block_size: int = 0,
            output_dtype: int | None = None,
        ) -> tuple[NumpyArray]:
            steps = x.astype(np.float64)
            if zero is not None:
                steps = steps - _spread(zero, x.shape, axis, block_size).astype(np.float64)
            return ((steps * _spread(scale, x.shape, axis, block_size)).astype(scale.dtype),)

    return DequantizeLinear


@cache
def _loop() -> type[OpRun]:
    """Loop for the reference evaluator, whose own never runs without an initial condition."""
    base: Any = require("onnx.reference.ops.op_loop", "onnx").Loop

    class Loop(base):
        def _run(
            self, M: NumpyArray, cond: NumpyArray | None, *states: Any, **more: Any
        ) -> tuple[Any, ...]:
            return super()._run(M, np.True_ if cond is None else cond, *states, **more)

    return Loop


def _spread(values: NumpyArray, shape: Sequence[int], axis: int, block: int) -> NumpyArray:
    """Parameters per array, per slice along an axis or per block, shaped for broadcasting."""
    if values.ndim == 0 or values.shape == (1,):
        return values.reshape(())
    if block:
        return np.repeat(values, block, axis).take(range(shape[axis]), axis)
    return values.reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))])


def _plain(value: str | int | Iterable[SupportsInt]) -> str | int | tuple[int, ...]:
    """An attribute as Python numbers."""
    return value if isinstance(value, str | int) else tuple(int(n) for n in value)


def _widen(model: ModelProto, folder: str | None, wide: int) -> None:
    """Load external tensors into a model, and change all narrower floats to the type `wide`."""
    onnx = require("onnx", "onnx")
    narrow, dtype = _NARROWER[wide], onnx.helper.tensor_dtype_to_np_dtype(wide)
    for scope in scopes(model):
        for tensor in tensors_of(scope.graph):
            if is_external(tensor):
                tensor.CopyFrom(inlined(tensor, folder))
            if tensor.data_type in narrow:
                values = array(tensor, folder).astype(dtype)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        for value in declared(scope.graph):
            if value.type.tensor_type.elem_type in narrow:
                value.type.tensor_type.elem_type = wide
        for node in scope.graph.node:
            for attribute in node.attribute:
                if node.op_type == "Cast" and attribute.name == "to" and attribute.i in narrow:
                    attribute.i = wide
