"""The layers of a program as rows: those of its ONNX file, or one error that names the operator."""

import io
import warnings

import pytest
import torch
from torch import nn

from splitdeconv.convert.rows import read
from splitdeconv.dlp import simulate
from splitdeconv.formats.pt2.archive import file
from tests.formats.pt2.programs_torch import Decoder, export
from tests.refusals import refused


class Mixed(nn.Module):
    """Convolutions with every kind of padding, a transposed one, and products with matrices."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, (5, 3), (2, 1), (2, 0))
        self.grouped = nn.Conv2d(8, 12, 3, padding=2, dilation=2, groups=4)
        self.same = nn.Conv2d(12, 6, (5, 3), padding="same")
        self.valid = nn.Conv2d(6, 6, 2, padding="valid")
        self.up = nn.ConvTranspose2d(6, 4, 5, 3, 1, 2)
        self.dense = nn.Linear(4, 7)
        self.matrix = nn.Parameter(torch.randn(7, 5))

    def forward(self, x):
        y = self.valid(self.same(self.grouped(self.first(x))))
        y = self.up(y).permute(0, 2, 3, 1)
        return torch.relu(self.dense(y)) @ self.matrix


class Audio(nn.Module):
    """One axis, and filters that are computed from stored tensors."""

    def __init__(self):
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        self.first = norm(nn.Conv1d(4, 6, 7, padding=3, dilation=1))
        self.up = norm(nn.ConvTranspose1d(6, 3, 16, 8, 4))

    def forward(self, x):
        return torch.tanh(self.up(self.first(x)))


def rows(program):
    return read("pt2", file.save(program), "the program")


def in_onnx(program):
    """The rows of the program's ONNX file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.onnx.export(program, (), dynamo=True, verbose=False)
    buffer = io.BytesIO()
    made.save(buffer)
    return read("onnx", buffer.getvalue(), "the file")


def nameless(table):
    return [{key: value for key, value in row.items() if key != "name"} for row in table]


@pytest.mark.parametrize(
    ("module", "shape", "decomposed"),
    [
        (Mixed(), (2, 3, 17, 12), False),
        (Audio(), (1, 4, 10), False),
        (Audio(), (1, 4, 10), True),
        (Decoder(), (1, 6, 4, 5), True),
    ],
    ids=["mixed", "audio", "audio decomposed", "decoder decomposed"],
)
def test_the_rows_are_those_of_the_onnx_file(module, shape, decomposed):
    program = export(module, torch.randn(shape), decomposed=decomposed)
    assert nameless(rows(program)) == nameless(in_onnx(export(module, torch.randn(shape))))


def test_a_decomposed_product_is_the_same_row():
    module, x = (
        nn.Sequential(nn.Flatten(), nn.Linear(12, 5, bias=False), nn.Linear(5, 3)),
        (2, 3, 4),
    )
    tables = [rows(export(module, torch.randn(x), decomposed=d)) for d in (False, True)]
    assert nameless(tables[0]) == nameless(tables[1])
    assert [(row["c_in"], row["c_out"]) for row in tables[1]] == [(12, 5), (5, 3)]


def test_an_open_batch_is_one_image():
    opened = export(Mixed(), torch.randn(2, 3, 17, 12), open_axes=(0,))
    closed = export(Mixed(), torch.randn(1, 3, 17, 12))
    assert nameless(rows(opened)) == nameless(rows(closed))


def test_a_file_is_simulated(tmp_path):
    path = tmp_path / "model.pt2"
    path.write_bytes(file.save(export(Decoder(), torch.randn(1, 6, 4, 5))))
    made = simulate(path, "pe_array_32x7", "sd_trimmed")
    assert (made["cycles"] > 0).all()
    assert len(made) >= 2


class Volume(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose3d(2, 3, 2, 2)

    def forward(self, x):
        return self.up(x)


class Attention(nn.Module):
    def forward(self, x):
        return nn.functional.scaled_dot_product_attention(x, x, x)


class Products(nn.Module):
    def forward(self, x):
        return x @ x.transpose(-1, -2)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (lambda: export(Volume(), torch.randn(1, 2, 3, 3, 3)), "one or two axes"),
        (lambda: export(Attention(), torch.randn(1, 2, 3, 4)), "scaled_dot_product_attention"),
        (lambda: export(Products(), torch.randn(1, 3, 4)), "aten.matmul"),
        (lambda: export(nn.LSTM(3, 4), torch.randn(5, 1, 3)), "aten.lstm"),
        (
            lambda: export(Mixed(), torch.randn(1, 3, 17, 12), open_axes=(2,)),
            "export the program at fixed sizes",
        ),
    ],
    ids=["volume", "attention", "product", "lstm", "open"],
)
def test_what_cannot_be_counted_is_named(program, words):
    with refused("the operations of a layer cannot be counted") as caught:
        rows(program())
    assert words in str(caught.value)
