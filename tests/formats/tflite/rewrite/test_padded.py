"""CONV_2D padded to accepted kernel sizes: values, the sizes in the file, and when unchanged.

Values are compared with LiteRT's own TRANSPOSE_CONV, and floats with the definition in NumPy.
"""

import numpy as np
import pytest

from splitdeconv.core.definition import conv_transpose
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.core.kernels import Kernels
from splitdeconv.core.plan import SplitPlan
from splitdeconv.formats.tflite.graph import constant, operator_name, ports
from tests.formats.tflite.cases import CASES
from tests.formats.tflite.models import (
    REFERENCE,
    XNNPACK,
    Deconv,
    convert,
    deconv_model,
    run,
    unpack,
)

ODD = Kernels((1, 3, 5, 7, 9))
SQUARE = Kernels(((3, 3), (5, 5), (9, 9)))
KINDS = ["float32", "float16", "int8", "uint8", "int16x8"]


def kernels_in(data):
    """The kernel sizes of all convolutions of a file, read from their filters."""
    contents = unpack(data)
    (graph,) = contents.subgraphs
    sizes = [
        tuple(int(n) for n in graph.tensors[ports(one.inputs)[1]].shape[1:3])
        for one in graph.operators
        if operator_name(contents, one) == "CONV_2D"
    ]
    assert sizes
    return sizes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FILE_FORMS)
def test_values_and_sizes(kind, form):
    for case in CASES[::3]:
        case = case.with_(kind=kind)
        x, original = case.input(), deconv_model(case)
        expected = run(original, x, kernels=REFERENCE)
        for kernels in (ODD, SQUARE):
            for interleave in ("concat", "transpose"):
                padded = convert(original, form, interleave, kernels=kernels)
                assert all(kernels.holding(size) == size for size in kernels_in(padded)), case
                # The reference kernels add the same products in the same order, and zeros.
                y = run(padded, x, kernels=REFERENCE)
                np.testing.assert_array_equal(y, expected, err_msg=str(case))


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8"])
def test_values_on_xnnpack(kind):
    for case in CASES[1::5]:
        case = case.with_(kind=kind)
        x, original = case.input(), deconv_model(case)
        expected = run(original, x, kernels=XNNPACK)
        y = run(convert(original, "split", "concat", kernels=ODD), x, kernels=XNNPACK)
        if kind == "float32":
            np.testing.assert_allclose(y, expected, atol=1e-5 * max(np.abs(expected).max(), 1))
        else:  # two families of kernels may round a tie apart
            assert np.abs(y.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("form", FILE_FORMS)
def test_an_open_image_stays_open(form):
    case = Deconv(kernel=(4, 5), strides=(2, 2), kind="int8", cin=3, cout=6, open_image=True)
    original = deconv_model(case)
    padded = convert(original, form, "depth_to_space", kernels=ODD)
    assert all(ODD.holding(size) == size for size in kernels_in(padded))
    for sizes in ((1, 2), (5, 4), (7, 9)):
        x = case.input(sizes=sizes)
        expected = run(original, x, kernels=REFERENCE)
        np.testing.assert_array_equal(run(padded, x, kernels=REFERENCE), expected)


def test_floats_compute_the_definition():
    case = Deconv(sizes=(5, 7), kernel=(4, 4), strides=(2, 2), padding="SAME", kind="float32")
    case = case.with_(cin=3, cout=2, activation="NONE", bias=False)
    original = deconv_model(case)
    contents = unpack(original)
    (weights,) = (t for t in contents.subgraphs[0].tensors if t.name == b"weights")
    filters = np.transpose(constant(contents, weights).astype("f8"), (1, 2, 0, 3))
    x = case.input()
    exact = conv_transpose(x.astype("f8"), filters, SplitPlan(case.axes, 1, "split"))
    for form in FILE_FORMS:
        padded = convert(original, form, "depth_to_space", kernels=ODD)
        assert set(kernels_in(padded)) == {(3, 3)}
        # Sums of 12 products in single precision.
        np.testing.assert_allclose(
            run(padded, x, kernels=REFERENCE), exact, atol=1e-5 * np.abs(exact).max()
        )


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_sizes_that_fit_leave_the_file_as_it_is(kind):
    fitting, changed = Kernels(tuple(range(1, 20))), 0
    for case in CASES[::4]:
        original = deconv_model(case.with_(kind=kind))
        for form in FILE_FORMS:
            plain = convert(original, form)
            assert convert(original, form, kernels=fitting) == plain
            odd = convert(original, form, kernels=ODD)
            even = any(n % 2 == 0 for size in kernels_in(plain) for n in size)
            assert (odd != plain) == even
            changed += even
    assert changed > 10


def test_padding_can_save_the_pad_operator():
    """4x4 stride 2: all four phases read the image through SAME padding of 3x3 kernels."""
    case = Deconv(sizes=(8, 8), kernel=(4, 4), strides=(2, 2), padding="SAME", kind="int8")
    contents = unpack(convert(deconv_model(case), "split", "concat", kernels=ODD))
    names = [operator_name(contents, one) for one in contents.subgraphs[0].operators]
    assert "PAD" not in names
    assert names.count("CONV_2D") == 4
