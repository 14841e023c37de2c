"""Programs of PyTorch are tuned like other files: cut, costed, converted, and never slower."""

import pytest
import torch
from torch import nn

import splitdeconv as sd
from splitdeconv.formats.pt2.archive import file
from splitdeconv.formats.registry import format_of
from splitdeconv.limits import sandbox
from splitdeconv.tuning import api
from splitdeconv.tuning.oracle import Cost
from tests import jobs
from tests.formats.pt2.programs_torch import Decoder, export, kinds, run
from tests.refusals import refused
from tests.tuning.models import Told


@pytest.fixture(autouse=True)
def _costs(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLITDECONV_COSTS", str(tmp_path / "costs"))
    monkeypatch.setattr(sandbox, "run", jobs.here)


class Watching(Told):
    """Reads the file of each variant, while it is there, and runs it."""

    formats = ("pt2",)

    def costs(self, subject):
        self.results = getattr(self, "results", {})
        if not subject.files:
            return {variant: Cost.missing(reason) for variant, reason in subject.reasons.items()}
        torch.manual_seed(2)
        x = None
        for variant, path in subject.files.items():
            program = format_of("pt2").parse(path).serialize()
            (runner,) = format_of("pt2").load(path).values()
            (port,) = runner.inputs
            x = torch.randint(-5, 8, port.shape).float().numpy() if x is None else x
            (made,) = runner({port.name: x}).values()
            self.results[subject.site.name, str(variant)] = made, kinds(program)
        return super().costs(subject)


@pytest.fixture
def told(monkeypatch):
    def told(amounts, wholes=()):
        oracle = Watching(amounts, wholes)
        monkeypatch.setattr(api, "oracle", lambda *_, **__: oracle)
        return oracle

    return told


class Branches(nn.Module):
    """Two layers of one geometry, one in 1-D with groups, and one whose filters are computed."""

    def __init__(self):
        super().__init__()
        self.a = nn.ConvTranspose2d(3, 4, 4, 2, 1)
        self.b = nn.ConvTranspose2d(3, 4, 4, 2, 1)
        self.c = nn.ConvTranspose1d(6, 4, 5, 3, groups=2, dilation=2)
        self.d = nn.utils.parametrizations.weight_norm(nn.ConvTranspose2d(3, 2, (5, 3), (3, 2)))

    def forward(self, x):
        row = torch.cat([x[:, :, 0], x[:, :, 1]], 1)
        return self.a(x), self.b(x), self.c(row), self.d(x)


@pytest.mark.parametrize("open_axes", [(), (0,)])
def test_each_layer_is_cut_out_once_and_in_every_variant(told, open_axes):
    oracle = told({"native": 100, "split concat": 50})
    x = torch.randn(2, 3, 5, 6)
    content = file.save(export(Branches(), x, open_axes=open_axes))
    tuned = sd.tune(content, on="told")
    assert len(oracle.asked) == 3  # b has the geometry of a
    for name in oracle.asked:
        native, operators = oracle.results[name, "native"]
        assert any("transpose" in operator for operator in operators)
        assert native.shape[0] == (1 if open_axes else 2)
        others = {v: r for (n, v), r in oracle.results.items() if n == name and v != "native"}
        assert {"split concat", "split transpose", "stacked concat"} <= others.keys()
        for made, operators in others.values():
            assert not any("conv_transpose" in operator for operator in operators)
            assert abs(made - native).max() <= 1e-5 * abs(native).max()
    assert tuned.changed == 4
    assert tuned.report.verification
    original = format_of("pt2").parse(content).serialize()
    for right, got in zip(run(original, x), run(tuned.model, x), strict=True):
        torch.testing.assert_close(got, right, rtol=1e-4, atol=1e-5)


def test_a_layer_with_a_normalization_behind_it_is_costed_without(told):
    oracle = told({"native": 100, "split concat": 50})
    content = file.save(export(Decoder(), torch.randn(1, 6, 4, 5)))
    assert sd.tune(content, on="told").changed == 2
    assert all("batch_norm" not in str(o) for _, o in oracle.results.values())


def test_a_whole_that_is_slower_is_taken_back_and_the_original_saved(told, tmp_path):
    told({"native": 100, "split concat": 50}, wholes=[0.9, 0.9])
    content = file.save(export(Decoder(), torch.randn(1, 6, 4, 5)))
    tuned = sd.tune(content, on="told")
    assert tuned.changed == 0
    assert tuned.save(tmp_path / "same.pt2").read_bytes() == content


def test_open_lengths_are_not_costed_until_they_are_fixed(told):
    oracle = told({"native": 100, "split concat": 50})
    content = file.save(export(Decoder(), torch.randn(2, 6, 4, 5), open_axes=(0, 2)))
    tuned = sd.tune(content, on="told")
    assert "only known at run time" in tuned.layers[0].reason
    assert not oracle.results
    assert sd.tune(content, on="told", input_shape={"x": (1, 6, 4, 5)}).changed == 2


def test_pytorch_itself_is_asked(tmp_path):
    path, out = tmp_path / "model.pt2", tmp_path / "tuned.pt2"
    path.write_bytes(file.save(export(Decoder(), torch.randn(1, 6, 4, 5))))
    tuned = sd.tune(path, on="torch", threads=1)
    assert tuned.unit == "s"
    assert "torch 2." in tuned.evidence
    for layer in tuned.layers:
        costs = {str(variant): cost for variant, cost in layer.costs.items()}
        assert costs["native"].amount > 0
        assert costs["split concat"].amount > 0
    tuned.save(out)
    x = torch.randn(1, 6, 4, 5)
    right = run(format_of("pt2").parse(path).serialize(), x)
    got = run(format_of("pt2").parse(out).serialize(), x)
    torch.testing.assert_close(got, right, rtol=1e-4, atol=1e-5)


def test_other_formats_are_refused(tmp_path):
    from tests.tuning.models import branches

    with refused("the oracle torch does not judge onnx models"):
        sd.tune(branches(), on="torch")
    with refused("the oracle onnxruntime does not judge pt2 models"):
        sd.tune(file.save(export(Decoder(), torch.randn(1, 6, 4, 5))), on="onnxruntime")
