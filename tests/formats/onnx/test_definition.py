"""Operators of types that ONNX Runtime's CPU does not support are run by their definition."""

import ml_dtypes
import numpy as np
import onnx
import pytest

import splitdeconv as sd
from splitdeconv.convert.verify.compare import compare
from splitdeconv.formats.onnx.definition import Defined
from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.port import RejectedError
from tests.formats.onnx import models as onnx_models

LAYERS = [
    ((6, 4), (4, 3), 1, (2, 5), {"strides": [3, 2], "pads": [2, 0, 1, 1]}),
    (
        (4, 5),
        (3, 3),
        3,
        (2, 2),
        {"strides": [2, 2], "group": 3, "dilations": [1, 2], "output_padding": [0, 1]},
    ),
    ((9,), (5,), 1, (4, 3), {"strides": [4], "auto_pad": "SAME_LOWER"}),
    ((3, 2, 4), (2, 3, 2), 1, (3, 2), {"strides": [2, 1, 3], "output_shape": [6, 4, 11]}),
]
TYPES = {"float64": (np.float64, 17), "bfloat16": (ml_dtypes.bfloat16, 22)}


def layer(dtype, opset, sizes, kernel, groups, per_group, attributes):
    arrays = onnx_models.arrays(11, sizes, kernel, groups, per_group, dtype)
    return arrays, onnx_models.single(
        *arrays, opset=opset, ir_version=10, **attributes
    ).SerializeToString()


def spoiled(model, factor):
    """The bytes of a model with its greatest weight changed."""
    for stored in model.graph.initializer:
        if len(stored.dims) > 2:
            values = onnx.numpy_helper.to_array(stored).copy()
            values.flat[np.argmax(np.abs(values.astype(float)))] *= factor
            stored.CopyFrom(onnx.numpy_helper.from_array(values, stored.name))
            return model.SerializeToString()
    raise AssertionError("there is no weight to spoil")


@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
@pytest.mark.parametrize("case", LAYERS, ids=["2d", "groups", "1d", "3d"])
@pytest.mark.parametrize("name", TYPES)
def test_operators_are_compared_by_definition(name, case, form):
    _, data = layer(*TYPES[name], *case)
    converted = onnx_models.convert(data, form, checked=False)
    verification = compare("onnx", data, converted.SerializeToString(), samples=2)
    assert verification
    assert verification.method == "operators"
    (output,) = verification.outputs
    assert output.finding.endswith("by the operator's definition in NumPy")
    assert output.tolerance < {"float64": 1e-12, "bfloat16": 1e-3}[name]
    factor = {"float64": 1 + 1e-9, "bfloat16": 1 + 2**-7}[name]
    assert not compare("onnx", data, spoiled(converted, factor), samples=2)


@pytest.mark.parametrize("case", LAYERS, ids=["2d", "groups", "1d", "3d"])
def test_the_definition_is_what_onnx_runtime_computes(case):
    (x, *_), data = layer(np.float32, 17, *case)
    (got,) = Defined(data)({"x": x}).values()
    (expected,) = onnx_models.run(data, {"x": x})
    # Sums of fewer than 64 products, whose magnitudes add up to less than 100.
    np.testing.assert_allclose(got, expected, rtol=0, atol=100 * 64 * 2.0**-24)


def test_files_of_doubles_are_converted(tmp_path):
    _, data = layer(np.float64, 13, *LAYERS[0])
    (tmp_path / "doubles.onnx").write_bytes(data)
    result = sd.convert(tmp_path / "doubles.onnx")
    assert result.report.verification.passed
    assert "the runtime rejected the original" in result.report.verification.notes[0]


def test_tensors_in_other_files_are_read(tmp_path):
    (x, *_), data = layer(np.float64, 17, *LAYERS[1])
    model = onnx.load_model_from_string(data)
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.bin", size_threshold=0)
    (got,) = Defined(path.read_bytes(), str(path))({"x": x}).values()
    (expected,) = Defined(data)({"x": x}).values()
    np.testing.assert_array_equal(got, expected)
    (site,) = OnnxModel.parse(path, path=path).sites()
    assert site.problem is None


def test_what_is_not_defined_is_rejected():
    node = onnx.helper.make_node("Unheard", ["x"], ["y"], domain="vendor")
    port = [onnx_models.value(name, "f8", [1, 2]) for name in "xy"]
    data = onnx_models.model([node], port[:1], port[1:], domains=["vendor"]).SerializeToString()
    with pytest.raises(RejectedError, match="Unheard"):
        Defined(data)({"x": np.zeros((1, 2))})
    _, data = layer(np.float64, 17, *LAYERS[0])
    with pytest.raises(RejectedError):
        Defined(data)({"x": np.zeros((1, 2))})


@pytest.mark.parametrize("kind", [0, -2, 99, onnx.TensorProto.STRING])
def test_inputs_of_no_numbers_have_no_type(kind):
    _, data = layer(np.float32, 17, *LAYERS[2])
    model = onnx.load_model_from_string(data)
    model.graph.input[0].type.tensor_type.elem_type = kind
    assert [port.dtype for port in Defined(model.SerializeToString()).inputs] == [None]
