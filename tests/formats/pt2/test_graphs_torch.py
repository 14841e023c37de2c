"""Programs around the transposed convolution: views, writes, names, regions, random filters."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import splitdeconv as sd
from tests.formats.pt2.programs_torch import export, is_plain, kinds, run


class Stored(nn.Module):
    """A transposed convolution by a stored filter, in a function of the test's."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(2)
        self.register_buffer("w", torch.randn(2, 3, 4))
        self.register_buffer("spread", torch.rand(2, 3, 4) + 0.5)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


def up(x, w):
    return functional.conv_transpose1d(x, w, stride=2, padding=1)


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("interleave", ["concat", "transpose"])
@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
def test_a_result_can_be_viewed(kernel, interleave, decomposed):
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(3, 4, kernel, 2, 1)

        def forward(self, x):
            y = self.up(x)
            return y.view(x.shape[0], -1), functional.relu(self.up(x)), y

    x = torch.randn(2, 3, 5, 4)
    program = export(Flat(), x, decomposed=decomposed)
    made = sd.convert(program, form="split", interleave=interleave).model
    for right, got in zip(run(program, x), run(made, x), strict=True):
        torch.testing.assert_close(got, right, rtol=1e-4, atol=1e-5)
        assert got.stride() == right.stride()


def test_a_result_that_only_computations_read_is_not_copied():
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.ConvTranspose2d(3, 4, 3, 2, 1), nn.Conv2d(4, 2, 3)

        def forward(self, x):
            return torch.tanh(self.b(functional.relu(self.a(x))))

    program = export(Chain(), torch.randn(1, 3, 5, 4))
    assert not any("clone" in kind for kind in kinds(sd.convert(program).model))


def add_before(self, x):
    self.w.add_(1)
    return up(x, self.w)


def scale_inside(self, x):
    return up(x, self.w.mul_(0.5))


def through_a_view(self, x):
    self.w.view(-1)[3:5].fill_(7)
    return up(x, self.w)


def of_a_computed_filter(self, x):
    w = self.w * 2
    flat = w.view(-1)
    w.add_(1)
    return up(x, flat.view(2, 3, 4))


def between_two_reads(self, x):
    first = up(x, self.w)
    self.w.mul_(2)
    return first + up(x, self.w)


@pytest.mark.parametrize(
    "function",
    [add_before, scale_inside, through_a_view, of_a_computed_filter, between_two_reads],
    ids=lambda function: function.__name__,
)
def test_filters_that_are_written_to_are_read_when_the_program_runs(function):
    x = torch.randn(1, 2, 5)
    program = export(Stored(function), x)
    before = {name: value.clone() for name, value in program.state_dict.items()}
    rows = sd.inspect(program)
    made = sd.convert(program, verify=False).model
    assert set(rows["verdict"]) == {"convert"}
    assert all(torch.equal(before[name], value) for name, value in program.state_dict.items())
    assert is_plain(made)
    # Twice: the first run may change what the second one reads.
    right = [run(program, x), run(program, x)]
    for name, value in before.items():
        made.state_dict[name].copy_(value)
    for expected in right:
        torch.testing.assert_close(run(made, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        lambda self, x: up(x, torch.normal(self.w, self.spread)),
        lambda self, x: up(x, torch.poisson(self.spread)),
        lambda self, x: up(x, self.w + torch.rand_like(self.w)),
        lambda self, x: up(x, functional.dropout(self.w, training=True)),
    ],
    ids=["normal", "poisson", "rand_like", "dropout"],
)
def test_random_filters_are_drawn_anew_each_time(function):
    x = torch.randn(1, 2, 5)
    program = export(Stored(function), x)
    made = sd.convert(program, verify=False).model
    assert not torch.equal(run(made, x), run(made, x))
    results = []
    for one in (program, made):
        torch.manual_seed(3)
        results.append(run(one, x))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


def test_a_program_without_inputs_is_converted():
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.z = nn.Parameter(torch.randn(1, 3, 4))
            self.up = nn.ConvTranspose1d(3, 8, 4, 2)

        def forward(self):
            return self.up(self.z)

    program = export(Learned())
    made = sd.convert(program).model
    assert is_plain(made)
    torch.testing.assert_close(run(made), run(program), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("names", [("up-1", "up_1"), ("a b", "1"), ("class_", "é")])
def test_modules_may_have_names_that_are_no_names_of_python(names):
    module = nn.Sequential()
    for name in names:
        module.add_module(name, nn.ConvTranspose1d(3, 3, 4, 2))
    x = torch.randn(1, 3, 5)
    program = export(module, x)
    made = sd.convert(program).model
    torch.testing.assert_close(run(made, x), run(program, x), rtol=1e-5, atol=1e-5)


def test_names_that_differ_by_a_dot_do_not_collide():
    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.b = nn.ConvTranspose1d(3, 3, 4, 2)

        def forward(self, x):
            return self.b(x)

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.a_b = Inner(), nn.ConvTranspose1d(3, 3, 4, 2)

        def forward(self, x):
            return self.a_b(self.a(x))

    x = torch.randn(1, 3, 5)
    program = export(Outer(), x)
    made = sd.convert(program).model
    torch.testing.assert_close(run(made, x), run(program, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("channels", "length"), [(10, 5), (6, 3)])
def test_a_normalization_of_another_axis_is_left_alone(channels, length):
    module = nn.Sequential(nn.ConvTranspose1d(3, 6, 2, 2), nn.BatchNorm1d(channels)).eval()
    torch.manual_seed(4)
    module[1].running_mean.normal_()
    module[1].running_var.uniform_(0.5, 2)
    x = torch.randn(3, length)  # without a batch, which the normalization takes the channels for
    program = export(module, x)
    made = sd.convert(program, verify=False).model
    torch.testing.assert_close(run(made, x), run(program, x), rtol=1e-5, atol=1e-5)


def test_a_folded_layer_reads_its_input_where_it_did():
    class Changed(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.norm = nn.ConvTranspose1d(3, 6, 4, 2), nn.BatchNorm1d(6)

        def forward(self, x):
            x = x * 1
            y = self.up(x)
            x.add_(1)
            return self.norm(y), x

    x = torch.randn(2, 3, 5)
    program = export(Changed(), x)
    result = sd.convert(program)
    assert result.report.folded == 1
    for right, got in zip(run(program, x), run(result.model, x), strict=True):
        torch.testing.assert_close(got, right, rtol=1e-5, atol=1e-5)


def test_layers_in_regions_are_left_with_the_reason():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose1d(3, 6, 4, 2)

        def forward(self, x):
            with torch.no_grad():
                y = self.up(x)
            return y * 2

    rows = sd.inspect(export(Frozen(), torch.randn(1, 3, 5)))
    assert "a region of torch.no_grad (export the model in one)" in rows["reason"][0]
    with torch.no_grad():
        program = export(Frozen(), torch.randn(1, 3, 5))
    assert is_plain(sd.convert(program).model)
