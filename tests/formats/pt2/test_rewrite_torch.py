"""Programs compute the same with plain convolutions: every geometry, form, rank and type."""

import numpy as np
import pytest
import torch
from torch import nn

import splitdeconv as sd
from splitdeconv.core.forms import FILE_FORMS
from tests.formats.pt2.programs_torch import (
    Decoder,
    export,
    is_plain,
    kinds,
    layer,
    numbers,
    run,
    whole,
)

# in, out, kernel, stride, padding, output_padding, dilation, groups; and the input's lengths.
CASES = [
    ((6, 4, (5,), (2,), (1,), (1,), (1,), 1), (7,)),
    ((4, 6, (16,), (8,), (4,), (0,), (1,), 2), (5,)),
    ((3, 5, (3,), (2,), (0,), (0,), (2,), 1), (6,)),
    ((6, 4, (4, 4), (2, 2), (1, 1), (0, 0), (1, 1), 1), (5, 7)),
    ((6, 4, (5, 3), (3, 2), (2, 0), (1, 0), (1, 1), 2), (4, 6)),
    ((4, 4, (3, 3), (2, 2), (1, 1), (1, 1), (1, 1), 4), (5, 4)),
    ((3, 2, (3, 4), (1, 2), (0, 2), (0, 1), (2, 1), 1), (6, 5)),
    ((2, 5, (2, 2), (3, 3), (0, 0), (2, 1), (1, 1), 1), (3, 4)),
    ((4, 3, (3, 3), (2, 2), (0, 0), (0, 0), (1, 1), 1), (1, 1)),
    ((3, 4, (3, 5, 2), (2, 2, 2), (1, 2, 0), (1, 0, 0), (1, 1, 1), 1), (3, 2, 4)),
    ((4, 6, (3, 3, 3), (2, 1, 3), (1, 1, 0), (0, 0, 2), (1, 2, 1), 2), (3, 4, 2)),
]


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("form", FILE_FORMS)
@pytest.mark.parametrize(("case", "sizes"), CASES)
def test_every_geometry_and_form_is_exact(case, sizes, form, decomposed):
    module = layer(case)
    x = numbers(2, case[0], *sizes)
    program = export(module, x, decomposed=decomposed)
    for interleave in ("concat", "transpose"):
        made = sd.convert(program, form=form, interleave=interleave, verify=False).model
        assert is_plain(made)
        y = run(made, x)
        with torch.no_grad():
            expected = module(x)
        # Whole numbers: every sum is exact, in any order.
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(("case", "sizes"), CASES)
def test_the_definition_gives_the_same(case, sizes):
    cin, _, kernel, stride, pad, longer, dilation, groups = case
    module = layer(case, bias=False)
    x = numbers(2, cin, *sizes)
    made = sd.convert(export(module, x), verify=False).model
    rank = len(sizes)
    plan = sd.plan(sizes, kernel, stride, [(p, p) for p in pad], None, longer, dilation, groups)
    from splitdeconv.core.definition import conv_transpose

    # (cin, cout // groups, *kernel) in PyTorch, (*kernel, cout // groups, cin) here.
    filters = module.weight.detach().numpy().transpose(*range(2, rank + 2), 1, 0)
    channels_last = x.numpy().transpose(0, *range(2, rank + 2), 1)
    expected = conv_transpose(channels_last, filters, plan)
    np.testing.assert_array_equal(
        run(made, x).numpy(), expected.transpose(0, rank + 1, *range(1, rank + 1))
    )


@pytest.mark.parametrize("form", FILE_FORMS)
@pytest.mark.parametrize(("case", "sizes"), [CASES[i] for i in (0, 4, 6, 9)])
def test_open_batch_and_lengths_stay_open(case, sizes, form):
    module = layer(case)
    program = export(module, numbers(2, case[0], *sizes), open_axes=(0, *range(2, len(sizes) + 2)))
    result = sd.convert(program, form=form)
    assert result.report.verification
    for batch, step in ((1, 2), (3, 5)):
        x = numbers(batch, case[0], *(n + step for n in sizes))
        with torch.no_grad():
            np.testing.assert_array_equal(run(result.model, x), module(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_float_type_is_kept(dtype):
    module = layer(CASES[4][0], dtype)
    x = numbers(2, 6, 4, 6, dtype=dtype)
    result = sd.convert(export(module, x))
    assert result.report.verification
    y = run(result.model, x)
    assert y.dtype == dtype
    assert {v.dtype for v in result.model.state_dict.values()} == {dtype}
    with torch.no_grad():
        # Whole numbers below 2048 are exact in float16 and, below 256, in bfloat16.
        torch.testing.assert_close(
            y, module(x), rtol=2**-7 if dtype == torch.bfloat16 else 0, atol=0
        )


def test_an_input_without_a_batch_keeps_its_rank():
    module = layer(CASES[3][0])
    x = numbers(6, 5, 7)
    result = sd.convert(export(module, x))
    assert result.report.verification
    with torch.no_grad():
        np.testing.assert_array_equal(run(result.model, x), module(x))


def test_a_program_of_several_inputs_and_outputs_keeps_its_names():
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(3, 2, 3, 2)

        def forward(self, x, scale=None, *, shift):
            y = self.up(x)
            return {"y": y, "moved": (y * scale, y + shift["by"])}

    module = whole(Several()).eval()
    x, scale, shift = numbers(1, 3, 4, 5), numbers(1), {"by": numbers(2, 1, 1)}
    program = torch.export.export(module, (x,), {"scale": scale, "shift": shift})
    result = sd.convert(program)
    assert result.report.verification
    assert len(result.report.verification.outputs) == 3
    assert [s.arg.name for s in result.model.graph_signature.output_specs] == [
        s.arg.name for s in program.graph_signature.output_specs
    ]
    made = result.model.module()(x, scale=scale, shift=shift)
    torch.testing.assert_close(made, module(x, scale, shift=shift), rtol=0, atol=0)


def test_the_original_is_not_changed():
    module, x = Decoder(), numbers(1, 6, 4, 5)
    program = export(module, x, open_axes=(0, 2))
    code, names = program.graph_module.code, list(program.state_dict)
    sd.convert(program)
    assert program.graph_module.code == code
    assert list(program.state_dict) == names
    assert not is_plain(program)


@pytest.mark.parametrize(
    "norm",
    [
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
    ],
    ids=["weight_norm", "spectral_norm", "hooked weight_norm", "hooked spectral_norm"],
)
@pytest.mark.filterwarnings("ignore")  # the hooks are deprecated
def test_filters_that_are_computed_from_stored_tensors_are_cut_beforehand(norm):
    module = norm(whole(nn.ConvTranspose1d(4, 3, 5, 2))).eval()
    x = numbers(1, 4, 9)
    program = export(module, x)
    assert len(kinds(program)) > 1  # the filters are computed in the program
    result = sd.convert(program)
    assert result.report.verification
    assert kinds(result.model) <= {
        *("aten.conv1d.default", "aten.cat.default", "aten.reshape.default", "aten.slice.Tensor"),
        *("aten.constant_pad_nd.default", "aten.permute.default", "aten.clone.default"),
    }
    torch.testing.assert_close(run(result.model, x), module(x).detach(), rtol=1e-5, atol=1e-5)


def test_filters_that_come_from_the_input_are_cut_when_it_runs():
    class Dynamic(nn.Module):
        def forward(self, x, w, b):
            return nn.functional.conv_transpose2d(x, w, b, stride=2, padding=1, groups=2)

    x, w, b = numbers(1, 4, 3, 5), numbers(4, 3, 5, 4), numbers(6)
    program = export(Dynamic(), x, w, b)
    for form in FILE_FORMS:
        result = sd.convert(program, form=form)
        assert result.report.verification
        assert is_plain(result.model)
        np.testing.assert_array_equal(run(result.model, x, w, b), Dynamic()(x, w, b))


def test_a_shared_weight_is_kept_for_those_that_still_read_it():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(3, 3, 3, 2)

        def forward(self, x):
            return nn.functional.conv2d(self.up(x), self.up.weight)

    module, x = whole(Tied()), numbers(1, 3, 4, 4)
    made = sd.convert(export(module, x)).model
    assert "up.weight" in made.state_dict
    np.testing.assert_array_equal(run(made, x), module(x).detach())
    alone = sd.convert(export(whole(nn.ConvTranspose2d(3, 3, 3, 2)), x)).model
    assert "weight" not in alone.state_dict


def test_calls_of_one_module_share_their_filters():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose1d(3, 3, 4, 2)

        def forward(self, x):
            return self.up(self.up(x))

    module, x = whole(Twice()), numbers(1, 3, 5)
    for axes in ((), (2,)):
        made = sd.convert(export(module, x, open_axes=axes), form="split").model
        np.testing.assert_array_equal(run(made, x), module(x).detach())
        stored = sum(value.numel() for value in made.state_dict.values())
        assert stored == sum(value.numel() for value in module.parameters())


def test_gradients_reach_the_new_filters():
    module, x = whole(nn.ConvTranspose2d(3, 2, 4, 2, 1)), numbers(1, 3, 4, 4)
    made = sd.convert(export(module, x), form="split").model.module()
    made(x).square().sum().backward()
    module(x).square().sum().backward()
    ours = {name: p.grad for name, p in made.named_parameters() if p.grad is not None}
    total = sum(g.sum() for name, g in ours.items() if "phase" in name)
    # Every tap is in one phase, so that the gradients are those of the taps, in another order.
    assert total == module.weight.grad.sum() != 0
    np.testing.assert_array_equal(ours["bias"], module.bias.grad)


def test_a_changed_filter_is_noticed():
    module, x = layer(CASES[4][0]), numbers(2, 6, 4, 6)
    program = export(module, x)
    made = sd.convert(program, form="split").model
    assert sd.verify(program, made)
    first = next(name for name in made.state_dict if "phase" in name)
    with torch.no_grad():
        made.state_dict[first].ravel()[0] += 1
    assert not sd.verify(program, made)
