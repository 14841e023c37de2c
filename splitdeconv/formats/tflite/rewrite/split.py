"""Rewrite one TFLite transposed convolution as the convolutions and the interleave of a plan.

It uses PAD, CONV_2D and the operators of the interleave, and STRIDED_SLICE where a window does not
cover the input or the result is cropped. In quantized models the accumulators keep their values:
every phase has the scales of its output channels, bias and scales are repeated where phases are
stacked, PAD uses the zero point of the input, and intermediate results have the scale and zero
point of the output. `tflite_hybrid` describes what models with int8 filters and float32 activations
need.
"""

from copy import copy

import numpy as np

from ....core.apply import split_filters
from ....core.plan import SplitPlan
from .. import hybrid
from ..flatbuffer.bounds import make
from ..graph import constant, type_name
from ..quantization import parameters, scales, zero_points
from .join import join
from .move import Mover


def split_site(editor, site, form, interleave, unpackers) -> list:
    """The operators that compute the output of a site according to a plan.

    Args:
        editor: an `Editor` on the site's subgraph, to which the constants are added.
        site: a `Site` without a problem.
        form: "split", "rows", "stacked"; or "nzp", the baseline, which has no interleave.
        interleave: "concat", "depth_to_space", "batch_to_space" or "transpose".
        unpackers: by tensor, the DEQUANTIZE operator that reads each stored constant that has one.

    Returns:
        Operators in order; the last one writes the output tensor of the site.
    """
    kind = _ZeroInsertion if form == "nzp" else _Rewrite
    return kind(editor, site, form, unpackers).run(interleave)


class _Rewrite:
    """The rewriting of one site; methods that compute return the index of a tensor."""

    def __init__(self, editor, site, form, unpackers):
        self.editor, self.site, self.handle, self.unpackers = editor, site, site.key, unpackers
        self.plan = SplitPlan(site.axes, 1, form)
        self.mover = Mover(editor)
        x = (site.batch or 1, *map(_length, site.axes), site.in_channels)
        editor.assume(self.handle.x, x)
        self.batch = x[0]
        sizes = zip(x[1:3], self.plan.insertion, self.plan.axis_plans, strict=True)
        self.blocks = tuple(n * spread + split.surplus for n, spread, split in sizes)
        tensor = editor.graph.tensors[self.handle.stored_weights]
        self.kernel = constant(editor.model, tensor)
        self.zero = zero_points(tensor)[0].astype(self.kernel.dtype)
        self.fed, self.empties, self.biases = {}, {}, {}
        self.hybrid = site.dtype == hybrid.DTYPE

    def run(self, interleave):
        outputs = [
            self.convolution(c, w)
            for c, w in zip(self.plan.convolutions, self.filters(), strict=True)
        ]
        join(self.mover, self.plan, outputs, interleave)
        return self.editor.finish(self.handle.output)

    # Convolutions

    def filters(self):
        """The filters of each convolution, (channels, kh, kw, Cin); None for an empty phase.

        Added taps must represent zero: weights with a zero point are shifted by it, modulo 256, and
        back.
        """
        planes = self.kernel - self.zero if self.zero else self.kernel
        for part in split_filters(self.plan, np.transpose(planes, (1, 2, 0, 3))):
            if part is not None:
                part = np.transpose(part, (3, 0, 1, 2))
            yield part + self.zero if part is not None and self.zero else part

    def convolution(self, convolution, filters):
        """One of the plan's convolutions, including bias and activation."""
        phases = len(convolution.phases)
        if filters is None:
            return self.empty(phases)
        label = "_".join(str(p) for p in convolution.phases[0])
        return self.windowed(
            self.feed, convolution.pads, filters, phases, convolution.dilations, label
        )

    def windowed(self, feed, pads, filters, phases, dilations, label):
        """A convolution of `feed(pads)`; its result is cropped if the input must not be."""
        if self.hybrid:
            filters, pads = hybrid.widened(filters, pads)
        padding = implied(filters.shape[1:3], dilations, pads)
        if not self.hybrid or padding:
            return self.conv(
                feed(((0, 0),) * 2 if padding else pads),
                filters,
                phases,
                padding or "VALID",
                dilations,
                label,
            )
        cuts = [(max(-before, 0), max(-after, 0)) for before, after in pads]
        y = self.conv(
            feed(_positive(pads)), filters, phases, "VALID", dilations, label, tuple(map(sum, cuts))
        )
        n, *sizes, channels = self.editor.shape(y)
        kept = [(before, size - after) for (before, after), size in zip(cuts, sizes, strict=True)]
        return self.mover.slice(y, ((0, n), *kept, (0, channels)), f"phase_{label}_cut")

    def empty(self, phases):
        """Phases without taps: bias, activation and rounding as in the kernel, from a zero filter.

        It reads one input channel, and one result serves all such phases. (Zero times infinity is
        not the bias: as with any zero tap, the input is assumed to be finite.)
        """
        if phases not in self.empties:
            surplus = tuple((0, split.surplus) for split in self.plan.axis_plans)
            x = self.feed(surplus, channels=(0, 1))
            zeros = np.full((phases * self.site.out_channels, 1, 1, 1), self.zero)
            self.empties[phases] = self.conv(x, zeros, phases, "VALID", (1, 1), "empty")
        return self.empties[phases]

    def conv(self, x, filters, phases, padding, dilations, label, longer=(0, 0)):
        """CONV_2D with weights stored like the original's; the result may exceed the blocks."""
        editor, schema = self.editor, self.editor.schema
        stored = parameters(editor.graph.tensors[self.handle.stored_weights])
        silent = self.hybrid and hybrid.needs_channel(stored, phases, filters)
        found = hybrid.with_scale(stored, phases, filters) if silent else _tiled(stored, phases)
        filters = hybrid.with_channel(filters) if silent else filters
        weights = self.weights(filters, found, label)
        options = make(
            "Conv2DOptions",
            padding=getattr(schema.Padding, padding),
            strideW=1,
            strideH=1,
            dilationHFactor=dilations[0],
            dilationWFactor=dilations[1],
            fusedActivationFunction=self.handle.activation,
        )
        sizes = (n + more for n, more in zip(self.blocks, longer, strict=True))
        shape = (self.batch, *sizes, len(filters))
        inputs, version = [x, weights, self.bias(phases, silent)], None
        if self.site.dtype == "int16x8" and self.handle.bias_type == schema.TensorType.INT32:
            # From version 8 on, the bias of an int16 convolution is int64 unless the options
            # differ.
            options.quantizedBiasType, version = self.handle.bias_type, 8
        if self.hybrid:
            version = 5 if len(found.scale) > 1 else 2
        y = editor.operator(
            "CONV_2D", inputs, self.handle.output, shape, f"phase_{label}", options, version
        )
        kept = (*((0, n) for n in shape[:3]), (0, len(filters) - silent))
        return self.mover.slice(y, kept, f"phase_{label}_heard")

    def weights(self, filters, quantization, label):
        stored = self.editor.graph.tensors[self.handle.stored_weights]
        index = self.editor.constant(filters, f"weights_{label}", stored.type, quantization)
        return self.unpacked(
            index, self.handle.stored_weights, self.handle.weights, f"weights_{label}_unpacked"
        )

    def unpacked(self, index, stored, like, label):
        """A new constant, followed by its own DEQUANTIZE if the original has one."""
        if stored not in self.unpackers:
            return index
        return self.editor.unpacked(index, self.unpackers[stored], like, label)

    def bias(self, phases, silent=False):
        """The bias for this many phases, repeated or zero, plus one more zero if `silent`."""
        if (phases, silent) not in self.biases:
            self.biases[phases, silent] = self._bias(phases, silent)
        return self.biases[phases, silent]

    def _bias(self, phases, silent):
        editor, handle = self.editor, self.handle
        if handle.bias is None:
            return self._zero_bias(phases, silent)
        if phases == 1 and not silent:
            return handle.bias
        tensor = editor.graph.tensors[handle.stored_bias]
        values = constant(editor.model, tensor)
        values = np.concatenate([np.tile(values, phases), np.zeros(int(silent), values.dtype)])
        index = editor.constant(values, "bias", tensor.type, _tiled(parameters(tensor), phases))
        return self.unpacked(index, handle.stored_bias, handle.bias, "bias_unpacked")

    def _zero_bias(self, phases, silent):
        editor, schema = self.editor, self.editor.schema
        x, weights = (editor.graph.tensors[i] for i in (self.handle.x, self.handle.stored_weights))
        count = phases * self.site.out_channels
        if type_name(x) == "FLOAT32":
            return editor.constant(
                np.zeros(count + silent, "<f4"), "bias", schema.TensorType.FLOAT32
            )
        wide = type_name(x) == "INT16" and self.handle.bias_type != schema.TensorType.INT32
        kind = schema.TensorType.INT64 if wide else schema.TensorType.INT32
        product = scales(x)[0] * scales(weights)
        product = np.tile(product, phases) if len(product) > 1 else product
        quantization = make(
            "QuantizationParameters", scale=product, zeroPoint=np.zeros(len(product), "<i8")
        )
        return editor.constant(
            np.zeros(count, "<i8" if wide else "<i4"), "bias", kind, quantization
        )

    # Inputs of the convolutions

    def feed(self, pads, channels=None):
        """The input, or a range of its channels, with zeros added; negative pads crop it."""
        key = pads, channels
        if key not in self.fed:
            batch, *_, depth = self.editor.shape(self.handle.x)
            x = self.cut(self.handle.x, pads, (0, batch), channels or (0, depth))
            self.fed[key] = self.mover.pad(x, _positive(pads), "padded")
        return self.fed[key]

    def cut(self, x, pads, batch, channels):
        """The part of a tensor that remains if pads are negative."""
        sizes = self.editor.shape(x)[1:3]
        kept = [(max(-b, 0), n + min(a, 0)) for (b, a), n in zip(pads, sizes, strict=True)]
        return self.mover.slice(x, (batch, *kept, channels), "cut")


class _ZeroInsertion(_Rewrite):
    """The baseline: the whole kernel on an input with stride - 1 zeros after each row and pixel."""

    def run(self, _):
        (convolution,), (filters,) = self.plan.convolutions, self.filters()
        self.windowed(
            self.fed_among_zeros, convolution.pads, filters, 1, convolution.dilations, "whole"
        )
        return self.editor.finish(self.handle.output)

    def fed_among_zeros(self, pads):
        x = self.inserted()
        batch, *_, channels = self.editor.shape(x)
        x = self.cut(x, pads, (0, batch), (0, channels))
        return self.mover.pad(x, _positive(pads), "padded")

    def inserted(self):
        (rows, columns), channels = (axis.n for axis in self.site.axes), self.site.in_channels
        x, (down, right), reshape, pad = (
            self.handle.x,
            self.plan.insertion,
            self.mover.reshape,
            self.mover.pad,
        )
        if down > 1:
            x = reshape(x, (self.batch, rows, 1, columns * channels), "rows_apart")
            x = pad(x, [(0, 0), (0, down - 1)], "rows_of_zeros")
            x = reshape(x, (self.batch, rows * down, columns, channels), "rows_inserted")
        if right > 1:
            x = reshape(x, (self.batch * rows * down, columns, 1, channels), "columns_apart")
            x = pad(x, [(0, 0), (0, right - 1)], "columns_of_zeros")
            x = reshape(x, (self.batch, rows * down, columns * right, channels), "columns_inserted")
        return x


def _length(axis):
    """The length of an axis; if it is open, one at which no tensor of the rewrite is empty."""
    return axis.n or axis.k_e + abs(axis.p) + abs(axis.tail) + 1


def _positive(pads):
    return tuple((max(before, 0), max(after, 0)) for before, after in pads)


def implied(kernel, dilations, pads):
    """The padding mode of CONV_2D that gives the required pads: "VALID", "SAME" or None.

    Args:
        kernel, dilations: of the convolution, per axis.
        pads: (before, after) per axis; a negative number crops.
    """
    spans = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    if not any(map(any, pads)):
        return "VALID"
    # SAME at stride 1 pads by the span, with the smaller half at the start.
    halves = tuple((span // 2, span - span // 2) for span in spans)
    return "SAME" if pads == halves else None


def _tiled(quantization, phases):
    """Quantization parameters for stacked phases, with per-channel values repeated."""
    if (
        quantization is None
        or phases == 1
        or quantization.scale is None
        or len(quantization.scale) < 2
    ):
        return quantization
    tiled, count = copy(quantization), len(quantization.scale)
    for field in ("scale", "zeroPoint", "min", "max"):
        values = getattr(quantization, field)
        if values is not None and len(values) == count:
            setattr(tiled, field, np.tile(values, phases))
    return tiled
