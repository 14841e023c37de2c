"""Model files are timed in turn on inputs that suit them; no test here asserts a speed."""

import onnx
import pytest

import splitdeconv as sd
from splitdeconv.convert import measure


def model(operator, kind=1, **attributes):
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node(operator, ["x"], ["y"], **attributes)
    graph = onnx.helper.make_graph([node], "g", [value("x", kind, [1, 4])], [value("y", kind, None)])
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def test_models_are_timed_with_each_thread_count():
    table = measure.time_models({"native": model("Relu"), "split": model("Neg")}, threads=(1, 2), turns=3)
    assert table[["threads", "form"]].to_numpy().tolist() == [[1, "native"], [1, "split"], [2, "native"], [2, "split"]]
    assert (table["seconds"] > 0).all()
    assert table.query("form == 'native'")["speedup"].tolist() == [1, 1]


def test_what_cannot_be_timed_is_refused():
    strings = model("Identity", kind=onnx.TensorProto.STRING)
    with pytest.raises(sd.SplitDeconvError, match="no synthetic input suits"):
        measure.time_models({"native": strings}, threads=(1,))
    with pytest.raises(sd.SplitDeconvError, match="no model that can be converted"):
        measure.time_models({"native": b"nonsense"})
