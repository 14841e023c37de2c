"""Layers into the convolutions that a processor runs: what each method executes.

====================  ============================================================================
method                a transposed convolution becomes
====================  ============================================================================
``nzp``               one convolution over the zero-inserted input: the baseline of Xu et al.,
                      arXiv 1907.01773
``sd``                s^2 convolutions, one per output phase, each zero-extended to ceil(k/s) taps
                      in its own window
``sd_trimmed``        the same with real taps only
``rows``              s convolutions, the column phases stacked on the output channels
``stacked``           one convolution, all phases stacked on the output channels, on a map of one
                      element, too, for which `splitdeconv.plan` has a plan without padding
``paper``             s^2 convolutions of ceil(k/s) taps that share the window of the paper, and a
                      crop
``native``            as ``nzp``, on a processor that generates the zeros on the fly
====================  ============================================================================

FCN-Engine (Xu et al., ICCAD 2018), a processor with its own dataflow for transposed convolutions,
is not modelled: no description of that dataflow was available.

All other layers are one convolution, the same in every method. Phases that no tap reaches compute
nothing and are left out; their outputs are the bias. Only "sd" and "paper", whose filters have
equal sizes, run them as filters of zeros if the kernel is shorter than the stride.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..core.forms import FORMS
from ..core.geometry import Axis
from ..core.phases import plan_axis
from ..core.typing import NumpyArray
from ..errors import SplitDeconvError, check_choice
from .masks import Axes, AxisMask

_FORMS = {"sd": "extended", "sd_trimmed": "split"}
METHODS = ("nzp", *_FORMS, *(form for form in FORMS if form not in ("nzp", "split")))
_LENGTHS = ("in", "out", "k", "stride", "dilation")
_SIZES = ("c_in", "c_out", "groups", *(f"{name}_{side}" for name in _LENGTHS for side in "hw"))


@dataclass(frozen=True, eq=False)
class Work:
    """The distinct convolutions of a network under one method, sorted by layer.

    Sizes are arrays of int64, shape (M,).

    Args:
        layer: row of the table it belongs to.
        times: how often the layer runs it; equal ones (sizes, windows, zeros) are one entry.
        out_h, out_w: outputs computed, those cropped later included.
        taps_h, taps_w, stride_h, stride_w, dilation_h, dilation_w: the convolution's,
            zero-extensions included.
        in_h, in_w: the map it runs over, without padding: the layer's input, for "nzp" with its
            inserted zeros.
        c_in, c_out: channels per group, stacked phases included.
        groups: channel groups.
        axes: for each entry the `AxisMask` of height and width.
    """

    layer: NumpyArray
    times: NumpyArray
    out_h: NumpyArray
    out_w: NumpyArray
    taps_h: NumpyArray
    taps_w: NumpyArray
    stride_h: NumpyArray
    stride_w: NumpyArray
    dilation_h: NumpyArray
    dilation_w: NumpyArray
    in_h: NumpyArray
    in_w: NumpyArray
    c_in: NumpyArray
    c_out: NumpyArray
    groups: NumpyArray
    axes: tuple[Axes, ...]

    def __len__(self) -> int:
        return len(self.axes)

    @property
    def macs(self) -> NumpyArray:
        """Multiplications of each convolution for one image, those of zeros included."""
        filters = self.taps_h * self.taps_w * self.c_in * self.c_out
        return self.out_h * self.out_w * filters * self.groups

    def per_layer(self, values: NumpyArray) -> NumpyArray:
        """Sums of `values`, shape (..., M) and per convolution, over each layer's: (..., L)."""
        first = np.flatnonzero(np.diff(self.layer, prepend=-1))
        return np.add.reduceat(values * self.times, first, axis=-1)


def lower(table: pd.DataFrame, method: str) -> Work:
    """The convolutions that a network's layers become.

    Args:
        table: a table of layers, as `splitdeconv.networks.layer_table` returns it. The padding of a
            convolution is that of "SAME", or else in `before_h` and `before_w`.
        method: one of `METHODS`.

    Returns:
        `Work`; every layer of the table has at least one entry.

    Raises:
        SplitDeconvError: an unknown method, no layers, or a layer that cannot be lowered.
    """
    check_choice(method, METHODS, "method")
    if not len(table):
        raise SplitDeconvError(
            "there are no layers",
            where="the table of layers",
            expected="a row per layer",
            got="an empty table",
        )
    entries = [
        (index, times, row.c_in // row.groups, row.c_out // row.groups, row.groups, *axes)
        for index, row in enumerate(table.itertuples(index=False))
        for axes, times in _convolutions(row, method).items()
    ]
    return _work(entries)


def _work(entries: Iterable[tuple[Any, ...]]) -> Work:
    layer, times, c_in, c_out, groups, *axes = zip(*entries, strict=True)
    fields: dict[str, Sequence[int]] = {"layer": layer, "times": times}
    fields |= {"c_in": c_in, "groups": groups}
    fields["c_out"] = [c * h.phases * w.phases for c, h, w in zip(c_out, *axes, strict=True)]
    for side, masks in zip("hw", axes, strict=True):
        fields |= {
            f"out_{side}": [mask.outputs for mask in masks],
            f"taps_{side}": [mask.taps for mask in masks],
            f"stride_{side}": [mask.stride for mask in masks],
            f"dilation_{side}": [mask.dilation for mask in masks],
            f"in_{side}": [mask.extent for mask in masks],
        }
    arrays = {name: np.array(values, dtype=np.int64) for name, values in fields.items()}
    return Work(**arrays, axes=tuple(zip(*axes, strict=True)))


def _convolutions(row: Any, method: str) -> dict[Axes, int]:
    """Each pair of axis masks that a layer runs, with its number."""
    sizes = [getattr(row, name) for name in _SIZES]
    if (
        row.kind not in ("conv", "deconv", "dense")
        or min(sizes) < 1
        or row.c_in % row.groups
        or row.c_out % row.groups
    ):
        got = ", ".join(f"{n}={v}" for n, v in zip(_SIZES, sizes, strict=True))
        raise SplitDeconvError(
            "a layer cannot be lowered",
            where=f"layer {row.name}",
            expected="kind conv, deconv or dense, sizes of at least 1, "
            "and groups that divide the channels",
            got=f"kind {row.kind}, {got}",
        )
    axes = _phases if row.kind == "deconv" else _plain
    height, width = axes(row, "h", method), axes(row, "w", method)
    return {(h, w): m * n for h, m in height.items() for w, n in width.items()}


def _geometry(row: Any, side: str) -> list[int]:
    return [int(getattr(row, f"{name}_{side}")) for name in (*_LENGTHS, "before")]


def _plain(row: Any, side: str, _: str) -> Mapping[AxisMask, int]:
    """A layer as it is."""
    n, o, k, s, d, before = _geometry(row, side)
    if row.padding == "SAME":
        before = max((o - 1) * s + d * (k - 1) + 1 - n, 0) // 2
    return {AxisMask(o, s, -before, d, n, 1, ((True,) * k,)): 1}


def _phases(row: Any, side: str, method: str) -> Mapping[AxisMask, int]:
    """The distinct windows of a transposed convolution along an axis, and the phases of each."""
    n, o, k, s, d, before = _geometry(row, side)
    axis = Axis(n, k, s, d, before, o - n * s)
    split = plan_axis(axis, _FORMS.get(method, method), last=side == "w")
    insertion = s if method in ("nzp", "native") else 1
    assert split.axis.n is not None  # the sizes of a table are known
    outputs = split.axis.n + split.surplus
    masks: Counter[AxisMask] = Counter()
    for window in split.windows:
        if window.length:
            real = tuple(tuple(tap is not None for tap in taps) for taps in window.taps)
            masks[AxisMask(outputs, 1, window.start, window.dilation, n, insertion, real)] += 1
    return masks
