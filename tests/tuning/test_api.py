"""Tuning from end to end: what is asked, chosen, taken back, kept and refused."""

from types import SimpleNamespace

import numpy as np
import onnx
import pytest

import splitdeconv as sd
from splitdeconv.convert import job
from splitdeconv.convert.variants.variant import NATIVE
from splitdeconv.limits import sandbox
from splitdeconv.tuning import api, costing, rules
from tests import jobs
from tests.formats.onnx import models
from tests.formats.tflite.models import Deconv, deconv_model
from tests.refusals import refused
from tests.tuning.models import SIZE, Told, branches

OPEN = "its sizes are only known at run time (--input-shape fixes them)"
FAST = {"native": 100, "split concat": 50}


@pytest.fixture(autouse=True)
def _costs(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLITDECONV_COSTS", str(tmp_path / "costs"))
    monkeypatch.setattr(sandbox, "run", jobs.here)


@pytest.fixture
def told(monkeypatch):
    def told(amounts, wholes=()):
        oracle = Told(amounts, wholes)
        monkeypatch.setattr(api, "oracle", lambda *_, **__: oracle)
        return oracle

    return told


def outputs(data):
    x = np.random.default_rng(8).standard_normal((1, 3, *SIZE)).astype("float32")
    return models.run(data, {"x": x})


def test_each_layer_gets_its_cheapest_variant_and_the_values_stay(told):
    oracle = told(FAST | {("c", "rows transpose"): 20})
    tuned = sd.tune(branches(), on="told")
    assert [str(layer.variant) for layer in tuned.layers] == [
        "split concat",
        "split concat",
        "rows transpose",
    ]
    assert sorted(oracle.asked) == ["a", "c"]  # b has the geometry of a
    assert tuned.frame()["gain"].tolist() == [2, 2, 5]
    assert tuned.report.verification.passed
    assert "ConvTranspose" not in models.kinds(onnx.load_model_from_string(tuned.model))
    for right, got in zip(outputs(branches()), outputs(tuned.model), strict=True):
        np.testing.assert_allclose(got, right, atol=1e-5)


def test_a_second_run_asks_nothing_and_fresh_asks_again(told):
    told(FAST)
    first = sd.tune(branches(), on="told")
    oracle = told(FAST)
    again = sd.tune(branches(), on="told")
    assert oracle.asked == []
    assert again.rows() == first.rows()
    assert sd.tune(branches(), on="told", fresh=True).rows() == first.rows()
    assert sorted(oracle.asked) == ["a", "c"]


def test_an_interrupted_run_keeps_what_it_knows(told, monkeypatch):
    oracle = told(FAST)
    answer = oracle.costs

    def interrupted(subject):
        if oracle.asked:
            raise KeyboardInterrupt
        return answer(subject)

    monkeypatch.setattr(oracle, "costs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sd.tune(branches(), on="told")
    assert oracle.asked == ["a"]
    oracle = told(FAST)
    assert sd.tune(branches(), on="told").changed == 3
    assert oracle.asked == ["c"]


def test_if_nothing_is_faster_the_original_is_kept(told, tmp_path):
    told({"native": 100, "split concat": 100})
    tuned = sd.tune(branches(), on="told")
    assert tuned.changed == 0
    assert tuned.model == branches()
    assert tuned.save(tmp_path / "same.onnx").read_bytes() == branches()
    assert tuned.whole.reason == "the original is kept"


def test_layers_are_taken_back_until_the_whole_is_not_slower(told):
    told(FAST | {("c", "split concat"): 10}, wholes=[0.9, 0.97, 1.2])
    tuned = sd.tune(branches(), on="told")
    # a and b save 50 each, c saves 90.
    assert [layer.taken_back for layer in tuned.layers] == [True, True, False]
    assert models.kinds(onnx.load_model_from_string(tuned.model)).count("ConvTranspose") == 2
    assert tuned.whole.gain == 1.2
    assert "taken back" in tuned.report.decisions[0].reason


@pytest.mark.parametrize("wrong", [{"c"}, {"a", "c"}, {"a", "b", "c"}])
def test_layers_that_give_other_values_stay_native_and_the_others_do_not(told, monkeypatch, wrong):
    told(FAST)
    real, tried = api.convert_file, []

    def convert(model, options, *rest):
        changed = [text != "native" for text, _ in options.choices]
        tried.append(changed)
        if wrong & {name for name, is_changed in zip("abc", changed, strict=True) if is_changed}:
            problem = f"the converted model {job.UNLIKE}; it was not written"
            raise sd.SplitDeconvError(problem, where="output a", expected="1", got="differs by 2")
        return real(model, options, *rest)

    monkeypatch.setattr(api, "convert_file", convert)
    tuned = sd.tune(branches(), on="told")
    native = {layer.name for layer in tuned.layers if layer.variant == NATIVE}
    assert native == wrong
    reasons = {layer.name: layer.reason for layer in tuned.layers}
    for name in wrong:
        assert reasons[name] == (
            "unchanged: split concat gives other values (output a: differs by 2)"
        )
    assert tuned.changed == 3 - len(wrong)
    kinds = models.kinds(onnx.load_model_from_string(tuned.model))
    assert kinds.count("ConvTranspose") == len(wrong)
    for right, got in zip(outputs(branches()), outputs(tuned.model), strict=True):
        np.testing.assert_allclose(got, right, atol=1e-5)


def test_an_error_that_is_not_about_values_ends_the_run(told, monkeypatch):
    told(FAST)

    def convert(*_):
        raise sd.SplitDeconvError("out of time", where="in", expected="60 s", got="61 s")

    monkeypatch.setattr(api, "convert_file", convert)
    with refused("out of time"):
        sd.tune(branches(), on="told")


def test_if_the_whole_is_slower_with_any_layer_the_original_is_kept(told):
    told(FAST, wholes=[0.9, 0.9, 0.9])
    tuned = sd.tune(branches(), on="told")
    assert tuned.changed == 0
    assert tuned.model == branches()


def test_a_budget_tries_the_largest_first_and_says_what_was_not_tried(told, monkeypatch):
    oracle = told(FAST)
    clock = iter([0.0, 0.0, 5.0])
    monkeypatch.setattr(costing, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    tuned = sd.tune(branches(), on="told", budget=3)
    assert oracle.asked == ["a"]  # 1,440 products for each output channel; c has 450
    assert [str(layer.variant) for layer in tuned.layers] == ["split concat"] * 2 + ["native"]
    assert "not tried" in tuned.layers[2].reason
    assert any("1 layer was not tried" in note for note in tuned.notes)


def test_only_selected_layers_are_asked_for(told):
    oracle = told(FAST)
    tuned = sd.tune(branches(), on="told", layers="^c$")
    assert oracle.asked == ["c"]
    assert [str(layer.variant) for layer in tuned.layers] == ["native", "native", "split concat"]


def test_a_layer_that_is_not_selected_stays_native_though_its_like_is_costed(told):
    told(FAST)
    tuned = sd.tune(branches(), on="told", layers="^b$")
    assert [str(layer.variant) for layer in tuned.layers] == ["native", "split concat", "native"]
    assert [layer.reason for layer in tuned.layers][::2] == ["unchanged: not selected"] * 2


def test_the_report_on_an_original_that_is_kept_says_so(told):
    told({"native": 100, "split concat": 100})
    tuned = sd.tune(branches(), on="told")
    assert tuned.report.converted == 0
    reasons = [decision.reason for decision in tuned.report.decisions]
    assert reasons == [layer.reason for layer in tuned.layers]
    assert "1.00 times the speed of native, told by a test" in reasons[0]


def test_an_original_that_is_kept_runs_elsewhere_with_its_data(told, tmp_path):
    told({"native": 100, "split concat": 100})
    (tmp_path / "in").mkdir()
    path, elsewhere = tmp_path / "in" / "in.onnx", tmp_path / "out.onnx"
    model = onnx.load_model_from_string(branches())
    onnx.save(model, path, save_as_external_data=True, location="in.data", size_threshold=0)
    assert sd.tune(path, on="told").save(elsewhere) == elsewhere
    for name in ("in.onnx", "in.data"):
        (tmp_path / "in" / name).unlink()
    for right, got in zip(outputs(branches()), outputs(elsewhere.read_bytes()), strict=True):
        np.testing.assert_array_equal(got, right)


def test_rules_tell_layers_apart_that_differ_only_in_what_is_cropped(told, tmp_path):
    x, w, _ = models.arrays(1, (7, 5), (4, 4), 1, (3, 4))
    halved = {"strides": [2, 2]}
    nodes = [
        onnx.helper.make_node("ConvTranspose", ["x", "w"], ["a"], name="a", **halved),
        onnx.helper.make_node("ConvTranspose", ["x", "w"], ["b"], name="b", pads=[1] * 4, **halved),
    ]
    ends = [models.value(name, "float32", [None] * 4) for name in "ab"]
    data = models.model(nodes, [models.value("x", x.dtype, x.shape)], ends, {"w": w})
    data = data.SerializeToString()
    told(FAST | {("a", "rows concat"): 40})
    path = rules.write(sd.tune(data, on="told"), tmp_path / "told.yaml")
    assert sd.inspect(data, target=path)["form"].tolist() == ["rows", "split"]


def test_rules_leave_all_of_a_geometry_of_which_one_was_taken_back(told, tmp_path):
    told(FAST, wholes=[0.9, 1.2])
    tuned = sd.tune(branches(), on="told", layers="a|b")
    assert [layer.taken_back for layer in tuned.layers] == [True, False, False]
    path = rules.write(tuned, tmp_path / "told.yaml")
    assert sd.inspect(branches(), target=path)["verdict"].tolist() == ["leave"] * 3
    assert "prefer: []" in path.read_text()
    assert "are all left native" in path.read_text()


def test_what_was_learnt_becomes_a_target(told, tmp_path):
    told(FAST | {("c", "split concat"): 200, ("c", "native"): 100})
    tuned = sd.tune(branches(), on="told")
    path = rules.write(tuned, tmp_path / "told.yaml")
    verdicts = sd.inspect(branches(), target=path)
    assert verdicts["verdict"].tolist() == ["convert", "convert", "leave"]
    assert verdicts["form"].tolist()[:2] == ["split", "split"]
    assert verdicts["interleave"].tolist()[:2] == ["concat", "concat"]
    assert "2.00 times" in verdicts["reason"][0]
    other = models.single(*models.arrays(1, (9, 9), (4, 4), 1, (3, 4))[:2], strides=[2, 2])
    assert sd.inspect(other.SerializeToString(), target=path)["verdict"].tolist() == ["leave"]


def test_a_real_runtime_is_asked_and_the_result_is_verified(tmp_path):
    path = tmp_path / "up.tflite"
    path.write_bytes(deconv_model(Deconv(sizes=(6, 5), kernel=(5, 4), cin=5, cout=6)))
    tuned = sd.tune(path, on="litert", threads=1)
    (layer,) = tuned.layers
    assert layer.costs[layer.variant].amount > 0
    assert {str(variant) for variant in layer.costs} >= {"native", "split concat", "rows concat"}
    assert tuned.changed == 0 or tuned.report.verification.passed
    assert tuned.facts["threads"] == 1


def test_open_sizes_are_not_costed_at_sizes_that_nobody_chose(told):
    """A runtime would give the file of the layer alone one pixel."""
    oracle = told(FAST)
    case = Deconv(sizes=(6, 5), kernel=(5, 4), cin=5, cout=6, open_image=True)
    tuned = sd.tune(deconv_model(case), on="told")
    assert oracle.files == [{}]
    assert {c.reason for c in tuned.layers[0].costs.values() if c.reason} <= {OPEN}
    fixed = sd.tune(deconv_model(case), on="told", input_shape=(1, 6, 5, 5))
    assert NATIVE in oracle.files[1]
    assert fixed.changed == 1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"on": "litter"}, "unknown oracle 'litter'"),
        ({"on": "vela:ethos-x"}, "accelerator"),
        ({"on": "libtpu:v9"}, "generation"),
        ({"on": "litert"}, "does not judge onnx"),
        ({"on": "openvino", "model": deconv_model(Deconv())}, "does not judge tflite"),
        ({"on": "none.yaml"}, "processor"),
        ({"on": "pe_array_32x7", "threads": 0}, "threads"),
        ({"on": "pe_array_32x7", "budget": -1}, "budget"),
        ({"on": "pe_array_32x7", "layers": "("}, "layer pattern"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments, match):
    with refused(match):
        sd.tune(**{"model": branches()} | arguments)


def test_an_oracle_that_is_not_installed_is_refused(monkeypatch):
    from splitdeconv.toolchains import vela

    monkeypatch.setattr(vela, "available", lambda: "Vela is not installed: pip install it")
    with refused("cannot be asked here") as caught:
        sd.tune(branches(), on="vela:ethos-u55-256")
    assert caught.value.got == "Vela is not installed: pip install it"


def test_a_model_in_memory_is_refused():
    import keras

    with refused("tune reads model files"):
        sd.tune(keras.Sequential([keras.Input((4, 4, 1))]), on="keras")
