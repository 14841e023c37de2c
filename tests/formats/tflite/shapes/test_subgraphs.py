"""Branches and loops of TFLite models whose inputs are fixed."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import splitdeconv as sd
from tests.formats.tflite.models import (
    unpack,
)


@pytest.fixture(scope="module")
def loops():
    """Files with a branch, a loop that keeps its shape and one that doubles it, before a layer."""
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(12)
    inner = rng.standard_normal((3, 3, 5, 5)).astype("f4") / 9
    outer = rng.standard_normal((4, 3, 6, 5)).astype("f4")

    def up(x, filters, stride):
        sizes = tf.shape(x)
        shape = tf.stack([sizes[0], sizes[1] * stride, sizes[2] * stride, filters.shape[2]])
        return tf.nn.conv2d_transpose(x, filters, shape, stride)

    def branch(x, c):
        return up(
            tf.cond(c[0] > 0, lambda: up(x, inner, 2), lambda: up(x * 3.0, inner, 2)), outer, 2
        )

    def loop(stride):
        def whole(x, c):
            free = tf.TensorShape((None, None, None, 5))
            _, y = tf.while_loop(
                lambda i, _: i < 2, lambda i, y: (i + 1, up(y, inner, stride)), (c[0], x),
                shape_invariants=(tf.TensorShape(()), free),
            )  # fmt: skip
            return up(y, outer, 2)

        return whole

    def file(function):
        module = tf.Module()
        specs = [
            tf.TensorSpec((None, None, None, 5), name="x"),
            tf.TensorSpec((1,), tf.int32, name="c"),
        ]
        module.function = tf.function(function, input_signature=specs)
        concrete = module.function.get_concrete_function()
        return tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert()

    return {"branch": file(branch), "kept": file(loop(1)), "doubled": file(loop(2))}


@pytest.mark.parametrize(
    ("name", "size", "settled"), [("branch", 4, True), ("kept", 2, True), ("doubled", 8, False)]
)
def test_branches_and_loops(loops, name, size, settled):
    data = loops[name]
    result = sd.convert(data, input_shape={"serving_default_x:0": (2, 3, 4, 5)})
    assert result.report.verification
    assert result.report.notes[0] == "input x is now fixed at 2x3x4x5 (was ?x?x?x5)"
    graph = unpack(result.model).subgraphs[0]
    (y,) = (graph.tensors[i] for i in graph.outputs)
    assert (y.shapeSignature is None) == settled
    assert not settled or y.shape.tolist() == [2, 3 * size, 4 * size, 6]
    feeds = {
        "x": np.random.default_rng(5).standard_normal((2, 3, 4, 5)).astype("f4"),
        "c": np.zeros(1, "i4"),
    }

    def run(model):
        interpreter = Interpreter(model_content=model)
        return interpreter.get_signature_runner("serving_default")(**feeds)["output_0"]

    ours, theirs = run(data), run(result.model)
    assert ours.shape == (2, 3 * size, 4 * size, 6)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=2e-6 * np.abs(ours).max())
