"""Biases are changed by a relative amount, and nothing else of a model is."""

import numpy as np
import onnx
import pytest

from splitdeconv.formats.onnx.biases import perturbed
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.folding.cases import Case
from tests.formats.onnx.models import node

AMOUNT = 1e-3


def _stored(data):
    tensors = onnx.load_model_from_string(data).graph.initializer
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in tensors}


def _source(case):
    return case.model([case.normalization()], "z").SerializeToString()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_only_the_biases_change_by_the_amount(dtype):
    source = _source(Case(2, 1, (2, 5), dtype))
    sites = OnnxModel.parse(source).sites()
    before, after = _stored(source), _stored(perturbed(source, sites, AMOUNT, 1))
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"b"}
    assert after["b"].dtype == before["b"].dtype
    ratio = after["b"].astype("f8") / before["b"]
    coarse = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(np.abs(ratio - 1), AMOUNT, atol=coarse)
    assert len(set(np.sign(ratio - 1))) == 2
    other = _stored(perturbed(source, sites, AMOUNT, 2))
    assert not np.array_equal(other["b"], after["b"])


def test_nothing_changes_where_there_is_no_stored_bias_or_no_site():
    plain = _source(Case(2, 1, (2, 5), bias=False))
    assert perturbed(plain, OnnxModel.parse(plain).sites(), AMOUNT, 1) is None
    biased = _source(Case(2, 1, (2, 5)))
    assert perturbed(biased, [], AMOUNT, 1) is None


def test_a_bias_that_is_computed_is_left():
    case = Case(2, 1, (2, 5))
    proto = case.model([node("Neg", ["b"], "c"), case.normalization()], "z")
    proto.graph.node[0].input[2] = "c"
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([nodes[1], nodes[0], nodes[2]])
    source = proto.SerializeToString()
    assert perturbed(source, OnnxModel.parse(source).sites(), AMOUNT, 1) is None
