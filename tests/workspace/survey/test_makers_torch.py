"""Every export of a PyTorch network computes what the module does, and goes through the survey."""

import warnings

import onnx
import pytest
import torch

from tests.workspace.survey.test_survey import Direct
from tools.survey import __main__ as survey, judge, maker, modules, table
from tools.survey.entries import EXPORTS, Entry

#: Two transposed convolutions, of 2-D, behind a normalization; 3 to 5 to 2 channels.
NETWORK = {
    "network": "decoder",
    "framework": "torch",
    "family": "tests",
    "make": "tests.workspace.survey.test_makers_torch:Decoder",
    "config": {"channels": 5},
    "inputs": {"x": {"normal": [1, 3, 6, 7]}},
    "take": "image",
}


class Decoder(torch.nn.Module):
    """A network with several outputs, of which one is taken."""

    def __init__(self, channels):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.ConvTranspose2d(3, channels, 4, 2, 1),
            torch.nn.BatchNorm2d(channels),
            torch.nn.ReLU(),
            torch.nn.ConvTranspose2d(channels, 2, 3, 2, 1, 1),
        )

    def forward(self, x):
        image = self.layers(x)
        return {"mean": image.mean(), "image": image}


@pytest.mark.parametrize("export", EXPORTS["torch"])
def test_an_export_is_converted_and_right(export, monkeypatch):
    entry = Entry(export=export, **NETWORK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters', on their own code
        row = survey.surveyed(entry, Direct(maker.answer), Direct(judge.answer), False)
    assert (row["outcome"], row["reason"]) == ("converted", "")
    assert row["converted"] == row["layers"] == 2
    assert row["rounding"] <= table.allowed(export)
    assert row["error"] <= table.allowed(export)


def test_a_legacy_file_has_its_opset_and_open_sizes(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for export in ("onnx legacy 11", "onnx legacy dynamic", "onnx dynamic"):
            maker.made(vars(Entry(export=export, **NETWORK)), tmp_path)
    old = onnx.load(tmp_path / "decoder.onnx_legacy_11.onnx")
    assert old.opset_import[0].version == 11
    opened = [
        [
            dim.dim_param
            for dim in onnx.load(tmp_path / name).graph.input[0].type.tensor_type.shape.dim
        ]
        for name in ("decoder.onnx_legacy_dynamic.onnx", "decoder.onnx_dynamic.onnx")
    ]
    assert [list(map(bool, names)) for names in opened] == [
        [True, False, False, True],
        [True, False, False, False],
    ]


def test_weights_are_seeded_by_the_network_and_large_enough():
    entry = Entry(export="onnx", **NETWORK)
    first, second = (modules.module(entry) for _ in range(2))
    x = torch.ones(1, 3, 6, 7)
    torch.testing.assert_close(first(x), second(x), rtol=0, atol=0)
    assert first(x).std() > 0.1
    other = modules.module(Entry(export="onnx", **NETWORK | {"network": "another"}))
    assert (other(x) != first(x)).any()


def test_an_output_is_taken_by_name_by_index_or_as_the_first():
    a, b = torch.zeros(1), torch.ones(1)
    assert modules._first({"a": None, "b": b}, None) is b
    assert modules._first([a, [b]], 1) is b
    assert modules._first({"a": a, "b": b}, "b") is b
