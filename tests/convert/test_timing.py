"""Model files are timed in turn on inputs that suit them; no test here asserts a speed."""

import io
import zipfile

import onnx
import pytest

import splitdeconv as sd
from splitdeconv.convert import timing as measure
from tests.formats.tflite.models import Deconv, deconv_model


def model(operator, kind=1, shape=(1, 4), more=(), **attributes):
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node(operator, ["x"], ["y"], **attributes)
    ports = [value("x", kind, shape), *(value(name, kind, shape) for name in more)]
    graph = onnx.helper.make_graph([node], "g", ports, [value("y", kind, None)])
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def test_models_are_timed_with_each_thread_count():
    table = measure.time_models(
        {"native": model("Relu"), "split": model("Neg")}, threads=(1, 2), turns=3
    )
    assert table[["threads", "form"]].to_numpy().tolist() == [
        [1, "native"],
        [1, "split"],
        [2, "native"],
        [2, "split"],
    ]
    assert (table["seconds"] > 0).all()
    assert table.query("form == 'native'")["speedup"].tolist() == [1, 1]
    assert set(table["inputs"]) == {"x 1x4"}


def test_what_cannot_be_timed_is_refused():
    strings = model("Identity", kind=onnx.TensorProto.STRING)
    with pytest.raises(sd.SplitDeconvError, match="no synthetic input suits"):
        measure.time_models({"native": strings}, threads=(1,))
    with pytest.raises(sd.SplitDeconvError, match="unsupported model format"):
        measure.time_models({"native": b"nonsense"})
    with pytest.raises(
        sd.SplitDeconvError, match=r"only \.tflite, \.onnx and \.pt2 models can be timed"
    ) as caught:
        measure.time_models({"native": keras_archive()})
    assert caught.value.got == "a keras model"


def keras_archive():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("config.json", "metadata.json"):
            archive.writestr(name, "{}")
    return content.getvalue()


def test_a_keras_model_is_refused_before_any_work(tmp_path):
    path = tmp_path / "a.keras"
    path.write_bytes(keras_archive())
    for pair in ((path, model("Relu")), (model("Relu"), path)):
        with pytest.raises(
            sd.SplitDeconvError, match=r"only \.tflite, \.onnx and \.pt2 models can be timed"
        ) as caught:
            measure.time_files(*pair)
        assert (caught.value.where, caught.value.got) == (
            str(path),
            "a keras model",
        )


@pytest.mark.parametrize(
    ("shape", "more"),
    [((1, 5), ()), ((1, 4, 1), ()), ((1, 4), ("z",))],
    ids=["length", "rank", "name"],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_models_with_different_inputs_are_refused(shape, more, swapped):
    pair = [model("Relu"), model("Relu", shape=shape, more=more)][:: -1 if swapped else 1]
    with pytest.raises(sd.SplitDeconvError, match="do not have the same inputs") as caught:
        measure.time_models(
            dict(zip(("original", "converted"), pair, strict=True)), threads=(1,), turns=1
        )
    assert caught.value.where == "converted"
    other = f"x {'x'.join(map(str, shape))} float32"
    assert other in (caught.value.expected if swapped else caught.value.got)


def test_a_type_of_its_own_is_a_different_input():
    pair = {"original": model("Abs"), "converted": model("Abs", kind=onnx.TensorProto.INT8)}
    with pytest.raises(sd.SplitDeconvError, match="do not have the same inputs") as caught:
        measure.time_models(pair, threads=(1,))
    assert (caught.value.expected, caught.value.got) == (
        "the inputs of original: x 1x4 float32",
        "x 1x4 int8",
    )


def test_litert_resizes_no_model_to_the_inputs_of_another():
    large, small = deconv_model(Deconv(sizes=(6, 5))), deconv_model(Deconv(sizes=(5, 5)))
    with pytest.raises(sd.SplitDeconvError, match="do not have the same inputs") as caught:
        measure.time_models({"original": small, "converted": large}, threads=(1,), turns=1)
    assert "x5x" in caught.value.expected
    assert "x6x" in caught.value.got


@pytest.mark.parametrize("swapped", [False, True])
def test_a_dynamic_model_is_timed_on_what_a_fixed_one_takes(swapped):
    pair = [model("Relu", shape=["N", "M"]), model("Neg", shape=["N", 3])][:: -1 if swapped else 1]
    table = measure.time_models(dict(zip("ab", pair, strict=True)), threads=(1,), turns=1)
    assert set(table["inputs"]) == {"x 2x3"}


def test_models_of_two_formats_are_refused():
    with pytest.raises(sd.SplitDeconvError, match="of different formats") as caught:
        measure.time_models(
            {"original": model("Relu"), "converted": deconv_model(Deconv(sizes=(5, 5)))},
            threads=(1,),
        )
    assert caught.value.got == "original: onnx, converted: tflite"
