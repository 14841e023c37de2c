"""A network that cannot be exported costs rows with reasons, and no other network."""

import runpy
from pathlib import Path

import numpy as np
import onnx
import pytest

from splitdeconv import SplitDeconvError, networks
from splitdeconv.study import gains
from splitdeconv.toolchains.models import benchmark as models

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "measure_cpu.py"
LAYERS = ["deconv1", "deconv2", "deconv3"]


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT), run_name="measure_cpu")


def refuse(*_, **__):
    raise SplitDeconvError("no memory", got="a large network")


@pytest.mark.parametrize("runtime", ["litert", "openvino"])
def test_every_row_that_is_missing_has_the_reason(script, monkeypatch, runtime):
    monkeypatch.setattr(models, "layers", refuse)
    monkeypatch.setattr(models, "network", refuse)
    monkeypatch.setattr(networks, "build", refuse)
    for part, wanted in (("layers", LAYERS), ("whole", [gains.WHOLE])):
        found = list(script["sources"](part, runtime, "float32", "dcgan"))
        assert found == [(layer, "no memory: a large network") for layer in wanted]
        assert all(script["facts"](part, "dcgan", layer)["macs"] > 0 for layer in wanted)


def test_what_was_exported_before_stays(script, monkeypatch):
    def half(*_, **__):
        yield "deconv1", b"a file"
        refuse()

    monkeypatch.setattr(models, "layers", half)
    monkeypatch.setattr(models, "rewritten", lambda file, form: (file, form))
    (first, make), *rest = script["sources"]("layers", "litert", "int8", "dcgan")
    assert (first, make("split")) == ("deconv1", (b"a file", "split"))
    assert rest == [(layer, "no memory: a large network") for layer in LAYERS[1:]]


def test_a_reason_takes_the_place_of_times(script):
    rows = script["timed"]("onnxruntime", "float32", "no memory", {}, turns=3, budget=0.1)
    assert rows["form"].tolist() == ["native", "nzp", "split", "auto"] * 2
    assert (rows["skipped"] == "no memory").all()
    assert not rows["complete"].any()


def test_layers_alone_are_made_for_files_of_onnx(script):
    found = dict(script["sources"]("layers", "onnxruntime", "float32", "dcgan"))
    assert list(found) == LAYERS
    native = networks.build("dcgan", "native")
    for layer, make in found.items():
        data, kept = make("native")
        values = map(onnx.numpy_helper.to_array, onnx.load_from_string(data).graph.initializer)
        (stored,) = (constant for constant in values if constant.ndim == 4)
        np.testing.assert_array_equal(
            stored, np.transpose(native.get_layer(layer).kernel, (3, 2, 0, 1))
        )
        assert kept == ["native"]
