"""A batch normalization behind a transposed convolution goes into its filters, or is left alone."""

import pytest
import torch
from torch import nn

import splitdeconv as sd
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.formats.pt2 import folding
from tests.formats.pt2.programs_torch import export, is_plain, kinds, run


class Normalized(nn.Module):
    """A transposed convolution and a batch normalization with statistics of its own."""

    def __init__(self, rank=2, groups=1, bias=True, affine=True):
        super().__init__()
        torch.manual_seed(5)
        kernel = (4, 3, 5)[:rank]
        self.up = getattr(nn, f"ConvTranspose{rank}d")(4, 6, kernel, 2, 1, groups=groups, bias=bias)
        self.norm = getattr(nn, f"BatchNorm{rank}d")(6, affine=affine)
        for name, value in (*self.norm.named_parameters(), *self.norm.named_buffers()):
            if value.dtype.is_floating_point:
                value.data = torch.rand_like(value) * 3 + (0.1 if "var" in name else -1.7)

    def forward(self, x):
        return self.norm(self.up(x))


def double(module, x):
    """The result in float64, which float32 is held against."""
    with torch.no_grad():
        return module.double()(x.double())


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("form", FILE_FORMS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("groups", "bias", "affine"), [(1, True, True), (2, False, False)])
def test_it_is_folded_exactly(rank, groups, bias, affine, form, decomposed):
    module, x = Normalized(rank, groups, bias, affine), torch.randn(2, 4, *(5, 6, 4)[:rank])
    program = export(module, x, decomposed=decomposed)
    result = sd.convert(program, form=form)
    assert result.report.folded == 1
    assert is_plain(result.model)
    assert not any("batch_norm" in name for name in kinds(result.model))
    assert not any("norm" in name for name in result.model.state_dict if "num_" not in name)
    y, expected = run(result.model, x), double(module, x)
    # About 5 * 4 * 2 products of at most 30, each rounded to half a unit of float32.
    torch.testing.assert_close(y.double(), expected, rtol=0, atol=40 * 30 * 2**-24)


def test_it_can_be_turned_off():
    module, x = Normalized(), torch.randn(2, 4, 5, 6)
    result = sd.convert(export(module, x), fold=False)
    assert not result.report.folded
    assert "aten.batch_norm.default" in kinds(result.model)


@pytest.mark.parametrize("groups", [1, 2])
def test_scales_of_other_channels_are_noticed(groups, monkeypatch):
    right = folding.folded

    def wrong(weight, bias, groups, norm, constants):
        filters, moved = right(weight, bias, groups, norm, constants)
        return filters.flip(1), moved

    monkeypatch.setattr("splitdeconv.formats.pt2.rewrite.folded", wrong)
    module, x = Normalized(groups=groups), torch.randn(2, 4, 5, 6)
    program = export(module, x)
    made = sd.convert(program, verify=False).model
    assert sd.verify(program, made)  # unverified, nothing is folded
    result = sd.convert(program)
    assert result.report.verification
    assert not result.report.folded
    assert "aten.batch_norm.default" in kinds(result.model)
    assert any("nothing was folded into the layers" in note for note in result.report.notes)


class Twice(Normalized):
    def forward(self, x):
        y = self.up(x)
        return self.norm(y) + y


class Training(Normalized):
    def forward(self, x):
        y = self.up(x)
        return nn.functional.batch_norm(y, None, None, training=True)


@pytest.mark.parametrize("kind", [Twice, Training])
def test_what_cannot_be_folded_stays(kind):
    module, x = kind(), torch.randn(2, 4, 5, 6)
    result = sd.convert(export(module, x))
    assert not result.report.folded
    assert "aten.batch_norm.default" in kinds(result.model)
    torch.testing.assert_close(
        run(result.model, x), run(export(module, x), x), rtol=1e-4, atol=1e-4
    )
