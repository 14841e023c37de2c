"""The layers that back ends refuse become plain convolutions with the same values."""

import warnings

import numpy as np
import pytest
import torch

import splitdeconv as sd
from splitdeconv.core.definition import conv_transpose
from tests.formats.pt2.programs_torch import is_plain, run
from tools.backends.cases import cases, program

CASES = cases()
EXACT = [case for case in CASES if case["dtype"] == "float32"]


def named(case):
    return f"{case['thread']} {case['about']}"


@pytest.mark.parametrize("case", CASES, ids=named)
@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
@pytest.mark.parametrize("core", [False, True], ids=["exported", "decomposed"])
def test_the_layer_of_each_thread_becomes_plain_convolutions(case, form, core):
    original, x = program(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, on its own code
        given = original.run_decompositions() if core else original
    result = sd.convert(given, form=form)
    assert result.report.verification
    assert is_plain(result.model)
    right, made = run(original, x), run(result.model, x)
    if case["dtype"] == "bfloat16":
        # Sums of products, each rounded to 8 bits, in two orders.
        torch.testing.assert_close(made, right, rtol=0, atol=float(2.0**-6 * right.abs().max()))
    else:
        assert torch.equal(made, right)  # sums of whole numbers are exact


@pytest.mark.parametrize("case", EXACT, ids=named)
def test_the_values_are_those_of_the_definition(case):
    original, x = program(case)
    weight, bias = (original.state_dict[name].detach().numpy() for name in ("weight", "bias"))
    rank, sizes = case["axes"], [case["length"]] * case["axes"]
    names = ("kernel", "stride", "padding", "output_padding", "dilation")
    kernel, stride, padding, longer, dilation = ([case[name]] * rank for name in names)
    crops = [(crop, crop) for crop in padding]
    plan = sd.plan(sizes, kernel, stride, crops, None, longer, dilation, case["groups"])
    filters = weight.transpose(*range(2, rank + 2), 1, 0)
    right = conv_transpose(x.numpy().transpose(0, *range(2, rank + 2), 1), filters, plan) + bias
    made = run(sd.convert(original).model, x).numpy().transpose(0, *range(2, rank + 2), 1)
    np.testing.assert_array_equal(made, right)


def test_the_threads_are_named_once_each():
    assert len({named(case) for case in CASES}) == len(CASES)
    assert all("#" in case["thread"] for case in CASES)
