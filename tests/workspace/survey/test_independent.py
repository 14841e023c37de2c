"""The comparison that shares nothing with `splitdeconv.verify` finds what differs."""

import numpy as np
import onnx
import pytest
from onnx import helper

from tools.survey.independent import difference, outputs

ONE = [[np.array([1.0, -4.0]), np.array([2.0])]]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (ONE, 0),
        ([[np.array([1.0, -4.0]), np.array([2.1])]], 0.05),
        ([[np.array([1.1, -4.0]), np.array([2.0])]], 0.025),
        ([[np.array([1.0, np.nan]), np.array([2.0])]], np.inf),
        ([[np.array([[1.0, -4.0]]), np.array([2.0])]], np.inf),
    ],
)
def test_the_largest_difference_over_the_largest_value(other, expected):
    assert difference(ONE, other) == pytest.approx(expected)


def test_what_both_lack_is_no_difference_and_zeros_have_a_scale():
    lacking = [[np.array([np.nan, np.inf])]]
    assert difference(lacking, lacking) == 0
    assert difference([[np.zeros(2)]], [[np.array([0, 0.5])]]) == 0.5


def test_whole_numbers_are_counted_in_steps_of_their_type():
    one = [[np.array([3, -2], np.int8)]]
    assert difference(one, [[np.array([3, 0], np.int8)]]) == 2 / 255
    assert difference(one, [[np.array([3, -2], np.int8)]]) == 0
    wide = [[np.array([3, -2], np.int16)]]
    assert difference(wide, [[np.array([3, 0], np.int16)]]) == 2 / 65535


def test_another_number_of_samples_or_outputs_is_an_error():
    for other in ([], [[ONE[0][0]]]):
        with pytest.raises(ValueError, match="argument 2 is shorter"):
            difference(ONE, other)


def test_an_onnx_file_runs_on_every_sample(tmp_path):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "twice",
        [value("x", onnx.TensorProto.FLOAT, [2])],
        [value("y", onnx.TensorProto.FLOAT, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "twice.onnx")
    x = np.array([[1, 2], [3, -5]], np.float32)
    got = outputs(tmp_path / "twice.onnx", {"x": x, "not an input": x})
    np.testing.assert_array_equal(got, 2 * x[:, None])
