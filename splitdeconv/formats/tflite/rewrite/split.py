"""Rewrite one TFLite transposed convolution as the convolutions and the interleave of a plan.

It uses PAD, CONV_2D and the operators of the interleave, and STRIDED_SLICE where a window does not
cover the input or the result is cropped. In quantized models the accumulators keep their values:
every phase has the scales of its output channels, bias and scales are repeated where phases are
stacked, PAD uses the zero point of the input, and intermediate results have the scale and zero
point of the output. The module `hybrid` describes what models with int8 filters and float32
activations need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ....core.filters import split_filters
from ....core.geometry import known
from .. import hybrid
from ..flatbuffer.bounds import make
from .join import join
from .move import Mover
from .weights import Weights, tiled

if TYPE_CHECKING:
    from ....core.convolutions import Convolution
    from ....core.geometry import Axis
    from ....core.plan import SplitPlan
    from ....core.typing import NumpyArray
    from ...site import Site
    from ..flatbuffer.objects import OperatorT
    from ..sites import Handle
    from .edit import Editor
    from .move import Pads, Range


def split_site(
    editor: Editor, site: Site, plan: SplitPlan, interleave: str, unpackers: Mapping[int, OperatorT]
) -> list[OperatorT]:
    """The operators that compute the output of a site according to a plan.

    Args:
        editor: an `Editor` on the site's subgraph, to which the constants are added.
        site: a `Site` without a problem.
        plan: of the form "split", "rows" or "stacked"; or "nzp", the baseline, which has no
            interleave.
        interleave: "concat", "depth_to_space", "batch_to_space" or "transpose".
        unpackers: by tensor, the DEQUANTIZE operator that reads each stored constant that has one.

    Returns:
        Operators in order; the last one writes the output tensor of the site.
    """
    kind = _ZeroInsertion if plan.form == "nzp" else _Rewrite
    return kind(editor, site, plan, unpackers).run(interleave)


class _Rewrite:
    """The rewriting of one site; methods that compute return the index of a tensor."""

    def __init__(
        self, editor: Editor, site: Site, plan: SplitPlan, unpackers: Mapping[int, OperatorT]
    ) -> None:
        self.editor, self.site = editor, site
        self.handle: Handle = site.key
        self.in_channels, self.out_channels = site.known_channels
        self.plan = plan
        self.mover = Mover(editor)
        self.batch, sizes = site.batch or 1, tuple(map(_length, site.known_axes))
        editor.assume(self.handle.x, (self.batch, *sizes, self.in_channels))
        axes = zip(sizes, self.plan.insertion, self.plan.axis_plans, strict=True)
        self.blocks = tuple(n * spread + split.surplus for n, spread, split in axes)
        self.weights = Weights(editor, site, unpackers)
        self.fed: dict[tuple[Pads, Range | None], int] = {}
        self.empties: dict[int, int] = {}
        self.hybrid = site.dtype == hybrid.DTYPE

    def run(self, interleave: str) -> list[OperatorT]:
        outputs = [
            self.convolution(c, w)
            for c, w in zip(self.plan.convolutions, self.filters(), strict=True)
        ]
        join(self.mover, self.plan, outputs, interleave)
        return self.editor.finish(self.handle.output)

    # Convolutions

    def filters(self) -> Iterator[NumpyArray | None]:
        """The filters of each convolution, (channels, kh, kw, Cin); None for an empty phase.

        Added taps must represent zero: weights with a zero point are shifted by it, modulo 256, and
        back.
        """
        planes, zero = self.weights.kernel, self.weights.zero
        planes = planes - zero if zero else planes
        for part in split_filters(self.plan, np.transpose(planes, (1, 2, 0, 3))):
            if part is not None:
                part = np.transpose(part, (3, 0, 1, 2))
            yield part + zero if part is not None and zero else part

    def convolution(self, convolution: Convolution, filters: NumpyArray | None) -> int:
        """One of the plan's convolutions, including bias and activation."""
        phases = len(convolution.phases)
        if filters is None:
            return self.empty(phases)
        label = "_".join(str(p) for p in convolution.phases[0])
        pads, dilations = convolution.pads, convolution.dilations
        return self.windowed(self.feed, pads, filters, phases, dilations, label)

    def windowed(
        self,
        feed: Callable[[Pads], int],
        pads: Pads,
        filters: NumpyArray,
        phases: int,
        dilations: Sequence[int],
        label: str,
    ) -> int:
        """A convolution of `feed(pads)`; its result is cropped if the input must not be."""
        if self.hybrid:
            filters, pads = hybrid.widened(filters, pads)
        padding = implied(filters.shape[1:3], dilations, pads)
        if not self.hybrid or padding:
            x = feed(((0, 0),) * 2 if padding else pads)
            return self.conv(x, filters, phases, padding or "VALID", dilations, label)
        cuts = [(max(-before, 0), max(-after, 0)) for before, after in pads]
        x, longer = feed(_positive(pads)), tuple(map(sum, cuts))
        y = self.conv(x, filters, phases, "VALID", dilations, label, longer)
        n, *sizes, channels = self.editor.shape(y)
        kept = [(before, size - after) for (before, after), size in zip(cuts, sizes, strict=True)]
        return self.mover.slice(y, ((0, n), *kept, (0, channels)), f"phase_{label}_cut")

    def empty(self, phases: int) -> int:
        """Phases without taps: bias, activation and rounding as in the kernel, from a zero filter.

        It reads one input channel, and one result serves all such phases. (Zero times infinity is
        not the bias: as with any zero tap, the input is assumed to be finite.)
        """
        if phases not in self.empties:
            kernels = self.plan.kernels
            kernel = (None if kernels is None else kernels.holding((1, 1))) or (1, 1)
            sides = zip(self.plan.axis_plans, kernel, strict=True)
            surplus = tuple((0, split.surplus + taps - 1) for split, taps in sides)
            x = self.feed(surplus, channels=(0, 1))
            zeros = np.full((phases * self.out_channels, *kernel, 1), self.weights.zero)
            self.empties[phases] = self.conv(x, zeros, phases, "VALID", (1, 1), "empty")
        return self.empties[phases]

    def conv(
        self,
        x: int,
        filters: NumpyArray,
        phases: int,
        padding: str,
        dilations: Sequence[int],
        label: str,
        longer: Sequence[int] = (0, 0),
    ) -> int:
        """CONV_2D with weights stored like the original's; the result may exceed the blocks."""
        editor, schema = self.editor, self.editor.schema
        stored, silent = self.weights.stored, False
        quantization = tiled(stored, phases)
        if self.hybrid and stored is not None:
            silent = hybrid.needs_channel(stored, phases, filters)
            if silent:
                quantization = hybrid.with_scale(stored, phases, filters)
                filters = hybrid.with_channel(filters)
        weights = self.weights.filters(filters, quantization, label)
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
        inputs, version = [x, weights, self.weights.bias(phases, silent)], None
        if self.site.dtype == "int16x8" and self.handle.bias_type == schema.TensorType.INT32:
            # From version 8 on, the bias of an int16 convolution is int64 unless the options
            # differ.
            options.quantizedBiasType, version = self.handle.bias_type, 8
        if self.hybrid:
            scale = None if quantization is None else quantization.scale
            version = 5 if scale is not None and len(scale) > 1 else 2
        y = editor.operator(
            "CONV_2D", inputs, self.handle.output, shape, f"phase_{label}", options, version
        )
        kept = (*((0, n) for n in shape[:3]), (0, len(filters) - silent))
        return self.mover.slice(y, kept, f"phase_{label}_heard")

    # Inputs of the convolutions

    def feed(self, pads: Pads, channels: Range | None = None) -> int:
        """The input, or a range of its channels, with zeros added; negative pads crop it."""
        key = pads, channels
        if key not in self.fed:
            batch, *_, depth = self.editor.shape(self.handle.x)
            x = self.cut(self.handle.x, pads, (0, batch), channels or (0, depth))
            self.fed[key] = self.mover.pad(x, _positive(pads), "padded")
        return self.fed[key]

    def cut(self, x: int, pads: Pads, batch: Range, channels: Range) -> int:
        """The part of a tensor that remains if pads are negative."""
        sizes = self.editor.shape(x)[1:3]
        kept = [(max(-b, 0), n + min(a, 0)) for (b, a), n in zip(pads, sizes, strict=True)]
        return self.mover.slice(x, (batch, *kept, channels), "cut")


class _ZeroInsertion(_Rewrite):
    """The baseline: the whole kernel on an input with stride - 1 zeros after each row and pixel."""

    def run(self, _: str) -> list[OperatorT]:
        (convolution,), (filters,) = self.plan.convolutions, self.filters()
        assert filters is not None  # the whole kernel
        pads, dilations = convolution.pads, convolution.dilations
        self.windowed(self.fed_among_zeros, pads, filters, 1, dilations, "whole")
        return self.editor.finish(self.handle.output)

    def fed_among_zeros(self, pads: Pads) -> int:
        x = self.inserted()
        batch, *_, channels = self.editor.shape(x)
        x = self.cut(x, pads, (0, batch), (0, channels))
        return self.mover.pad(x, _positive(pads), "padded")

    def inserted(self) -> int:
        (rows, columns), channels = (known(axis.n) for axis in self.plan.axes), self.in_channels
        x, (down, right) = self.handle.x, self.plan.insertion
        reshape, pad = self.mover.reshape, self.mover.pad
        if down > 1:
            x = reshape(x, (self.batch, rows, 1, columns * channels), "rows_apart")
            x = pad(x, ((0, 0), (0, down - 1)), "rows_of_zeros")
            x = reshape(x, (self.batch, rows * down, columns, channels), "rows_inserted")
        if right > 1:
            x = reshape(x, (self.batch * rows * down, columns, 1, channels), "columns_apart")
            x = pad(x, ((0, 0), (0, right - 1)), "columns_of_zeros")
            x = reshape(x, (self.batch, rows * down, columns * right, channels), "columns_inserted")
        return x


def _length(axis: Axis) -> int:
    """The length of an axis; if it is open, one at which no tensor of the rewrite is empty."""
    return axis.n or axis.k_e + abs(axis.p) + abs(axis.tail) + 1


def _positive(pads: Pads) -> Pads:
    return tuple((max(before, 0), max(after, 0)) for before, after in pads)


def implied(kernel: Sequence[int], dilations: Sequence[int], pads: Pads) -> str | None:
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
