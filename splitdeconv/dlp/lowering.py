"""Layers into the convolutions that a processor runs: the only module that knows what a method
executes.

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

FCN-Engine, a processor with its own dataflow for transposed convolutions, is not modelled, because
neither a description of that dataflow nor its published figures were available.

All other layers are one convolution, the same in every method. Phases that no tap reaches compute
nothing and are left out; their outputs are the bias.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..core.geometry import Axis
from ..core.phases import plan_axis
from ..errors import SplitDeconvError, check_choice
from .masks import AxisMask

METHODS = ("nzp", "sd", "sd_trimmed", "rows", "stacked", "paper", "native")
_FORMS = {"sd": "extended", "sd_trimmed": "split"}
_LENGTHS = ("in", "out", "k", "stride", "dilation")
_SIZES = ("c_in", "c_out", "groups", *(f"{name}_{side}" for name in _LENGTHS for side in "hw"))


@dataclass(frozen=True, eq=False)
class Work:
    """The distinct convolutions of a network under one method: arrays of int64, shape (M,), sorted
    by layer.

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

    layer: np.ndarray
    times: np.ndarray
    out_h: np.ndarray
    out_w: np.ndarray
    taps_h: np.ndarray
    taps_w: np.ndarray
    stride_h: np.ndarray
    stride_w: np.ndarray
    dilation_h: np.ndarray
    dilation_w: np.ndarray
    in_h: np.ndarray
    in_w: np.ndarray
    c_in: np.ndarray
    c_out: np.ndarray
    groups: np.ndarray
    axes: tuple[tuple[AxisMask, AxisMask], ...]

    def __len__(self):
        return len(self.axes)

    def per_layer(self, values) -> np.ndarray:
        """Sums of `values`, shape (..., M) and per convolution, over each layer's: (..., L)."""
        first = np.flatnonzero(np.diff(self.layer, prepend=-1))
        return np.add.reduceat(values * self.times, first, axis=-1)


def lower(table, method) -> Work:
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
            "there are no layers", where="lower", expected="a row per layer", got="an empty table"
        )
    entries = [
        (index, times, row.c_in // row.groups, row.c_out // row.groups, row.groups, *axes)
        for index, row in enumerate(table.itertuples(index=False))
        for axes, times in _convolutions(row, method).items()
    ]
    return _work(entries)


def _work(entries):
    layer, times, c_in, c_out, groups, *axes = zip(*entries, strict=True)
    fields = {"layer": layer, "times": times, "c_in": c_in, "groups": groups}
    fields["c_out"] = [
        c * len(h.weights) * len(w.weights) for c, h, w in zip(c_out, *axes, strict=True)
    ]
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


def _convolutions(row, method):
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


def _geometry(row, side):
    return [int(getattr(row, f"{name}_{side}")) for name in (*_LENGTHS, "before")]


def _plain(row, side, _):
    """A layer as it is."""
    n, o, k, s, d, before = _geometry(row, side)
    if row.padding == "SAME":
        before = max((o - 1) * s + d * (k - 1) + 1 - n, 0) // 2
    return {AxisMask(o, s, -before, d, n, 1, ((True,) * k,)): 1}


def _phases(row, side, method):
    """The distinct windows of a transposed convolution along an axis, with the number of phases
    that share each.
    """
    n, o, k, s, d, before = _geometry(row, side)
    split = plan_axis(
        Axis(n, k, s, d, before, o - n * s), _FORMS.get(method, method), last=side == "w"
    )
    insertion = s if method in ("nzp", "native") else 1
    outputs = split.axis.n + split.surplus
    return Counter(
        AxisMask(
            outputs,
            1,
            w.start,
            w.dilation,
            n,
            insertion,
            tuple(tuple(t is not None for t in p) for p in w.taps),
        )
        for w in split.windows
        if w.length
    )
