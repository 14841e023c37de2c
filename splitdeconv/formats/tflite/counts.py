"""Multiply-accumulates of a rewritten .tflite operator, where they exceed those of its plan.

Only int8 filters with float32 activations need more (see `hybrid`): filters with one tap are
computed twice as wide, windows that do not cover the input run over all of it, and a convolution
may compute one extra channel that is never read.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from ...core.forms import FILE_FORMS
from ...core.geometry import known
from ...core.plan import SplitPlan
from ..site import Site
from . import hybrid
from .rewrite.split import implied

if TYPE_CHECKING:
    from .flatbuffer.objects import ModelT


def counted(model: ModelT, site: Site) -> Site:
    """The site with the counts of what its forms execute; the same site if the plan's are correct.

    Args:
        model: the `ModelT` that contains it.
        site: one of its transposed convolutions.
    """
    if site.dtype != hybrid.DTYPE or site.problem is not None:
        return site
    if any(axis.n is None for axis in site.known_axes):
        return site
    tensor = model.subgraphs[site.key.subgraph].tensors[site.key.stored_weights]
    one_scale = len(set(np.asarray(tensor.quantization.scale, np.float32).tolist())) == 1
    counts: dict[str, int | None] = {
        form: _issued(site, form, int(one_scale)) for form in ("nzp", *FILE_FORMS)
    }
    return replace(site, counts=counts)


def _issued(site: Site, form: str, spare: int) -> int:
    """The multiply-accumulates per image that the convolutions of one form execute.

    Args:
        spare: extra channels that each convolution computes.
    """
    plan, (c_in, c_out) = SplitPlan(site.known_axes, 1, form), site.known_channels
    sizes = zip(plan.axes, plan.insertion, plan.axis_plans, strict=True)
    blocks = [known(axis.n) * spread + split.surplus for axis, spread, split in sizes]
    total = 0
    for convolution in plan.convolutions:
        if 0 in convolution.kernel_size:
            continue
        (rows, columns), pads = convolution.kernel_size, convolution.pads
        if (rows, columns) == (1, 1):
            columns, pads = 2, hybrid.longer(pads)
        whole = implied((rows, columns), convolution.dilations, pads)
        cuts = (0, 0) if whole else (sum(max(-n, 0) for n in pair) for pair in pads)
        pixels = prod(block + cut for block, cut in zip(blocks, cuts, strict=True))
        channels = len(convolution.phases) * c_out + spare
        total += pixels * rows * columns * c_in * channels
    return total
