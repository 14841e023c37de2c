"""Forms are timed against each other and compared by value; failures become reasons."""

from functools import partial
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.study import gains
from splitdeconv.toolchains import cpu
from splitdeconv.toolchains.cpu import (
    litert as litert_run,
    onnxruntime as ort,
    package as cpu_package,
)
from splitdeconv.toolchains.cpu.child import draw
from splitdeconv.toolchains.models import onnx as onnx_export, tflite as litert
from tests.formats.onnx import models
from tests.toolchains.cpu.deconv import layer
from tests.toolchains.needs import needs

needs_openvino = needs("openvino")
FEW = {"threads": (1,), "turns": 3, "budget": 1.0}
ANSWERS = """
import json, sys
for line in sys.stdin:
    forms = json.loads(line)["files"]
    print(json.dumps({{"facts": dict.fromkeys(forms, {told}), "calls": {calls}}}), flush=True)
"""


def test_litert_runs_every_form_and_equal_files_once(files):
    found = cpu.measure("litert", files | {"auto": files["split"]}, **FEW | {"threads": (1, 2)})
    assert found["form"].tolist() == 2 * ["native", "nzp", "split", "auto"]
    assert found["threads"].tolist() == 4 * [1] + 4 * [2]
    assert found["complete"].all()
    assert found["skipped"].isna().all()
    # Sums of 27 terms of order one, relative to the largest: a few roundings of 6e-8 each.
    assert (found["error"] < 2e-6).all()
    times = found.set_index(["threads", "form"])[["seconds", "speedup", "low", "high", "turns"]]
    assert (times.loc[(1, "split")] == times.loc[(1, "auto")]).all()
    assert (times.loc[(1, "native"), ["speedup", "low", "high", "turns"]] == [1, 1, 1, 3]).all()


def test_a_choice_that_is_native_is_timed_as_native(files):
    found = cpu.measure("litert", {"native": files["native"], "auto": files["native"]}, **FEW)
    assert found["speedup"].tolist() == [1, 1]
    assert found["error"].tolist() == [0, 0]


def test_threads_are_the_interpreters(monkeypatch):
    asked = []

    class Interpreter:
        def __init__(self, **options):
            asked.append(options)

        def allocate_tensors(self):
            pass

    monkeypatch.setattr(litert_run, "require", lambda *_: SimpleNamespace(Interpreter=Interpreter))
    litert_run._interpreter(b"a file", 3)
    assert asked == [{"model_content": b"a file", "num_threads": 3}]


@pytest.mark.parametrize("runtime", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_onnx_runtimes_compute_every_form_in_single_precision(runtime):
    made = {form: onnx_export.rewritten(layer(), form)[0] for form in ("native", "nzp", "split")}
    found = cpu.measure(runtime, made, **FEW)
    assert found["complete"].all()
    # bfloat16, which OpenVINO would take by itself where the CPU has it, is off by 1e-3.
    assert (found["error"] < 2e-6).all()
    assert found["version"].str.fullmatch(r"\w+ [\d.]+").all()


def test_a_wrong_value_is_seen(files):
    keras.utils.set_random_seed(0)
    other = layer()
    other.set_weights([np.roll(w, 1, axis=0) for w in other.get_weights()])
    found = cpu.measure("litert", files | {"shifted": litert.export(other)}, **FEW).set_index(
        "form"
    )
    assert found.loc["shifted", "error"] > 0.1
    assert found.loc["split", "error"] < 2e-6


def test_what_a_runtime_does_not_take_costs_one_row(files):
    given = {"native": files["native"], "broken": b"no model", "absent": "too large to try"}
    given |= {"odd": litert.export(layer(channels=3)), "split": files["split"]}
    found = cpu.measure("litert", given, **FEW).set_index("form")
    assert found["complete"].to_dict() == {
        "native": True,
        "broken": False,
        "absent": False,
        "odd": False,
        "split": True,
    }
    assert "LiteRT rejected the model" in found.loc["broken", "skipped"]
    assert found.loc["absent", "skipped"] == "too large to try"
    assert (
        "invalid output: shapes [[1, 12, 10, 3]], but the first form has [[1, 12, 10, 4]]"
        in found.loc["odd", "skipped"]
    )
    assert np.isnan(found.loc["odd", "seconds"])
    ratio = found.loc["native", "seconds"] / found.loc["split", "seconds"]
    assert 0.1 < ratio / found.loc["split", "speedup"] < 10


def test_an_output_that_is_not_finite_is_a_reason(files):
    endless = layer()
    endless.set_weights([np.full_like(w, np.inf) for w in endless.get_weights()])
    found = cpu.measure("litert", files | {"endless": litert.export(endless)}, **FEW).set_index(
        "form"
    )
    assert found.loc["endless", "skipped"] == "invalid output: some values are not finite"
    assert found.loc["split", "complete"]


def test_without_a_baseline_there_are_seconds_and_neither_speedups_nor_errors(files):
    found = cpu.measure(
        "litert", {"native": b"", "split": files["split"], "nzp": files["nzp"]}, **FEW
    ).set_index("form")
    assert (found.loc[["split", "nzp"], "seconds"] > 0).all()
    assert found[["speedup", "low", "high", "error"]].isna().all(axis=None)


@pytest.mark.parametrize("runtime", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_a_file_of_another_kind_is_a_reason(files, runtime):
    (row,) = cpu.measure(runtime, {"native": b"no model"}, **FEW).to_dict("records")
    assert "rejected the model" in row["skipped"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import time; time.sleep(60)", r"took longer than 0\.6 s"),
        ("import sys; sys.exit('segfault')", "the process ended with code 1: segfault"),
        (
            r"import sys; sys.exit('segfault\nhttps://a.b/trace')",
            "the process ended with code 1: segfault",
        ),
        ("while input(): print('hello', flush=True)", "unexpected answer: 'hello'"),
        ("while input(): print('{\"facts\": {}}', flush=True)", "unexpected answer: {'facts': {}}"),
        ("while input(): print('7', flush=True)", "unexpected answer: 7"),
        ("while input(): print('[]', flush=True)", r"unexpected answer: \[\]"),
        (ANSWERS.format(told="None", calls="[]"), r"unexpected answer: {'facts': {'\w+': None}"),
        (ANSWERS.format(told="{}", calls="[[1]]"), r"unexpected answer: .*\[\[1\]\]"),
        (ANSWERS.format(told="{}", calls="[[0, 'other', 1.0]]"), "unexpected answer: .*'other'"),
    ],
)
def test_a_runtime_that_hangs_or_breaks_is_a_reason(tmp_path, monkeypatch, script, reason):
    (tmp_path / "broken_child.py").write_text(script)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # Only what hangs has to be waited for: elsewhere a busy machine may take its time.
    found = cpu.measure(
        "litert",
        {"native": b"a", "split": b"b"},
        **FEW | {"budget": 0.1},
        timeout=0.5 if "longer than" in reason else 30,
        runner="broken_child",
    )
    assert found["skipped"].str.contains(reason).all()
    assert not found["complete"].any()


def test_what_a_runtime_prints_is_no_answer(tmp_path, monkeypatch, files):
    (tmp_path / "loud_child.py").write_text(
        "import os\n"
        "from splitdeconv.toolchains.cpu import child, litert\n"
        "load = litert.load\n"
        "def loud(*arguments):\n"
        "    os.write(1, b'{\"facts\": {}}\\n7\\n')\n"
        "    print('loaded', flush=True)\n"
        "    return load(*arguments)\n"
        "litert.load = loud\n"
        "child.main()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = cpu.measure("litert", files, **FEW, runner="loud_child")
    assert found["complete"].all(), found["skipped"].tolist()


@pytest.mark.parametrize("runtime", cpu.RUNTIMES)
def test_a_runtime_that_is_missing_or_of_a_wrong_version_is_a_reason(monkeypatch, runtime):
    package = cpu.RUNTIMES[runtime].PACKAGE
    for version, reason in (
        (None, "is not installed: pip install"),
        ("0.1.2", "is too old"),
        ("new", "expected MAJOR.MINOR"),
    ):
        monkeypatch.setattr(cpu_package, "installed", lambda _, version=version: version)
        found = cpu.measure(runtime, {"native": b""}, **FEW)
        assert found["skipped"].str.startswith(package).all()
        assert found["skipped"].str.contains(reason).all()
        assert not found["complete"].any()


@pytest.mark.parametrize(
    "given",
    [{"turns": 0}, {"turns": 1.5}, {"budget": -1}, {"timeout": float("inf")}, {"threads": (1, 0)}],
)
def test_what_nothing_can_be_timed_with_is_refused(given):
    (argument,) = given
    with pytest.raises(
        SplitDeconvError,
        match=rf"( must be a positive integer|invalid [a-z]+)\n  where: {argument}\n",
    ):
        cpu.measure("litert", {"native": b""}, **given)


def test_an_unknown_runtime_is_refused():
    with pytest.raises(SplitDeconvError, match="unknown runtime"):
        cpu.measure("tensorrt", {})
    with pytest.raises(SplitDeconvError, match="unknown runtime"):
        cpu.version("tensorrt")


def test_costs_are_paired_ratios(files):
    found = cpu.measure("litert", files, **FEW).assign(
        network="dcgan", layer="a", runtime="litert", dtype="float32"
    )
    priced = cpu.costs(found)
    assert set(priced["configuration"]) == {"litert float32, 1 thread"}
    (gain,) = gains.gains(priced, form="split", cost="cost")["gain"]
    assert gain == pytest.approx(found.set_index("form").loc["split", "speedup"], rel=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_floats_of_each_width_that_onnx_runtime_computes_are_drawn(dtype):
    x, w, _ = models.arrays(5, (6, 4), (3, 3), 1, (2, 3), dtype)
    data = models.single(x, w, strides=[2, 2]).SerializeToString()
    run, outputs = ort.load(data, 1, partial(draw, 7))
    run()
    (values,) = outputs()
    feed = {"x": draw(7, 0, x.shape, x.dtype)}
    np.testing.assert_array_equal(values, models.run(data, feed)[0])
    assert values.dtype == dtype


def test_an_input_that_cannot_be_drawn_is_a_reason():
    nodes = [models.node("Identity", ["x"], "y")]
    data = models.model(
        nodes, [models.value("x", "bool", [2])], [models.value("y", "bool", [2])]
    ).SerializeToString()
    with pytest.raises(SplitDeconvError, match="cannot be drawn") as caught:
        ort.load(data, 1, None)
    assert caught.value.got == "tensor(bool)"


def test_a_dynamic_input_is_a_reason():
    import onnx

    model = onnx.load_from_string(onnx_export.export(layer()))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    with pytest.raises(SplitDeconvError, match="must have a fixed shape"):
        ort.load(model.SerializeToString(), 1, None)
