"""Quantization of exported programs: after the split, filters are quantized per channel."""

import pytest
import torch

import splitdeconv as sd
from tests.formats.pt2.programs_torch import export
from tools.backends import ends


class Upsampler(torch.nn.Module):
    """A transposed convolution whose output channels differ by factors of 30."""

    def __init__(self, groups):
        super().__init__()
        torch.manual_seed(4)
        self.up = torch.nn.ConvTranspose2d(8, 6, 4, 2, 1, groups=groups)
        with torch.no_grad():
            self.up.weight *= torch.logspace(0, -1.5, 6 // groups)[:, None, None]

    def forward(self, x):
        return self.up(x)


@pytest.mark.filterwarnings("ignore")  # of libraries, on their own code
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("form", ["split", "stacked"])
def test_filters_of_the_result_are_quantized_per_channel(groups, form):
    x = torch.randn(1, 8, 6, 5)
    program = export(Upsampler(groups), x)
    right = program.module()(x).detach()
    made, remark = ends.pt2e(sd.convert(program, form=form).model, x)
    convolutions = 4 if form == "split" else 1
    assert remark == f"{convolutions} of {convolutions} convolutions have filters per channel"
    # Half a step of each input and each filter, in sums of 2x2 taps of a group's channels.
    weight = program.state_dict["up.weight"].detach()
    each = 6 // groups
    inputs, terms = x.abs().max(), 4 * 8 // groups
    for channel in range(6):
        rows = weight.unflatten(0, (groups, -1))[channel // each, :, channel % each]
        bound = (x.max() - x.min()) / 255 / 2 * rows.abs().sum()
        bound += rows.abs().max() / 127 / 2 * terms * inputs
        bound += (right.max() - right.min()) / 255  # results are rounded where they are joined
        assert (made - right)[:, channel].abs().max() < bound
    with pytest.raises(ValueError, match="0 of 1 convolutions have filters per channel"):
        ends.pt2e(program, x)
