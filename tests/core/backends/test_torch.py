"""PyTorch as a backend: values by two references, types, layouts, transforms and refusals."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given, settings

import splitdeconv as sd
from splitdeconv.core import backends
from splitdeconv.core.backends import numpy as reference, torch as backend
from splitdeconv.core.definition import conv_transpose, rounding_bound
from splitdeconv.core.forms import FORMS
from tests import references
from tests.core.test_apply import TOLERANCE, _interleaves
from tests.geometries import CASES, cases
from tests.refusals import refused


def _tensors(case):
    return tuple(map(torch.tensor, case.arrays()))


@pytest.mark.parametrize(("index", "case"), list(enumerate(CASES[::17])), ids=map(str, CASES[::17]))
def test_exact(index, case):
    """Every form equals the definition and PyTorch's own operator, from either kind of filters."""
    arrays, (x, w) = case.arrays(), _tensors(case)
    definition = conv_transpose(*arrays, case.plan())
    second = references.torch_nn(case, x, w).numpy()
    np.testing.assert_allclose(second, definition, rtol=0, atol=TOLERANCE)
    allowed = _interleaves(case)
    for j, form in enumerate(FORMS):
        interleave = allowed[(index + j) % len(allowed)]
        filters = arrays[1] if (index + j) % 2 else w
        if form == "native" and interleave == "depth_to_space":
            interleave = "concat"
        y = sd.apply(case.plan(form), x, filters, interleave=interleave)
        assert (type(y), y.dtype, y.device) == (torch.Tensor, x.dtype, x.device)
        np.testing.assert_allclose(y, definition, rtol=0, atol=TOLERANCE, err_msg=form)


@settings(max_examples=30)
@given(case=cases())
def test_exact_anywhere(case):
    x, w = _tensors(case)
    definition = conv_transpose(*case.arrays(), case.plan())
    for form in ("split", "rows", "native"):
        y = sd.apply(case.plan(form), x, w)
        np.testing.assert_allclose(y, definition, rtol=0, atol=TOLERANCE, err_msg=form)


@pytest.mark.parametrize(("index", "case"), list(enumerate(CASES[::31])), ids=map(str, CASES[::31]))
def test_gradients(index, case):
    """Of input and filters, against the definition read backwards."""
    r = np.random.default_rng(2).standard_normal(case.full_output_shape)
    expected = references.gradients(case, *case.arrays(), r)
    form = FORMS[index % len(FORMS)]
    x, w = (tensor.requires_grad_() for tensor in _tensors(case))
    sd.apply(case.plan(form), x, w).backward(torch.tensor(r))
    for gradient, other in zip((x.grad, w.grad), expected, strict=True):
        # As for TensorFlow: 2e3 products of O(1) are off by at most 4e-10.
        np.testing.assert_allclose(gradient, other, rtol=0, atol=1e-10, err_msg=form)


@pytest.mark.parametrize("form", FORMS)
def test_second_derivatives(form):
    plan = sd.plan((2,), 3, 2, form=form)
    x, w = (torch.randn(shape, dtype=torch.float64) for shape in ((1, 2, 2), (3, 1, 2)))
    inputs = x.requires_grad_(), w.requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, w: sd.apply(plan, x, w), inputs)


@pytest.mark.parametrize("form", FORMS)
def test_negative_controls_fail(form):
    plan = sd.plan((5, 4), (4, 3), 2, form=form)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 5, 4, 3)), rng.standard_normal((4, 3, 2, 3))
    definition, x = conv_transpose(x, w, plan), torch.tensor(x)
    right = sd.apply(plan, x, w)
    wrong = {
        "rows of taps permuted": sd.apply(plan, x, w[[1, 0, 2, 3]]),
        "flipped": sd.apply(plan, x, w[::-1, ::-1]),
        "input channels swapped": sd.apply(plan, x, w[..., ::-1]),
        "output channels swapped": sd.apply(plan, x, w[:, :, ::-1]),
        "shifted down": right.roll(1, 1),
        "images swapped": right.flip(0),
    }
    np.testing.assert_allclose(right, definition, rtol=0, atol=TOLERANCE)
    for name, other in wrong.items():
        assert np.abs(other.numpy() - definition).max() > 0.1, name


EPSILONS = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", EPSILONS)
def test_types(dtype, rank, form):
    plan = sd.plan((4, 3, 2)[:rank], (4, 3, 2)[:rank], (2, 3, 2)[:rank], form=form)
    x = torch.randn(2, *(4, 3, 2)[:rank], 3).to(getattr(torch, dtype))
    w = torch.randn(*(4, 3, 2)[:rank], 2, 3).to(x)
    y = sd.apply(plan, x, w)
    assert y.dtype == x.dtype
    exact = [tensor.double().numpy() for tensor in (x, w)]
    # The rounding of the sum to the type comes on top of the products'.
    bound = rounding_bound(*exact, plan, EPSILONS[dtype])
    assert (abs(y.double().numpy() - conv_transpose(*exact, plan)) <= bound).all()


PADS = [
    [(0, 0), (0, 0)],
    [(1, 2), (0, 3)],
    [(-1, -2), (0, -1)],
    [(-1, 2), (2, -1)],
    [(3, -4), (-4, 3)],
    [(7, -8), (-7, 5)],
]


@pytest.mark.parametrize("pads", PADS, ids=str)
def test_pad(pads):
    x = np.arange(30.0).reshape(5, 6)
    np.testing.assert_array_equal(backend.pad(torch.tensor(x), pads), reference.pad(x, pads))


@pytest.mark.parametrize("axis", range(3))
def test_take(axis):
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    indices = [[2, 0, 1], [1, 1, 0]]
    picked = backend.take(torch.tensor(x), indices, axis)
    np.testing.assert_array_equal(picked, reference.take(x, indices, axis))


def test_constants_take_type_and_device_of_the_input():
    like = torch.ones(2, dtype=torch.bfloat16, device="meta")
    constant = backend.asarray(np.array([1.5, -2.0])[::-1], like)
    assert (constant.dtype, constant.device) == (like.dtype, like.device)
    rounded = np.asarray(jnp.array([1.5, -2.0], "bfloat16"))
    made = backend.asarray(rounded, torch.ones(1))
    np.testing.assert_array_equal(made, [1.5, -2.0])


@pytest.mark.parametrize("kind", [list, np.asarray, tf.constant, jnp.asarray, torch.tensor])
def test_filters_of_any_kind(kind):
    values = [[[1.0, -2.0]], [[0.5, 3.0]], [[4.0, 0.25]]]
    filters = values if kind is list else kind(np.array(values, "float32"))
    y = sd.conv1d_transpose(torch.tensor([[[1.0, 2.0]]]), filters, None, 3)
    np.testing.assert_array_equal(y, [[[-3.0], [6.5], [4.5]]])


@pytest.mark.parametrize(
    ("vector", "values"),
    [([1, 2], (1, 2)), (torch.tensor([4, 5]), (4, 5)), (torch.ones(3, 2).shape, (3, 2))],
    ids=str,
)
def test_static_values(vector, values):
    assert backend.static_values(vector, 2) == values
    with pytest.raises(TypeError):
        backend.static_values([1.5, 2], 2)


def test_a_tensor_chooses_it_and_nothing_else_does(monkeypatch):
    assert backends.of(torch.ones(2)) is backend
    assert backends.of(torch.nn.Parameter(torch.ones(2))) is backend
    with refused("no backend for this kind of array"):
        backends.of(torch.float32)
    monkeypatch.setattr(backends, "default_library", lambda: "torch")
    made = backends.tensor([[1.5, -2.0]])
    assert isinstance(made, torch.Tensor)
    with refused("input cannot be converted to an array"):
        sd.conv1d_transpose(None, np.ones((2, 1, 1)), None, 2)


LAZY = """
import sys
import numpy as np
import torch
import splitdeconv as sd
y = sd.conv2d_transpose(torch.ones(1, 3, 4, 2), np.ones((3, 3, 5, 2)), None, 2)
assert y.shape == (1, 6, 8, 5) and y.dtype == torch.float32
loaded = {"tensorflow", "jax", "keras", "torch._dynamo"} & set(sys.modules)
assert not loaded, loaded
"""


def test_nothing_else_is_loaded():
    subprocess.run([sys.executable, "-c", LAZY], check=True, capture_output=True)


def _call(**changes):
    x, w = torch.ones(2, 5, 4, 3), torch.ones(3, 3, 2, 3)
    x, w = changes.get("x", lambda x: x)(x), changes.get("w", lambda w: w)(w)
    return sd.conv2d_transpose(x, w, None, 2)


@pytest.mark.parametrize(
    ("match", "changes"),
    [
        ("the input is not of a floating-point type", {"x": torch.Tensor.int}),
        ("the input is not of a floating-point type", {"x": torch.Tensor.cfloat}),
        ("the filters is not of a floating-point type", {"w": torch.Tensor.bool}),
        (
            "the input is not of a floating-point type",
            {"x": lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.quint8)},
        ),
        ("the input is not a dense tensor", {"x": torch.Tensor.to_sparse}),
        ("the filters is not a dense tensor", {"w": torch.Tensor.to_sparse}),
        ("input and filters are on different devices", {"w": lambda w: w.to("meta")}),
        ("incompatible types of input and filters", {"w": torch.Tensor.double}),
        ("incompatible types of input and filters", {"x": torch.Tensor.half}),
        ("incompatible types of input and filters", {"w": lambda w: w.numpy() + 1j}),
        ("the input does not fit the plan", {"x": lambda x: x[..., :2]}),
        ("the input cannot have this shape", {"x": lambda x: x[0]}),
        ("the filters cannot have this shape", {"w": lambda w: w[:0]}),
    ],
)
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_refusals(match, changes):
    with refused(match):
        _call(**changes)


def test_tensors_of_two_libraries_are_refused():
    plan = sd.plan((5, 4), 3, 2)
    with refused("arrays of different libraries"):
        sd.apply(plan, torch.ones(2, 5, 4, 3), tf.ones((3, 3, 2, 3)))
    with refused("arrays of different libraries"):
        sd.apply(plan, tf.ones((2, 5, 4, 3)), torch.ones(3, 3, 2, 3))
