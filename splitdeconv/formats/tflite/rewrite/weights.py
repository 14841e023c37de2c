"""The filters and biases of a rewritten transposed convolution, as constants of the model.

They are stored like those of the original: with the same type, repeated scales where phases are
stacked, and their own DEQUANTIZE where the original has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from ..flatbuffer.bounds import make
from ..graph import stored_values, type_name
from ..quantization import known_scales, parameters, zero_points

if TYPE_CHECKING:
    from ....core.typing import NumpyArray
    from ...site import Site
    from ..flatbuffer.objects import OperatorT, QuantizationParametersT
    from ..sites import Handle
    from .edit import Editor


class Weights:
    """Adds the constants of one site to its subgraph.

    Args:
        editor: an `Editor` on the subgraph.
        site: a `Site` without a problem.
        unpackers: by tensor, the DEQUANTIZE operator that reads each stored constant that has one.

    Attributes:
        kernel: the original filters, (Cout, kh, kw, Cin).
        zero: the number that represents zero in them.
        stored: their quantization parameters; None where they have none.
    """

    def __init__(self, editor: Editor, site: Site, unpackers: Mapping[int, OperatorT]) -> None:
        self._editor, self._unpackers = editor, unpackers
        handle: Handle = site.key
        self._handle, self._out_channels = handle, site.known_channels[1]
        assert handle.stored_weights is not None  # it has no problem
        self._index = handle.stored_weights
        self._tensor = editor.graph.tensors[self._index]
        self.kernel = stored_values(editor.model, self._tensor)
        self.zero = zero_points(self._tensor)[0].astype(self.kernel.dtype)
        self.stored = parameters(self._tensor)
        self._biases: dict[tuple[int, bool], int] = {}

    def filters(
        self, filters: NumpyArray, quantization: QuantizationParametersT | None, label: str
    ) -> int:
        """The filters of one convolution, as the tensor that it reads."""
        label = f"weights_{label}"
        index = self._editor.constant(filters, label, self._tensor.type, quantization)
        return self._unpacked(index, self._index, self._handle.weights, f"{label}_unpacked")

    def _unpacked(self, index: int, stored: int, like: int, label: str) -> int:
        """A new constant, followed by its own DEQUANTIZE if the original has one."""
        if stored not in self._unpackers:
            return index
        return self._editor.unpacked(index, self._unpackers[stored], like, label)

    def bias(self, phases: int, silent: bool = False) -> int:
        """The bias for this many phases, repeated or zero, plus one more zero if `silent`."""
        if (phases, silent) not in self._biases:
            self._biases[phases, silent] = self._bias(phases, silent)
        return self._biases[phases, silent]

    def _bias(self, phases: int, silent: bool) -> int:
        editor, bias, stored = self._editor, self._handle.bias, self._handle.stored_bias
        if bias is None or stored is None:
            return self._zero_bias(phases, silent)
        if phases == 1 and not silent:
            return bias
        tensor = editor.graph.tensors[stored]
        values = stored_values(editor.model, tensor)
        values = np.concatenate([np.tile(values, phases), np.zeros(int(silent), values.dtype)])
        index = editor.constant(values, "bias", tensor.type, tiled(parameters(tensor), phases))
        return self._unpacked(index, stored, bias, "bias_unpacked")

    def _zero_bias(self, phases: int, silent: bool) -> int:
        editor, types = self._editor, self._editor.schema.TensorType
        x = editor.graph.tensors[self._handle.x]
        count = phases * self._out_channels
        if type_name(x) == "FLOAT32":
            return editor.constant(np.zeros(count + silent, "<f4"), "bias", types.FLOAT32)
        wide = type_name(x) == "INT16" and self._handle.bias_type != types.INT32
        kind, dtype = (types.INT64, "<i8") if wide else (types.INT32, "<i4")
        product = known_scales(x)[0] * known_scales(self._tensor)
        product = np.tile(product, phases) if len(product) > 1 else product
        zeros = np.zeros(len(product), "<i8")
        quantization = make("QuantizationParameters", scale=product, zeroPoint=zeros)
        return editor.constant(np.zeros(count, dtype), "bias", kind, quantization)


def tiled(
    quantization: QuantizationParametersT | None, phases: int
) -> QuantizationParametersT | None:
    """Quantization parameters for stacked phases, with per-channel values repeated."""
    scale = None if quantization is None else quantization.scale
    if scale is None or phases == 1 or len(scale) < 2:
        return quantization
    repeated = copy(quantization)
    for field in ("scale", "zeroPoint", "min", "max"):
        values = getattr(quantization, field)
        if values is not None and len(values) == len(scale):
            setattr(repeated, field, np.tile(values, phases))
    return repeated
