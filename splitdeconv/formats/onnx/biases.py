"""The biases of transposed convolutions of an ONNX model, changed by as much as their sums round.

The greatest term of a sum may be its bias, which a later operator may take away again. Inputs of
the model that are changed by a rounding error do not show how far such a sum rounds; a changed
bias does.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...extras import require
from ..content import content
from .folding.affine import TYPES
from .graph import scopes
from .tensors import array, is_external

if TYPE_CHECKING:
    from ..site import Site


def perturbed(model: bytes | Path, sites: Iterable[Site], amount: float, seed: int) -> bytes | None:
    """The model with every stored floating-point bias changed by a relative amount, up or down.

    Args:
        model: the model, or a part of it that was cut out.
        sites: its transposed convolutions whose biases are changed.
        amount: the relative amount.
        seed: decides on the sign for each output channel.

    Returns:
        The changed model; None if none of them has a bias that is stored in the model itself.
    """
    onnx = require("onnx", "onnx")
    outputs = {site.key.node.output[0] for site in sites if site.key is not None}
    proto = onnx.load_model_from_string(content(model))
    rng = np.random.default_rng(seed)
    changed: list[object] = []
    for scope in scopes(proto):
        for node in scope.graph.node:
            if node.op_type != "ConvTranspose" or node.output[0] not in outputs:
                continue
            name = node.input[2] if len(node.input) > 2 else ""
            tensor = scope.constant(name) if name else None
            if tensor is None or tensor.data_type not in TYPES or is_external(tensor):
                continue
            if any(tensor is other for other in changed):
                continue
            values = array(tensor, None)
            signs = rng.choice((-1.0, 1.0), values.shape)
            moved = (values * (1 + amount * signs)).astype(values.dtype)
            tensor.CopyFrom(onnx.numpy_helper.from_array(moved, tensor.name))
            changed.append(tensor)
    return proto.SerializeToString() if changed else None
