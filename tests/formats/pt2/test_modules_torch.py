"""Modules: a copy whose transposed convolutions are twins, verified by value."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import splitdeconv as sd
from tests.formats.pt2.programs_torch import Decoder, export, is_plain, numbers, run, whole
from tests.refusals import refused


class Shared(nn.Module):
    """One transposed convolution in two places, and another of another rank."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 3, 3, 2, 1, output_padding=1)
        self.again = self.up
        self.line = nn.ConvTranspose1d(3, 2, 4, 2, groups=1)

    def forward(self, x):
        return self.line(self.again(self.up(x)).flatten(2))


def test_a_copy_with_twins_computes_the_same():
    module, x = whole(Shared()), numbers(2, 3, 4, 5)
    result = sd.convert(module, inputs={"x": np.stack([x, x * 2 - 1])})
    made = result.model
    assert result.report.converted == 2
    assert result.report.verification
    assert result.report.verification.method == "model"
    assert made is not module
    assert made.up is made.again
    assert type(made.up) is sd.torch.SplitConvTranspose2d
    assert type(module.up) is nn.ConvTranspose2d
    assert list(made.state_dict()) == list(module.state_dict())
    np.testing.assert_array_equal(made(x).detach(), module(x).detach())
    with torch.no_grad():
        made.up.weight.add_(1)
    assert not torch.equal(made.up.weight, module.up.weight)
    made.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(made(x).detach(), module(x).detach())


def test_without_inputs_every_layer_is_verified_alone():
    verification = sd.convert(Decoder()).report.verification
    assert verification
    assert verification.method == "operators"
    assert [output.name for output in verification.outputs] == ["first", "second"]


def test_another_weight_is_noticed():
    module = Decoder()
    made = sd.convert(module, verify=False).model
    assert sd.verify(module, made)
    with torch.no_grad():
        made.first.weight.view(-1)[3] += 1
    assert not sd.verify(module, made)


def test_a_module_that_is_a_transposed_convolution_becomes_its_twin():
    module, x = whole(nn.ConvTranspose2d(3, 2, 3, 2)), numbers(1, 3, 4, 4)
    made = sd.convert(module).model
    assert type(made) is sd.torch.SplitConvTranspose2d
    np.testing.assert_array_equal(made(x).detach(), module(x).detach())


def test_form_layers_and_kernels_are_kept():
    made = sd.convert(Decoder(), form="rows", layers="first").model
    assert made.first.form == "rows"
    assert type(made.second) is nn.ConvTranspose2d


def test_what_was_converted_exports_without_transposed_convolutions():
    module, x = Decoder().eval(), torch.randn(2, 6, 4, 5)
    made = sd.convert(module).model
    program = export(made, x)
    assert is_plain(program)
    torch.testing.assert_close(run(program, x), module(x).detach(), rtol=1e-5, atol=1e-5)


def test_the_original_is_not_changed():
    module = Decoder()
    module.norm.eval()  # frozen, while the rest trains
    before, threads = copy.deepcopy(module.state_dict()), torch.get_num_threads()
    torch.set_num_threads(1)
    sd.convert(module, inputs={"x": np.ones((2, 1, 6, 4, 5), "f")})
    assert torch.get_num_threads() == 1
    torch.set_num_threads(threads)
    assert type(module.first) is nn.ConvTranspose2d
    assert all(
        torch.equal(a, b)
        for a, b in zip(before.values(), module.state_dict().values(), strict=True)
    )
    assert module.training
    assert not module.norm.training


def test_modules_without_a_twin_are_listed_with_a_reason():
    class Own(nn.ConvTranspose2d):
        def forward(self, x):
            return super().forward(x) + 1

    model = nn.Sequential(
        nn.ConvTranspose2d(3, 3, 2, 2),
        Own(3, 3, 2, 2),
        nn.LazyConvTranspose2d(3, 2, 2),
        nn.utils.parametrizations.weight_norm(nn.ConvTranspose2d(3, 3, 2, 2)),
    )
    rows = sd.inspect(model)
    assert list(rows["verdict"]) == ["convert", "refuse", "refuse", "refuse"]
    for reason, word in zip(rows["reason"][1:], ("Own", "Lazy", "Parametrized"), strict=True):
        assert word in reason
        assert "cannot take over this module" in reason


@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
@pytest.mark.filterwarnings("ignore")  # deprecated
def test_a_module_whose_weight_a_hook_computes_is_listed_with_a_reason(norm):
    module = nn.Sequential(norm(nn.ConvTranspose1d(4, 3, 5, 2)), nn.ConvTranspose1d(3, 2, 4, 2))
    rows = sd.inspect(module)
    assert list(rows["verdict"]) == ["refuse", "convert"]
    assert "hooks or a computed weight" in rows["reason"][0]
    # As a program it is converted: the filters are stored tensors there.
    assert is_plain(sd.convert(export(module, torch.randn(1, 4, 9))).model)


def test_a_scripted_module_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated
        scripted = torch.jit.script(nn.Sequential(nn.ConvTranspose2d(3, 2, 2, 2)))
    with refused("a scripted module cannot be rewritten"):
        sd.convert(scripted)


def test_a_module_is_not_saved_as_a_program(tmp_path):
    result = sd.convert(Decoder(), verify=False)
    with refused("a module has no file of its own"):
        result.save(tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_two_kinds_of_models_are_not_compared(tmp_path):
    with refused("a model in memory can only be compared with another one of its kind"):
        sd.verify(Decoder(), tmp_path / "model.pt2")


@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 2, 3, 4, 5)])
def test_inputs_that_do_not_fit_leave_the_operators_as_proof_and_are_named(shape):
    verification = sd.convert(Decoder(), inputs={"x": np.zeros(shape, "f")}).report.verification
    assert verification.method == "operators"
    assert "the original rejected sample 0 (RuntimeError" in " ".join(verification.notes)


def test_inputs_of_other_names_are_refused():
    with refused("the inputs do not fit the model"):
        sd.convert(Decoder(), inputs={"y": np.zeros((1, 1, 6, 4, 5), "f")})
