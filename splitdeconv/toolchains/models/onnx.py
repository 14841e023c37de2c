"""Export the benchmark networks from Keras to .onnx files, channels first, batch 1.

Transposed convolutions are padded explicitly, as in PyTorch's exports, or replaced with the
zero-insertion baseline. `splitdeconv.convert` splits them.
"""

import numpy as np

from ...convert import convert
from ...core.plan import plan
from ...errors import SplitDeconvError, check_choice
from ...extras import require
from .benchmark import FORMS, alone

_OPSET, _IR = 17, 8  # the newest opset that all supported runtimes implement as far as used here
_ACTIVATIONS = {
    "relu": "Relu",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "elu": "Elu",
    "leaky_relu": "LeakyRelu",
}
_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]


def rewritten(model, form, target="generic"):
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
    check_choice(form, ("auto", *FORMS), "form", "onnx_export.rewritten")
    data = export(model, "nzp" if form == "nzp" else "native")
    if form in ("native", "nzp"):
        return data, [form] * len(alone(model))
    done = convert(data, target=target, form=form, verify=False)
    return done.model, [
        d.form if d.verdict == "convert" else "native" for d in done.report.decisions
    ]


def export(model, form="native") -> bytes:
    """Export a Keras model as .onnx.

    Args:
        model: a channels-last model that uses each layer once. Images are channels first in the
            file.
        form: "native", or "nzp" for transposed convolutions with zero insertion.

    Returns:
        The bytes of the file.

    Raises:
        SplitDeconvError: onnx is missing, or the model has a layer that no benchmark network uses.
    """
    check_choice(form, ("native", "nzp"), "form", "onnx_export.export")
    return _Graph(model, form).build()


class _Graph:
    """Nodes and constants, added layer by layer; tensors are named with numbers."""

    def __init__(self, model, form):
        self._model, self._form = model, form
        self._onnx = require("onnx", "onnx")
        self._nodes, self._stored, self._names = [], [], {}

    def build(self):
        for x in self._model.inputs:
            self._names[id(x)] = f"x{len(self._names)}"
        ports = [self._port(self._names[id(x)], x) for x in self._model.inputs]
        for layer in self._model.layers:
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            if type(layer).__name__ != "InputLayer":
                make = getattr(self, f"_{type(layer).__name__.lower()}", None)
                if (
                    make is None
                    or getattr(layer, "data_format", "channels_last") != "channels_last"
                ):
                    raise _unknown(layer)
                self._names[id(layer.output)] = make(layer, *(self._names[id(x)] for x in inputs))
        sinks = []
        for i, y in enumerate(self._model.outputs):
            self._nodes.append(
                self._onnx.helper.make_node("Identity", [self._names[id(y)]], [f"y{i}"])
            )
            sinks.append(self._port(f"y{i}", y))
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, self._model.name, ports, sinks, self._stored)
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR
        )
        return made.SerializeToString()

    def _port(self, name, tensor):
        shape = [1, *tensor.shape[1:]]
        shape = [shape[i] for i in _TO_CHANNELS_FIRST] if len(shape) == 4 else shape
        return self._onnx.helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, shape)

    def _emit(self, kind, *inputs, **attributes):
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(
            self._onnx.helper.make_node(kind, inputs, [name], name=name, **attributes)
        )
        return name

    def _constant(self, values, dtype="float32"):
        name = f"constant_{len(self._stored)}"
        stored = self._onnx.numpy_helper.from_array(
            np.ascontiguousarray(np.asarray(values, dtype)), name
        )
        self._stored.append(stored)
        return name

    def _reshape(self, layer, x):
        shape = [1, *layer.output.shape[1:]]
        y = self._emit("Reshape", x, self._constant(shape, "int64"))
        return self._emit("Transpose", y, perm=_TO_CHANNELS_FIRST) if len(shape) == 4 else y

    def _flatten(self, layer, x):
        return self._emit("Flatten", self._emit("Transpose", x, perm=_TO_CHANNELS_LAST))

    def _dense(self, layer, x):
        return self._activated(
            layer, self._emit("Gemm", x, self._constant(layer.kernel), *self._bias(layer))
        )

    def _conv2d(self, layer, x):
        kernel = self._constant(np.transpose(layer.kernel, (3, 2, 0, 1)))
        settings = {
            "strides": layer.strides,
            "dilations": layer.dilation_rate,
            "group": layer.groups,
        }
        padding = {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]
        return self._activated(
            layer, self._emit("Conv", x, kernel, *self._bias(layer), auto_pad=padding, **settings)
        )

    def _conv2dtranspose(self, layer, x):
        size, settings = layer.input.shape[1:3], {"dilations": layer.dilation_rate}
        axes = plan(
            tuple(size), layer.kernel_size, layer.strides, layer.padding.upper(), **settings
        ).axes
        if any(a.d > 1 for a in axes):
            raise _unknown(layer)
        make = self._inserted if self._form == "nzp" else self._transposed
        return self._activated(layer, make(x, np.asarray(layer.kernel), self._bias(layer), axes))

    def _transposed(self, x, kernel, bias, axes):
        after = [(a.n - 1) * a.s + a.k - a.p - a.o for a in axes]
        pads = [max(a.p, 0) for a in axes] + [max(spare, 0) for spare in after]
        settings = {
            "strides": [a.s for a in axes],
            "output_padding": [max(-spare, 0) for spare in after],
        }
        return self._emit(
            "ConvTranspose",
            x,
            self._constant(kernel.transpose(3, 2, 0, 1)),
            *bias,
            pads=pads,
            **settings,
        )

    def _inserted(self, x, kernel, bias, axes):
        """Insert zeros with Pad and Reshape, then convolve with the mirrored filter."""
        (h, w), channels = axes, kernel.shape[3]
        apart = self._emit("Reshape", x, self._constant([1, channels, h.n, 1, w.n, 1], "int64"))
        zeros = self._constant([0] * 9 + [h.s - 1, 0, w.s - 1], "int64")
        whole = self._constant([1, channels, h.n * h.s, w.n * w.s], "int64")
        x = self._emit("Reshape", self._emit("Pad", apart, zeros), whole)
        after = [a.o + a.p - a.n * a.s for a in axes]
        if min(after) < 0:  # zeros that no output reads
            ends = [a.n * a.s + min(spare, 0) for a, spare in zip(axes, after, strict=True)]
            x = self._emit(
                "Slice", x, *(self._constant(v, "int64") for v in ([0, 0], ends, [2, 3]))
            )
        mirrored = self._constant(kernel[::-1, ::-1].transpose(2, 3, 0, 1))
        pads = [a.k - 1 - a.p for a in axes] + [max(spare, 0) for spare in after]
        return self._emit("Conv", x, mirrored, *bias, pads=pads)

    def _bias(self, layer):
        return [self._constant(layer.bias)] if layer.use_bias else []

    def _activation(self, layer, x):
        return self._activated(layer, x)

    def _activated(self, layer, x):
        name = layer.activation.__name__
        if name == "linear":
            return x
        if name not in _ACTIVATIONS:
            raise _unknown(layer)
        return self._emit(_ACTIVATIONS[name], x, **({"alpha": 0.2} if name == "leaky_relu" else {}))

    def _batchnormalization(self, layer, x):
        values = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        return self._emit(
            "BatchNormalization", x, *map(self._constant, values), epsilon=layer.epsilon
        )

    def _groupnormalization(self, layer, x):
        if layer.groups not in (-1, layer.input.shape[-1]):
            raise _unknown(layer)
        values = map(self._constant, (layer.gamma, layer.beta))
        return self._emit("InstanceNormalization", x, *values, epsilon=layer.epsilon)

    def _rescaling(self, layer, x):
        return self._emit(
            "Add", self._emit("Mul", x, self._constant(layer.scale)), self._constant(layer.offset)
        )

    def _upsampling2d(self, layer, x):
        if layer.interpolation != "nearest":
            raise _unknown(layer)
        settings = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self._emit(
            "Resize", x, "", self._constant([1, 1, *layer.size]), mode="nearest", **settings
        )

    def _maxpooling2d(self, layer, x):
        padding = {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]
        return self._emit(
            "MaxPool", x, kernel_shape=layer.pool_size, strides=layer.strides, auto_pad=padding
        )

    def _zeropadding2d(self, layer, x):
        (top, bottom), (left, right) = layer.padding
        return self._emit("Pad", x, self._constant([0, 0, top, left, 0, 0, bottom, right], "int64"))

    def _cropping2d(self, layer, x):
        starts = [before for before, _ in layer.cropping]
        ends = [
            n - after for n, (_, after) in zip(layer.input.shape[1:3], layer.cropping, strict=True)
        ]
        return self._emit(
            "Slice", x, *(self._constant(values, "int64") for values in (starts, ends, [2, 3]))
        )

    def _concatenate(self, layer, *parts):
        return self._emit("Concat", *parts, axis=1)

    def _add(self, layer, *parts):
        return self._emit("Sum", *parts)

    def _dropout(self, layer, x):
        return x


def _unknown(layer):
    return SplitDeconvError(
        "this layer cannot be exported to ONNX",
        where=layer.name,
        expected="a layer of the benchmark networks, channels last",
        got=f"{type(layer).__name__} {layer.get_config()}"[:200],
        fix="export the model with a tool of its framework and convert that file",
    )
