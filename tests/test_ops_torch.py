"""The operators on PyTorch tensors: memory, autocast, compiler, export, vmap."""

import numpy as np
import pytest
import torch

import splitdeconv as sd
from splitdeconv.core.forms import FORMS
from tests.layer import CIN, COUT, FIRST, SIZES, STRIDES, data, definition, operator

#: 6 products of O(1): 6 * eps * 6.
TOLERANCE = {torch.float64: 1e-13, torch.float32: 5e-6}


def _first(a):
    return torch.tensor(np.moveaxis(a, -1, 1).copy())


@pytest.mark.parametrize("form", ["auto", *FORMS])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_first_keeps_the_order_in_memory(rank, form):
    x, w = data(rank)
    expected = np.moveaxis(definition(x, w), -1, 1)
    layouts = {1: [], 2: [torch.channels_last], 3: [torch.channels_last_3d]}[rank]
    for layout in (torch.contiguous_format, *layouts):
        source = _first(x).contiguous(memory_format=layout)
        y = operator(rank)(source, w, None, STRIDES[:rank], data_format=FIRST[rank], form=form)
        np.testing.assert_allclose(y, expected, rtol=0, atol=TOLERANCE[y.dtype])
        assert y.is_contiguous(memory_format=layout)


def test_channels_last_memory_is_a_view_for_the_convolutions(monkeypatch):
    """Neither order is copied on its way into the convolutions."""
    from splitdeconv.core.backends import torch as backend

    given, convolve = [], torch.nn.functional.conv2d

    def watching(x, *arguments):
        given.append(x)
        return convolve(x, *arguments)

    monkeypatch.setitem(backend._CONVOLUTIONS, 2, watching)
    x = torch.randn(2, 5, 4, CIN)
    for source, data_format in ((x, "NHWC"), (x.movedim(-1, 1).contiguous(), "NCHW")):
        sd.conv2d_transpose(source, torch.ones(2, 2, COUT, CIN), None, 2, "SAME", data_format)
    assert len(given) == 2  # "stacked": the kernel equals the stride
    assert given[0].data_ptr() == x.data_ptr()
    assert given[0].is_contiguous(memory_format=torch.channels_last)
    assert given[1].data_ptr() == source.data_ptr()
    assert given[1].is_contiguous()


def test_an_output_shape_that_is_not_the_default_and_groups():
    x, w = (torch.tensor(a) for a in (data(2)[0][..., :2], data(2)[1][..., :2]))
    plan = sd.plan((5, 4), (4, 3), (2, 3), output_shape=(9, 11), groups=2)
    y = sd.conv2d_transpose(x, w, torch.tensor([2, 9, 11, 2 * COUT]), (2, 3))
    np.testing.assert_array_equal(y, sd.apply(plan, x, w))
    assert y.shape == (2, 9, 11, 2 * COUT)


@pytest.mark.parametrize("form", ["auto", *FORMS])
def test_an_empty_batch(form):
    x, w = torch.zeros(0, 5, 4, CIN, requires_grad=True), torch.ones(4, 3, COUT, CIN)
    y = sd.conv2d_transpose(x, w.requires_grad_(), None, 2, form=form)
    assert y.shape == (0, 10, 8, COUT)
    y.sum().backward()
    assert not w.grad.any()


@pytest.mark.parametrize("form", ["auto", *FORMS])
@pytest.mark.parametrize("types", [(torch.float32, torch.float32), (torch.bfloat16, torch.float32)])
def test_autocast(types, form):
    """As PyTorch's own operator: of either type, computed and returned in the lower one."""
    x, w = (torch.tensor(a).to(dtype) for a, dtype in zip(data(2), types, strict=True))
    w.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = sd.conv2d_transpose(x, w, None, (2, 3), form=form)
        first = x.movedim(-1, 1), w.permute(3, 2, 0, 1)
        own = torch.nn.functional.conv_transpose2d(*first, None, (2, 3), 1, 1)
    assert y.dtype == own.dtype == torch.bfloat16
    exact = [tensor.detach().bfloat16().double().numpy() for tensor in (x, w)]
    bound = 7 * 2.0**-8 * definition(*map(abs, exact))
    assert (abs(y.detach().double().numpy() - definition(*exact)) <= bound).all()
    y.sum().backward()
    assert w.grad.dtype == torch.float32


@pytest.mark.parametrize("form", ["auto", *FORMS])
def test_vmap(form):
    """Over images, over filters, and over both, with gradients for each image."""
    x = torch.tensor(data(2)[0]).unflatten(0, (2, 1))
    w = torch.stack([torch.tensor(data(2)[1]), -2 * torch.tensor(data(2)[1])])

    def run(x, w):
        return sd.conv2d_transpose(x, w, None, 2, form=form)

    for dims in ((0, None), (None, 0), (0, 0)):
        first = torch.func.vmap(run, dims)(
            *(a if d == 0 else a[0] for a, d in zip((x, w), dims, strict=True))
        )
        for i in range(2):
            one = run(x[i if dims[0] == 0 else 0], w[i if dims[1] == 0 else 0])
            torch.testing.assert_close(first[i], one, rtol=0, atol=1e-13)
    per_image = torch.func.vmap(torch.func.grad(lambda w, x: run(x, w).pow(2).sum()), (None, 0))(
        w[0], x
    )
    torch.testing.assert_close(
        per_image.sum(0),
        torch.func.grad(lambda w: run(x.flatten(0, 1), w).pow(2).sum())(w[0]),
        rtol=1e-12,
        atol=0,
    )


@pytest.mark.parametrize("form", ["auto", *FORMS])
def test_the_compiler_reads_it_without_a_break(form):
    x, w = (torch.tensor(a) for a in data(2))
    torch._dynamo.reset()

    @torch.compile(fullgraph=True, backend="aot_eager")
    def run(x, w):
        return torch.tanh(sd.conv2d_transpose(x, w, (2, 10, 12, COUT), (2, 3), form=form))

    results = []
    for function in (run, run.__wrapped__):
        leaves = x.clone().requires_grad_(), w.clone().requires_grad_()
        y = function(*leaves)
        y.pow(2).sum().backward()
        results.append((y, *(leaf.grad for leaf in leaves)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        results[0][0].detach(), np.tanh(definition(x, w)), rtol=0, atol=1e-13
    )


def test_the_compiler_reads_plans_and_sizes_that_change():
    plan = sd.plan((None, None), (4, 3), (2, 3), form="stacked", pad_to=[3])
    torch._dynamo.reset()
    run = torch.compile(
        lambda x, w: sd.apply(plan, x, w, interleave="transpose"),
        fullgraph=True,
        backend="aot_eager",
    )
    w = torch.tensor(data(2)[1])
    for height, width in ((5, 4), (3, 7), (6, 2)):
        x = torch.randn(2, height, width, CIN, dtype=torch.float64)
        np.testing.assert_allclose(run(x, w), definition(x, w), rtol=0, atol=1e-13)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch, of its own code
@pytest.mark.slow
def test_inductor():
    """The compiler's own code; it needs a C++ compiler."""
    x, w = (torch.tensor(a) for a in data(2, np.float32))
    torch._dynamo.reset()
    run = torch.compile(
        lambda x, w: sd.conv2d_transpose(x, w, None, (2, 3), form="split"), fullgraph=True
    )
    np.testing.assert_allclose(run(x, w), definition(x, w), rtol=0, atol=TOLERANCE[x.dtype])


class _Model(torch.nn.Module):
    def __init__(self, form):
        super().__init__()
        self.w, self.form = torch.nn.Parameter(torch.tensor(data(2)[1])), form

    def forward(self, x):
        return sd.conv2d_transpose(x, self.w, None, (2, 3), form=self.form)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("form", ["split", "stacked"])
def test_export_has_small_convolutions_and_keeps_open_sizes(form, strict):
    x = torch.tensor(data(2)[0])
    dims = {i: torch.export.Dim(name, min=2, max=64) for i, name in enumerate("nhw")}
    program = torch.export.export(_Model(form), (x,), dynamic_shapes=(dims,), strict=strict)
    names = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert sum(name.startswith("aten.conv2d") for name in names) == {"split": 6, "stacked": 1}[form]
    assert not any("conv_transpose" in name for name in names)
    for shape in ((2, *SIZES[:2], CIN), (3, 7, 2, CIN)):
        x = torch.randn(shape, dtype=torch.float64)
        y = program.module()(x).detach()
        np.testing.assert_allclose(y, definition(x, data(2)[1]), rtol=0, atol=1e-13)
