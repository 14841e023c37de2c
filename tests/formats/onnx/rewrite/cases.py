"""Random transposed convolutions for ONNX Runtime, and their definition with channels first."""

import numpy as np

from splitdeconv import SplitDeconvError
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.core.plan import SplitPlan
from splitdeconv.formats.onnx.shapes.geometry import from_onnx

FORMS = FILE_FORMS
INTERLEAVES = ("concat", "depth_to_space", "transpose")
OPSETS = (8, 9, 10, 11, 13, 17, 18, 21, 22)


def draw_case(draw):
    """One random ConvTranspose that ONNX Runtime runs: its sizes, attributes and what is open."""
    while True:
        rank = draw.choice([1, 2, 2, 3])
        longest, fastest = (5, 4) if rank < 3 else (3, 3)
        sizes = [draw.randint(1, 5) for _ in range(rank)]
        kernel = [draw.randint(1, longest) for _ in range(rank)]
        strides = [draw.randint(1, fastest) for _ in range(rank)]
        strides = strides[:1] * rank if draw.random() < 0.5 else strides
        attributes = {"strides": strides, "group": draw.choice([1, 1, 1, 2, 3])}
        if draw.random() < 0.4:
            attributes["dilations"] = [draw.randint(1, 3) for _ in range(rank)]
        mode = draw.choice([None, "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
        if mode:
            attributes["auto_pad"] = mode
        if mode in (None, "NOTSET") and draw.random() < 0.6:
            attributes["pads"] = [draw.randint(0, 3) for _ in range(2 * rank)]
        if draw.random() < 0.3:
            attributes["output_padding"] = [draw.randint(0, s - 1) for s in strides]
        open_ = draw.random() < 0.4
        if draw.random() < 0.3 and not open_:
            dilations = attributes.get("dilations", [1] * rank)
            spans = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
            lengths = zip(sizes, strides, spans, strict=True)
            most = [(n - 1) * s + span + s - 1 for n, s, span in lengths]
            attributes["output_shape"] = [draw.randint(1, m) for m in most]
        try:
            axes = axes_of(sizes, kernel, attributes)
        except SplitDeconvError:  # the pads leave nothing
            continue
        per_group = draw.choice([1, 2, 3]), draw.choice([1, 2, 3])
        declared = [None if open_ and draw.random() < 0.8 else n for n in (2, *sizes)]
        return sizes, kernel, attributes, axes, per_group, declared, draw.random() < 0.5


def axes_of(sizes, kernel, attributes):
    """The axes of a ConvTranspose with these attributes."""
    given = {name: value for name, value in attributes.items() if name != "group"}
    return from_onnx(sizes, kernel, **given)


def definition(function, x, w, axes, groups, *more):
    """A function of `splitdeconv.core.definition` on channels-first arrays."""
    filters = w.transpose(*range(2, len(axes) + 2), 1, 0)
    y = function(np.moveaxis(x, 1, -1), filters, SplitPlan(axes, groups, "split"), *more)
    return np.moveaxis(y, -1, 1)
