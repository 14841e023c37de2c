"""One TFLite transposed convolution rewritten: a plan's convolutions and interleave as operators of the file.

Everything is PAD, CONV_2D, CONCATENATION and RESHAPE, with STRIDED_SLICE where a window falls short of the input or the
result is cropped. In quantized models the accumulators stay the same numbers: every phase keeps the scales of its
output channels, bias and scales are tiled where phases are stacked, PAD pads with the input's zero point, and what lies
between has the scale and zero point of the output.
"""

from copy import copy

import numpy as np

from ..apply import split_filters
from ..plan import SplitPlan
from .tflite_bounds import make
from .tflite_graph import constant, type_name
from .tflite_quantization import parameters, scales, zero_points


def split_site(editor, site, form, interleave, unpackers) -> list:
    """The operators that compute a site's output by a plan.

    Args:
        editor: an `Editor` on the site's subgraph; it receives the constants.
        site: a `Site` without a problem.
        form: "split", "rows", "stacked"; or "nzp", the baseline, which has nothing to interleave.
        interleave: "concat", "depth_to_space" or "transpose".
        unpackers: the DEQUANTIZE operator behind each stored constant that has one, by tensor.

    Returns:
        Operators, in order; the last writes the site's output tensor.
    """
    kind = _ZeroInsertion if form == "nzp" else _Rewrite
    return kind(editor, site, form, unpackers).run(interleave)


class _Rewrite:
    """The rewriting of one site; methods that compute return the index of a tensor."""

    def __init__(self, editor, site, form, unpackers):
        self.editor, self.site, self.handle, self.unpackers = editor, site, site.key, unpackers
        self.plan = SplitPlan(site.axes, 1, form)
        self.batch = site.batch or 1
        self.blocks = tuple(split.axis.n + split.surplus for split in self.plan.axis_plans)
        tensor = editor.graph.tensors[self.handle.stored_weights]
        self.kernel = constant(editor.model, tensor)
        self.zero = zero_points(tensor)[0].astype(self.kernel.dtype)
        self.fed, self.empties, self.biases = {}, {}, {}

    def run(self, interleave):
        outputs = [self.convolution(c, w) for c, w in zip(self.plan.convolutions, self.filters(), strict=True)]
        join = self.join_by_concat if interleave == "concat" else self.join_by_transpose
        self.crop(join(outputs, interleave))
        return self.editor.finish(self.handle.output)

    # Convolutions

    def filters(self):
        """Each convolution's filters (channels, kh, kw, Cin); None for an empty phase.

        Taps that are zero must read as zero: weights with a zero point are shifted by it, modulo 256, and back.
        """
        planes = self.kernel - self.zero if self.zero else self.kernel
        for part in split_filters(self.plan, np.transpose(planes, (1, 2, 0, 3))):
            if part is not None:
                part = np.transpose(part, (3, 0, 1, 2))
            yield part + self.zero if part is not None and self.zero else part

    def convolution(self, convolution, filters):
        """One of the plan's convolutions, bias and activation included."""
        phases = len(convolution.phases)
        if filters is None:
            return self.empty(phases)
        padding = _implied(convolution)
        x = self.handle.x if padding else self.feed(convolution.pads)
        label = "_".join(str(p) for p in convolution.phases[0])
        return self.conv(x, filters, phases, padding or "VALID", convolution.dilations, label)

    def empty(self, phases):
        """Phases that no tap reaches: bias, activation and rounding as the kernel has them, by a filter of zeros.

        One input channel serves it, and one result all such phases. (Zero times infinity is no bias: like every zero
        tap, this takes the input to be finite.)
        """
        if phases not in self.empties:
            surplus = tuple((0, split.surplus) for split in self.plan.axis_plans)
            x = self.feed(surplus, channels=None if self.site.in_channels == 1 else (0, 1))
            zeros = np.full((phases * self.site.out_channels, 1, 1, 1), self.zero)
            self.empties[phases] = self.conv(x, zeros, phases, "VALID", (1, 1), "empty")
        return self.empties[phases]

    def conv(self, x, filters, phases, padding, dilations, label):
        """CONV_2D, with the weights stored as the original's are."""
        editor, schema = self.editor, self.editor.schema
        weights = self.weights(filters, phases, label)
        options = make(
            "Conv2DOptions",
            padding=getattr(schema.Padding, padding),
            strideW=1,
            strideH=1,
            dilationHFactor=dilations[0],
            dilationWFactor=dilations[1],
            fusedActivationFunction=self.handle.activation,
        )
        shape = (self.batch, *self.blocks, len(filters))
        inputs, version = [x, weights, self.bias(phases)], None
        if self.site.dtype == "int16x8" and self.handle.bias_type == schema.TensorType.INT32:
            # An int16 convolution's bias is int64 unless the options say so, from version 8 on.
            options.quantizedBiasType, version = self.handle.bias_type, 8
        return editor.operator("CONV_2D", inputs, self.handle.output, shape, f"phase_{label}", options, version)

    def weights(self, filters, phases, label):
        stored = self.editor.graph.tensors[self.handle.stored_weights]
        quantization = _tiled(parameters(stored), phases)
        index = self.editor.constant(filters, f"weights_{label}", stored.type, quantization)
        return self.unpacked(index, self.handle.stored_weights, self.handle.weights, f"weights_{label}_unpacked")

    def unpacked(self, index, stored, like, label):
        """A new constant behind a DEQUANTIZE of its own, where the original's is."""
        if stored not in self.unpackers:
            return index
        return self.editor.unpacked(index, self.unpackers[stored], like, label)

    def bias(self, phases):
        """The bias for so many phases: the original's own, tiled, or zeros, which some kernels insist on."""
        if phases not in self.biases:
            self.biases[phases] = self._bias(phases)
        return self.biases[phases]

    def _bias(self, phases):
        editor, handle = self.editor, self.handle
        if handle.bias is None:
            return self._zero_bias(phases)
        if phases == 1:
            return handle.bias
        tensor = editor.graph.tensors[handle.stored_bias]
        values = np.tile(constant(editor.model, tensor), phases)
        index = editor.constant(values, "bias", tensor.type, _tiled(parameters(tensor), phases))
        return self.unpacked(index, handle.stored_bias, handle.bias, "bias_unpacked")

    def _zero_bias(self, phases):
        editor, schema = self.editor, self.editor.schema
        x, weights = (editor.graph.tensors[i] for i in (self.handle.x, self.handle.stored_weights))
        count = phases * self.site.out_channels
        if type_name(x) == "FLOAT32":
            return editor.constant(np.zeros(count, "<f4"), "bias", schema.TensorType.FLOAT32)
        wide = type_name(x) == "INT16" and self.handle.bias_type != schema.TensorType.INT32
        kind = schema.TensorType.INT64 if wide else schema.TensorType.INT32
        product = scales(x)[0] * scales(weights)
        product = np.tile(product, phases) if len(product) > 1 else product
        quantization = make("QuantizationParameters", scale=product, zeroPoint=np.zeros(len(product), "<i8"))
        return editor.constant(np.zeros(count, "<i8" if wide else "<i4"), "bias", kind, quantization)

    # What a convolution reads

    def feed(self, pads, channels=None):
        """The input with so many zeros before and after it, a negative number cuts; of some channels only."""
        key = pads, channels
        if key not in self.fed:
            cut = [(max(-b, 0), axis.n + min(a, 0)) for (b, a), axis in zip(pads, self.site.axes, strict=True)]
            ranges = [None if r == (0, axis.n) else r for r, axis in zip(cut, self.site.axes, strict=True)]
            x = self.slice(self.handle.x, (None, *ranges, channels), "cut")
            self.fed[key] = self.pad(x, [(max(b, 0), max(a, 0)) for b, a in pads], "padded")
        return self.fed[key]

    def pad(self, x, pads, label):
        if not any(map(any, pads)):
            return x
        n, h, w, c = self.editor.shape(x)
        shape = (n, h + sum(pads[0]), w + sum(pads[1]), c)
        paddings = self.editor.helper([(0, 0), *pads, (0, 0)], "paddings")
        return self.editor.operator("PAD", [x, paddings], x, shape, label, make("PadOptions"))

    def slice(self, x, ranges, label):
        """A part of x: (begin, end) per dimension, None for all of it."""
        if not any(ranges):
            return x
        editor = self.editor
        whole = sum(1 << i for i, r in enumerate(ranges) if r is None)
        begin, end = ([0 if r is None else r[i] for r in ranges] for i in (0, 1))
        shape = tuple(n if r is None else r[1] - r[0] for n, r in zip(editor.shape(x), ranges, strict=True))
        inputs = [x, editor.helper(begin, "begin"), editor.helper(end, "end"), editor.helper([1] * 4, "ones")]
        options = make("StridedSliceOptions", beginMask=whole, endMask=whole)
        return editor.operator("STRIDED_SLICE", inputs, x, shape, label, options)

    # The interleave

    def join_by_concat(self, outputs, _):
        """A row's phases side by side on the channels, rows side by side on the width: a reshape makes pixels of it."""
        rows = {}
        for convolution, y in zip(self.plan.convolutions, outputs, strict=True):
            leads = convolution.windows[0].phases
            width = self.editor.shape(y)[3] // len(leads)
            for i, lead in enumerate(leads):
                one = None if len(leads) == 1 else (i * width, (i + 1) * width)
                rows.setdefault(lead, []).append(self.slice(y, (None, None, None, one), f"row_{lead}"))
        rows = [self.concat(rows[lead], 3, f"row_{lead}") for lead in range(self.plan.phase_counts[0])]
        y = self.concat(rows, 2, "rows")
        return y if max(self.plan.phase_counts) == 1 else self.reshape(y, self.grid(), "interleaved")

    def join_by_transpose(self, outputs, interleave):
        """All phases on the channels, then DEPTH_TO_SPACE, or (image row, column, row phase, rest) transposed."""
        y = self.concat(outputs, 3, "phases")
        strides = self.plan.phase_counts
        if max(strides) == 1:
            return y
        if interleave == "depth_to_space":
            options = make("DepthToSpaceOptions", blockSize=strides[0])
            return self.editor.operator("DEPTH_TO_SPACE", [y], y, self.grid(), "interleaved", options)
        (rows, columns), width = self.blocks, strides[1] * self.site.out_channels
        y = self.reshape(y, (self.batch * rows, columns, strides[0], width), "phases_apart")
        order = self.editor.helper([0, 2, 1, 3], "order")
        shape = (self.batch * rows, strides[0], columns, width)
        y = self.editor.operator("TRANSPOSE", [y, order], y, shape, "rows_apart", make("TransposeOptions"))
        return self.reshape(y, self.grid(), "interleaved")

    def grid(self):
        """Shape of the interleaved result, before the crop."""
        sizes = (blocks * stride for blocks, stride in zip(self.blocks, self.plan.phase_counts, strict=True))
        return self.batch, *sizes, self.site.out_channels

    def concat(self, parts, axis, label):
        if len(parts) == 1:
            return parts[0]
        shape = list(self.editor.shape(parts[0]))
        shape[axis] = sum(self.editor.shape(part)[axis] for part in parts)
        options = make("ConcatenationOptions", axis=axis)
        return self.editor.operator("CONCATENATION", parts, parts[0], tuple(shape), label, options)

    def reshape(self, y, shape, label):
        target = (-1, *shape[1:]) if self.editor.dynamic else shape
        inputs = [y, self.editor.helper(target, "shape")]
        options = make("ReshapeOptions", newShape=np.array(target, "<i4"))
        return self.editor.operator("RESHAPE", inputs, y, shape, label, options)

    def crop(self, y):
        sizes = self.editor.shape(y)[1:3]
        kept = [(start, n - end) for (start, end), n in zip(self.plan.crop, sizes, strict=True)]
        ranges = [None if r == (0, n) else r for r, n in zip(kept, sizes, strict=True)]
        return self.slice(y, (None, *ranges, None), "cropped")


class _ZeroInsertion(_Rewrite):
    """The baseline: the whole kernel over an input with stride - 1 zeros behind each row and each pixel."""

    def run(self, _):
        (convolution,), (filters,) = self.plan.convolutions, self.filters()
        x, self.blocks = self.inserted(), self.plan.output_shape
        sizes = self.editor.shape(x)[1:3]
        kept = [(max(-b, 0), n + min(a, 0)) for (b, a), n in zip(convolution.pads, sizes, strict=True)]
        ranges = [None if r == (0, n) else r for r, n in zip(kept, sizes, strict=True)]
        x = self.slice(x, (None, *ranges, None), "cut")
        x = self.pad(x, [(max(b, 0), max(a, 0)) for b, a in convolution.pads], "padded")
        self.conv(x, filters, 1, "VALID", convolution.dilations, "whole")
        return self.editor.finish(self.handle.output)

    def inserted(self):
        (rows, columns), channels = (axis.n for axis in self.site.axes), self.site.in_channels
        x, (down, right) = self.handle.x, self.plan.insertion
        if down > 1:
            x = self.reshape(x, (self.batch, rows, 1, columns * channels), "rows_apart")
            x = self.pad(x, [(0, 0), (0, down - 1)], "rows_of_zeros")
            x = self.reshape(x, (self.batch, rows * down, columns, channels), "rows_inserted")
        if right > 1:
            x = self.reshape(x, (self.batch * rows * down, columns, 1, channels), "columns_apart")
            x = self.pad(x, [(0, 0), (0, right - 1)], "columns_of_zeros")
            x = self.reshape(x, (self.batch, rows * down, columns * right, channels), "columns_inserted")
        return x


def _implied(convolution):
    """The padding that CONV_2D does by itself, if it is the one wanted: "VALID", "SAME" or None."""
    spans = [(k - 1) * d for k, d in zip(convolution.kernel_size, convolution.dilations, strict=True)]
    if not any(map(any, convolution.pads)):
        return "VALID"
    # SAME at stride 1 pads by the span, the smaller half in front.
    halves = tuple((span // 2, span - span // 2) for span in spans)
    return "SAME" if convolution.pads == halves else None


def _tiled(quantization, phases):
    """Quantization parameters for channels that come in so many phases: what is per channel is repeated."""
    if quantization is None or phases == 1 or quantization.scale is None or len(quantization.scale) < 2:
        return quantization
    tiled, count = copy(quantization), len(quantization.scale)
    for field in ("scale", "zeroPoint", "min", "max"):
        values = getattr(quantization, field)
        if values is not None and len(values) == count:
            setattr(tiled, field, np.tile(values, phases))
    return tiled
