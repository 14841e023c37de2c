"""An operator in isolation: what it needs from elsewhere becomes an input of the part."""

import numpy as np
import onnx
import pytest

from splitdeconv.formats.onnx.cut import cut
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.models import model, node, value


@pytest.mark.parametrize(
    ("declared", "shape"),
    [
        ([None, 2, 1, 3], (3, 2, 1, 3)),  # a batch of 0 or 1 would be another filter
        ([3, 2, 1, 3], (3, 2, 1, 3)),
    ],
)
def test_open_lengths_of_a_default_are_those_of_its_values(declared, shape):
    rng = np.random.default_rng(3)
    stored = {
        "w_stored": rng.uniform(-1, 1, (3, 1, 1, 3)).astype("f"),
        "w_open": rng.uniform(-1, 1, (3, 2, 1, 3)).astype("f"),
    }
    nodes = [
        node("Concat", ["w_stored", "w_open"], "w", axis=1),
        node("ConvTranspose", ["x", "w"], "y", strides=[2, 2]),
    ]
    inputs = [value("x", "f", [None, 3, 4, 5]), value("w_open", "f", declared)]
    source = model(nodes, inputs, [value("y", "f", [None] * 4)], stored)
    data = source.SerializeToString()
    (site,) = OnnxModel.parse(data).sites()
    part = onnx.load_model_from_string(cut(data, data, site).original)
    shapes = {
        port.name: tuple(d.dim_value or None for d in port.type.tensor_type.shape.dim)
        for port in part.graph.input
    }
    assert shapes == {"x": (None, 3, 4, 5), "w_open": shape}
