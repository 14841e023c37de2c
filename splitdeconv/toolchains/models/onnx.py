"""Export Keras models of the layers of the benchmark networks to .onnx files, channels first.

Transposed convolutions are padded explicitly, as in PyTorch's exports, or replaced with the
zero-insertion baseline. `splitdeconv.convert` splits them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...convert import convert
from ...core.geometry import Axis, known, resolve
from ...core.typing import NumpyArray
from ...errors import check_choice
from ...extras import require
from .benchmark import FORMS, alone
from .expressible import check, refusal

if TYPE_CHECKING:
    import keras

_OPSET, _IR = 17, 8  # the newest opset that all supported runtimes implement as far as used here
_ACTIVATIONS = {
    "relu": "Relu",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "elu": "Elu",
    "leaky_relu": "LeakyRelu",
}
_AUTO_PADS = {"same": "SAME_UPPER", "valid": "VALID"}
_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]


def rewritten(model: "keras.Model", form: str, target: str = "generic") -> tuple[bytes, list[str]]:
    """Export a Keras model as .onnx in a given form.

    Args:
        model: a model with native transposed convolutions.
        form: one of `models.FORMS`, or "auto" for the target's choice, which may be to leave a
            layer unchanged.
        target: as for `splitdeconv.convert`.

    Returns:
        (bytes, form of each transposed convolution in the file).

    Raises:
        SplitDeconvError: the form or target is unknown, or the model cannot be exported or
            converted.
    """
    check_choice(form, ("auto", *FORMS), "form")
    data = export(model, "nzp" if form == "nzp" else "native")
    if form in ("native", "nzp"):
        return data, [form] * len(alone(model))
    done = convert(data, target=target, form=form, verify=False)
    decisions = done.report.decisions
    kept = [decision.form if decision.verdict == "convert" else None for decision in decisions]
    return done.model, [form or "native" for form in kept]


def export(
    model: "keras.Model", form: str = "native", *, batch: int = 1, dtype: str = "float32"
) -> bytes:
    """Export a Keras model as .onnx.

    Args:
        model: a channels-last float32 model that uses each layer once. Images are channels first
            in the file.
        form: "native", or "nzp" for transposed convolutions with zero insertion.
        batch: images per run.
        dtype: "float32" or "float16", the type of all weights, inputs and outputs.

    Returns:
        The bytes of the file.

    Raises:
        SplitDeconvError: onnx is missing, or the model has a layer, or a setting of one, that this
            exporter does not know.
    """
    check_choice(form, ("native", "nzp"), "form")
    check_choice(dtype, ("float32", "float16"), "element type", "dtype")
    check(model)
    return _Graph(model, form, batch, dtype).build()


class _Graph:
    """Nodes and constants, added layer by layer; tensors are named with numbers."""

    def __init__(self, model: "keras.Model", form: str, batch: int, dtype: str) -> None:
        self._model, self._form = model, form
        self._batch, self._dtype = batch, dtype
        self._onnx = require("onnx", "onnx")
        self._nodes: list[Any] = []
        self._stored: list[Any] = []
        self._names: dict[int, str] = {}

    def build(self) -> bytes:
        """The bytes of the file."""
        for x in self._model.inputs:
            self._names[id(x)] = f"x{len(self._names)}"
        ports = [self._port(self._names[id(x)], x) for x in self._model.inputs]
        for layer in self._model.layers:
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            if type(layer).__name__ != "InputLayer":
                make = getattr(self, f"_{type(layer).__name__.lower()}")
                self._names[id(layer.output)] = make(layer, *(self._names[id(x)] for x in inputs))
        sinks, helper = [], self._onnx.helper
        for i, y in enumerate(self._model.outputs):
            self._nodes.append(helper.make_node("Identity", [self._names[id(y)]], [f"y{i}"]))
            sinks.append(self._port(f"y{i}", y))
        graph = helper.make_graph(self._nodes, self._model.name, ports, sinks, self._stored)
        opsets = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString()

    def _port(self, name: str, tensor: Any) -> Any:
        shape = [self._batch, *tensor.shape[1:]]
        shape = [shape[i] for i in _TO_CHANNELS_FIRST] if len(shape) == 4 else shape
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(self._dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, shape)

    def _emit(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self._nodes)}"
        node = self._onnx.helper.make_node(kind, inputs, [name], name=name, **attributes)
        self._nodes.append(node)
        return name

    def _constant(self, values: Any, dtype: str | None = None) -> str:
        name = f"constant_{len(self._stored)}"
        array = np.ascontiguousarray(np.asarray(values, dtype or self._dtype))
        self._stored.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def _reshape(self, layer: Any, x: str) -> str:
        shape = [self._batch, *layer.output.shape[1:]]
        y = self._emit("Reshape", self._last(layer, x), self._constant(shape, "int64"))
        return self._emit("Transpose", y, perm=_TO_CHANNELS_FIRST) if len(shape) == 4 else y

    def _flatten(self, layer: Any, x: str) -> str:
        return self._emit("Flatten", self._last(layer, x))

    def _last(self, layer: Any, x: str) -> str:
        """A layer's input as Keras has it, channels last."""
        is_image = len(layer.input.shape) == 4
        return self._emit("Transpose", x, perm=_TO_CHANNELS_LAST) if is_image else x

    def _dense(self, layer: Any, x: str) -> str:
        y = self._emit("Gemm", x, self._constant(layer.kernel), *self._bias(layer))
        return self._activated(layer, y)

    def _conv2d(self, layer: Any, x: str) -> str:
        kernel = self._constant(np.transpose(layer.kernel, (3, 2, 0, 1)))
        settings = {"strides": layer.strides, "dilations": layer.dilation_rate}
        settings |= {"group": layer.groups, "auto_pad": _AUTO_PADS[layer.padding]}
        y = self._emit("Conv", x, kernel, *self._bias(layer), **settings)
        return self._activated(layer, y)

    def _conv2dtranspose(self, layer: Any, x: str) -> str:
        axes = resolve(
            layer.input.shape[1:3],
            layer.kernel_size,
            layer.strides,
            layer.padding.upper(),
            output_padding=layer.output_padding,
        )
        make = self._inserted if self._form == "nzp" else self._transposed
        return self._activated(layer, make(x, np.asarray(layer.kernel), self._bias(layer), axes))

    def _transposed(self, x: str, kernel: NumpyArray, bias: list[str], axes: Sequence[Axis]) -> str:
        # Below zero, the output is longer than the last input reaches.
        after = [known(a.n) * a.s - a.s + a.k - a.p - known(a.o) for a in axes]
        pads = [max(a.p, 0) for a in axes] + [max(spare, 0) for spare in after]
        settings = {"pads": pads, "strides": [a.s for a in axes]}
        settings["output_padding"] = [max(-spare, 0) for spare in after]
        filters = self._constant(kernel.transpose(3, 2, 0, 1))
        return self._emit("ConvTranspose", x, filters, *bias, **settings)

    def _inserted(self, x: str, kernel: NumpyArray, bias: list[str], axes: Sequence[Axis]) -> str:
        """Insert zeros with Pad and Reshape, then convolve with the mirrored filter."""
        (height, width), channels = axes, kernel.shape[3]
        n_h, n_w = (axis.n or 0 for axis in axes)  # a Keras model here has fixed sizes
        apart = self._emit(
            "Reshape", x, self._constant([self._batch, channels, n_h, 1, n_w, 1], "int64")
        )
        zeros = self._constant([0] * 9 + [height.s - 1, 0, width.s - 1], "int64")
        sizes = [n_h * height.s, n_w * width.s]
        whole = self._constant([self._batch, channels, *sizes], "int64")
        x = self._emit("Reshape", self._emit("Pad", apart, zeros), whole)
        after = [a.tail + a.p for a in axes]
        if min(after) < 0:  # zeros that no output reads
            ends = [size + min(spare, 0) for size, spare in zip(sizes, after, strict=True)]
            x = self._slice(x, [0, 0], ends)
        mirrored = self._constant(kernel[::-1, ::-1].transpose(2, 3, 0, 1))
        pads = [a.k - 1 - a.p for a in axes] + [max(spare, 0) for spare in after]
        return self._emit("Conv", x, mirrored, *bias, pads=pads)

    def _bias(self, layer: Any) -> list[str]:
        return [self._constant(layer.bias)] if layer.use_bias else []

    def _activation(self, layer: Any, x: str) -> str:
        return self._activated(layer, x)

    def _activated(self, layer: Any, x: str) -> str:
        name = layer.activation.__name__
        if name == "linear":
            return x
        if name not in _ACTIVATIONS:
            raise refusal(layer, f"the activation {name}")
        return self._emit(_ACTIVATIONS[name], x, **({"alpha": 0.2} if name == "leaky_relu" else {}))

    def _batchnormalization(self, layer: Any, x: str) -> str:
        values = (*self._affine(layer), layer.moving_mean, layer.moving_variance)
        constants = map(self._constant, values)
        return self._emit("BatchNormalization", x, *constants, epsilon=layer.epsilon)

    def _groupnormalization(self, layer: Any, x: str) -> str:
        values = map(self._constant, self._affine(layer))
        return self._emit("InstanceNormalization", x, *values, epsilon=layer.epsilon)

    def _affine(self, layer: Any) -> tuple[Any, Any]:
        """Scale and offset of a normalization, which Keras can leave out."""
        channels = layer.input.shape[-1]
        gamma = np.ones(channels) if layer.gamma is None else layer.gamma
        return gamma, np.zeros(channels) if layer.beta is None else layer.beta

    def _relu(self, layer: Any, x: str) -> str:
        return self._emit("Relu", x)

    def _leakyrelu(self, layer: Any, x: str) -> str:
        return self._emit("LeakyRelu", x, alpha=float(layer.negative_slope))

    def _elu(self, layer: Any, x: str) -> str:
        return self._emit("Elu", x, alpha=float(layer.alpha))

    def _rescaling(self, layer: Any, x: str) -> str:
        scaled = self._emit("Mul", x, self._constant(layer.scale))
        return self._emit("Add", scaled, self._constant(layer.offset))

    def _upsampling2d(self, layer: Any, x: str) -> str:
        settings = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        scales = self._constant([1, 1, *layer.size], "float32")
        return self._emit("Resize", x, "", scales, mode="nearest", **settings)

    def _maxpooling2d(self, layer: Any, x: str) -> str:
        settings = {"kernel_shape": layer.pool_size, "strides": layer.strides}
        return self._emit("MaxPool", x, auto_pad=_AUTO_PADS[layer.padding], **settings)

    def _zeropadding2d(self, layer: Any, x: str) -> str:
        (top, bottom), (left, right) = layer.padding
        return self._emit("Pad", x, self._constant([0, 0, top, left, 0, 0, bottom, right], "int64"))

    def _cropping2d(self, layer: Any, x: str) -> str:
        starts = [before for before, _ in layer.cropping]
        sizes = layer.input.shape[1:3]
        ends = [n - after for n, (_, after) in zip(sizes, layer.cropping, strict=True)]
        return self._slice(x, starts, ends)

    def _slice(self, x: str, starts: list[int], ends: list[int]) -> str:
        """The part of an image between two corners."""
        places = (self._constant(values, "int64") for values in (starts, ends, [2, 3]))
        return self._emit("Slice", x, *places)

    def _concatenate(self, layer: Any, *parts: str) -> str:
        return self._emit("Concat", *parts, axis=1)

    def _add(self, layer: Any, *parts: str) -> str:
        return self._emit("Sum", *parts)

    def _dropout(self, layer: Any, x: str) -> str:
        return x
