"""The converted program's tensors lie in memory as the original's, as views and strides show."""

import io

import pytest
import torch
from torch import nn
from torch.nn import functional

import splitdeconv as sd
from splitdeconv.formats.pt2.layout import Layout, laid_out, layout_of
from tests.formats.pt2.programs_torch import export, is_plain, kinds, numbers, run, whole

LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


class Read(nn.Module):
    """A transposed convolution whose result a function of the test's reads."""

    def __init__(self, read, rank=2, kernel=4, padding=0):
        super().__init__()
        kind = getattr(nn, f"ConvTranspose{rank}d")
        self.up = whole(kind(4, 3, kernel, 2, padding))
        self.norm = nn.BatchNorm2d(3)
        with torch.no_grad():
            self.norm.running_mean.copy_(torch.tensor([1.0, -3.0, 2.0]))
            self.norm.running_var.copy_(torch.tensor([4.0, 0.25, 1.0]))
        self.read = read

    def forward(self, x):
        return self.read(self, self.up(x))


def as_it_is(_, y):
    return y


def viewed(_, y):
    return y.permute(0, 2, 3, 1).view(y.shape[0], -1)


def strided(_, y):
    return torch.as_strided(y, (3, 4), (12, 1))


def strided_behind_a_relu(_, y):
    return torch.as_strided(functional.relu(y), (3, 4), (12, 1))


def strided_behind_a_normalization(module, y):
    return torch.as_strided(module.norm(y), (3, 4), (12, 1))


READERS = [as_it_is, viewed, strided, strided_behind_a_relu, strided_behind_a_normalization]


def same(made, program, x, tolerance=0.0):
    """Compare results and their strides; returns the result."""
    y, right = run(made, x), run(program, x)
    torch.testing.assert_close(y, right, rtol=tolerance, atol=tolerance)
    assert y.stride() == right.stride()
    return y


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("interleave", ["concat", "transpose"])
def test_channels_stay_last(read, batch, decomposed, interleave):
    x = numbers(batch, 4, 5, 6).to(memory_format=torch.channels_last)
    program = export(Read(read), x, decomposed=decomposed)
    result = sd.convert(program, interleave=interleave)
    assert result.report.verification
    assert is_plain(result.model)
    # A folded normalization rounds; the rest are sums of whole numbers.
    y = same(result.model, program, x, 1e-4 if "normalization" in read.__name__ else 0)
    assert y.unique().numel() > 3


def test_channels_stay_last_with_an_open_batch_and_in_a_file():
    x = numbers(2, 4, 5, 6).to(memory_format=torch.channels_last)
    program = export(Read(viewed), x, open_axes=(0,))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    loaded = torch.export.load(io.BytesIO(buffer.getvalue()))
    for original in (program, loaded):
        made = sd.convert(original).model
        for batch in (1, 3):
            x = numbers(batch, 4, 5, 6).to(memory_format=torch.channels_last)
            same(made, program, x)


def test_channels_stay_last_when_sizes_are_fixed():
    x = numbers(2, 4, 5, 6).to(memory_format=torch.channels_last)
    program = export(Read(viewed), x, open_axes=(0,))
    made = sd.convert(program, input_shape=(1, 4, 5, 6)).model
    same(made, program, x[:1])


@pytest.mark.parametrize(("rank", "batch"), [(2, 1), (2, 2), (3, 1), (3, 2)])
def test_the_layout_of_the_filters_counts_as_well(rank, batch):
    module = Read(as_it_is, rank).to(memory_format=LAST[rank])
    x = numbers(batch, 4, *(5, 3, 4)[:rank])
    program = export(module, x)
    y = same(sd.convert(program).model, program, x)
    assert y.is_contiguous(memory_format=LAST[rank])


def test_three_axes_have_the_layout_that_pytorch_really_gives_them():
    x = numbers(1, 4, 3, 5, 4).to(memory_format=torch.channels_last_3d)
    program = export(Read(as_it_is, 3), x)
    same(sd.convert(program).model, program, x)


@pytest.mark.parametrize("shape", [(1, 4, 5), (4, 5), (4, 5, 6)])
def test_without_such_a_layout_nothing_is_copied(shape):
    """Two of them look like channels last to the eye, but are not to PyTorch."""
    rank = 1 if len(shape) < 3 or shape[0] == 1 else 2
    x = numbers(*shape[:-2], shape[-1], shape[-2]).transpose(-1, -2)
    program = export(Read(as_it_is, rank), x)
    made = sd.convert(program, form="split").model
    same(made, program, x)
    assert not any("clone" in kind for kind in kinds(made))


@pytest.mark.parametrize("decomposed", [False, True])
def test_a_folded_normalization_leaves_a_result_that_can_be_viewed(decomposed):
    x = numbers(2, 4, 5, 6)
    module = Read(lambda own, y: own.norm(y).view(y.shape[0], -1), kernel=3, padding=1)
    program = export(module, x, decomposed=decomposed)
    result = sd.convert(program, form="split")
    assert result.report.folded == 1
    same(result.model, program, x, 1e-4)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_verification_notices_another_layout(batch):
    x = numbers(batch, 4, 5, 6).to(memory_format=torch.channels_last)
    program = export(Read(strided), x)
    made = sd.convert(program).model
    assert sd.verify(program, made)
    last = [node for node in made.graph.nodes if "clone" in str(node.target)][-1]
    last.kwargs = {"memory_format": torch.contiguous_format}
    made.graph_module.recompile()
    assert not sd.verify(program, made)


@pytest.mark.parametrize(
    ("like", "shape"),
    [
        (torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last), (2, 3, 4, 5)),
        (torch.empty(1, 1, 4, 5).to(memory_format=torch.channels_last), (1, 1, 4, 5)),
        (torch.empty(2, 3, 8)[:, :, ::2], (2, 3, 4)),
        (torch.empty(5, 3, 2).permute(2, 0, 1), (2, 5, 3)),
        (torch.empty(()), ()),
    ],
    ids=["channels last", "one channel", "gaps", "permuted", "scalar"],
)
def test_a_tensor_gets_the_strides_of_another_one(like, shape):
    x = numbers(*shape)
    made = laid_out(x, layout_of(like))
    assert torch.equal(made, x)
    assert made.stride() == like.stride()


def test_a_tensor_of_other_sizes_gets_the_order_of_the_axes():
    layout = layout_of(torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last))
    made = laid_out(numbers(1, 3, 6, 2), layout)
    assert torch.equal(made, numbers(1, 3, 6, 2))
    assert made.stride() == (36, 1, 6, 3)
    spread = laid_out(numbers(2, 3), layout_of(torch.empty(1, 3).expand(2, 3)))
    assert torch.equal(spread, numbers(2, 3))  # elements of their own
    assert laid_out(numbers(0, 3), Layout((2, 3), (1, 2))).shape == (0, 3)
