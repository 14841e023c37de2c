"""PyTorch modules as twins of the originals: arguments, values, gradients, state, tools."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import splitdeconv as sd
from splitdeconv.core.forms import FORMS
from tests.refusals import refused
from tests.test_doctests import examples, failures

SIZES, CIN, COUT = (5, 4, 3), 6, 4
#: Outputs and gradients sum at most 2e3 products of O(1), in float64.
TOLERANCE = 1e-10


def pair(rank, *arguments, form="auto", interleave="concat", pad_to=None, **options):
    """PyTorch's module and its twin, each made after the same seed, in float64."""
    torch.manual_seed(4)
    original = getattr(nn, f"ConvTranspose{rank}d")(*arguments, **options, dtype=torch.float64)
    torch.manual_seed(4)
    twin = getattr(sd.torch, f"SplitConvTranspose{rank}d")(
        *arguments,
        **options,
        dtype=torch.float64,
        form=form,
        interleave=interleave,
        pad_to=pad_to,
    )
    return original, twin


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def same(one, other, **more):
    torch.testing.assert_close(one, other, rtol=0, atol=TOLERANCE, **more)


OPTIONS = [
    {"stride": 2},
    {"stride": 3, "padding": 1, "output_padding": 2, "bias": False},
    {"stride": 2, "padding": 2, "groups": 2},
    {"dilation": 2, "padding": 1},
    {"stride": 2, "dilation": 3, "padding": 3, "output_padding": 2, "groups": 2},
]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_twins(rank, options):
    """One seed: the same parameters, result and gradients, also without a batch."""
    original, twin = pair(rank, CIN, COUT, (4, 3, 2)[:rank], **options)
    results = []
    for module in (original, twin):
        x = drawn(2, CIN, *SIZES[:rank]).requires_grad_()
        y = module(x)
        y.pow(2).sum().backward()
        results.append([y, x.grad, *(p.grad for p in module.parameters()), module(x[0])])
    for one, other in zip(*results, strict=True):
        same(other, one)
    for name, value in original.state_dict().items():
        assert torch.equal(twin.state_dict()[name], value)
    assert isinstance(twin, type(original))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("interleave", ["concat", "depth_to_space", "transpose"])
def test_forms_and_interleaves(form, interleave):
    x = drawn(2, CIN, 5, 4)
    original, twin = pair(2, CIN, COUT, (5, 3), 2, 1, form=form, interleave=interleave)
    same(twin(x), original(x))
    padded = pair(2, CIN, COUT, (5, 3), 2, 1, form="split", pad_to=[1, 3])[1]
    same(padded(x), original(x))
    assert f"form={form}, interleave={interleave}" in repr(twin)


def test_negative_control():
    original, twin = pair(2, CIN, COUT, 3, 2, 1)
    x = drawn(2, CIN, 5, 4)
    with torch.no_grad():
        twin.weight[1, 2, 0, 1] += 0.5
    assert (twin(x) - original(x)).abs().max() > 0.1


def test_every_output_size():
    original, twin = pair(2, CIN, COUT, (4, 3), (3, 2), 1)
    x = drawn(2, CIN, 5, 4)
    for size in [(14, 7), (15, 8), (2, COUT, 16, 7), torch.Size([16, 8])]:
        same(twin(x, output_size=list(size)), original(x, output_size=list(size)))
    with pytest.raises(ValueError, match="requested an output size"):
        twin(x, output_size=[17, 7])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_order_in_memory_is_the_originals(layout):
    original, twin = pair(2, CIN, COUT, 3, 2, 1, form="split")
    x = drawn(2, CIN, 5, 4).contiguous(memory_format=layout)
    assert twin(x).stride() == original(x).stride()


def test_autocast_and_half_precision():
    original, twin = (module.float() for module in pair(2, CIN, COUT, 3, 2, 1))
    x = drawn(2, CIN, 5, 4).float()
    with torch.autocast("cpu", torch.bfloat16):
        y, own = twin(x), original(x)
    assert y.dtype == own.dtype == torch.bfloat16
    # 24 products and a bias of O(1), in units of 2^-8.
    torch.testing.assert_close(y, own, rtol=0, atol=0.1)
    half = twin.half()(x.half())
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), original(x), rtol=0, atol=0.02)


def test_state_is_interchangeable_and_changes_are_noticed_at_once():
    """Whatever changes the weight, the next result has it: nothing is kept between calls."""
    original, twin = pair(2, CIN, COUT, 3, 2, 1)
    original.eval(), twin.eval()
    x = drawn(2, CIN, 5, 4)
    changes = [
        lambda module: module.weight.data.mul_(2),
        lambda module: setattr(module, "weight", nn.Parameter(module.weight.flip(0).clone())),
        lambda module: nn.init.ones_(module.weight),
        lambda module: module.load_state_dict(pair(2, CIN, COUT, 3)[0].state_dict()),
    ]
    with torch.no_grad():
        for change in changes:
            before = twin(x)
            change(original), change(twin)
            same(twin(x), original(x))
            assert (twin(x) - before).abs().max() > 1e-3
    back = pair(2, CIN, COUT, 3, 2, 1)[0]
    back.load_state_dict(twin.state_dict())
    same(back(x), twin(x))


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies(travel):
    _, twin = pair(2, CIN, COUT, 3, 2, 1, form="rows", interleave="transpose", pad_to=[3])
    other, x = travel(twin), drawn(2, CIN, 5, 4)
    assert type(other) is sd.torch.SplitConvTranspose2d
    assert (other.form, other.interleave, other.pad_to) == ("rows", "transpose", [3])
    assert torch.equal(other(x), twin(x))
    assert other.weight is not twin.weight


@pytest.mark.parametrize(
    "norm",
    [
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
    ],
    ids=["weight_norm", "spectral_norm", "hooked weight_norm", "hooked spectral_norm"],
)
@pytest.mark.filterwarnings("ignore")  # the hooks are deprecated
def test_normalized_weights(norm):
    x, results = drawn(2, CIN, 5, 4), []
    for module in pair(2, CIN, COUT, 3, 2, 1):
        torch.manual_seed(1)
        module = norm(module)
        optimizer = torch.optim.SGD(module.parameters(), 0.01)
        for _ in range(3):
            optimizer.zero_grad()
            module(x).pow(2).mean().backward()
            optimizer.step()
        results.append(module(x))
    same(*results)


def test_a_twin_shares_the_parameters_of_an_existing_module():
    original, _ = pair(2, CIN, COUT, 3, 2, 1, groups=2)
    twin = sd.torch.SplitConvTranspose2d.of(original, form="split")
    assert twin.weight is original.weight
    assert twin.bias is original.bias
    x = drawn(2, CIN, 5, 4)
    same(twin(x), original(x))
    with torch.no_grad():
        original.weight.mul_(-3)
    same(twin(x), original(x))
    assert sd.torch.SplitConvTranspose2d.of(twin).form == "auto"
    original._note = original.note = "kept"
    twin = sd.torch.SplitConvTranspose2d.of(original.eval())
    assert (twin._note, twin.note, twin.training) == ("kept", "kept", False)


@pytest.mark.parametrize(
    ("make", "fix"),
    [
        (lambda: nn.LazyConvTranspose2d(COUT, 3), "call it once"),
        (lambda: nn.ConvTranspose1d(CIN, COUT, 3), "make the twin of a ConvTranspose module"),
        (lambda: nn.Conv2d(CIN, COUT, 3), "make the twin of a ConvTranspose module"),
        (
            lambda: parametrizations.weight_norm(nn.ConvTranspose2d(CIN, COUT, 3)),
            "parametrizations",
        ),
        (
            lambda: torch.ao.nn.quantized.dynamic.ConvTranspose2d(CIN, COUT, 3),
            "before it is quantized",
        ),
        (lambda: torch.ao.nn.quantized.ConvTranspose2d(CIN, COUT, 3), "before it is quantized"),
    ],
    ids=["lazy", "rank", "convolution", "weight_norm", "dynamic", "quantized"],
)
@pytest.mark.filterwarnings("ignore")  # of the accuracy of a quantized module
def test_modules_without_a_twin(make, fix):
    with refused("cannot take over this module") as caught:
        sd.torch.SplitConvTranspose2d.of(make())
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    "kind",
    [
        *("forward_pre_hook", "forward_hook", "full_backward_pre_hook", "full_backward_hook"),
        *("state_dict_pre_hook", "state_dict_post_hook"),
        *("load_state_dict_pre_hook", "load_state_dict_post_hook"),
    ],
)
def test_a_module_with_hooks_has_no_twin(kind):
    hooked = nn.ConvTranspose2d(CIN, COUT, 3)
    getattr(hooked, f"register_{kind}")(lambda *given: None)
    with refused("this module has hooks or a computed weight, which its twin would lack"):
        sd.torch.SplitConvTranspose2d.of(hooked)


@pytest.mark.parametrize(
    ("match", "options"),
    [
        ("unknown form", {"form": "fast"}),
        ("unknown interleave", {"interleave": "shuffle"}),
        ("a transposed convolution has no padding_mode but zeros", {"padding_mode": "reflect"}),
        ("kernel sizes must be a list", {"pad_to": 3}),
    ],
)
def test_refusals(match, options):
    with refused(match):
        sd.torch.SplitConvTranspose2d(CIN, COUT, 3, **options)


def test_inputs_that_are_refused():
    twin = sd.torch.SplitConvTranspose2d(CIN, COUT, 3)
    for x, match in (
        (torch.ones(CIN, 5), "the input cannot have this shape"),
        (torch.ones(2, CIN, 0, 4), "the input is empty"),
        (torch.ones(2, CIN + 1, 5, 4), "the input does not fit the plan"),
        (torch.ones(2, CIN, 5, 4).double(), "incompatible types of input and filters"),
        (torch.ones(2, CIN, 5, 4, device="meta"), "input and filters are on different devices"),
    ):
        with refused(match):
            twin(x)


def test_the_compiler_takes_it_in_whole_while_sizes_change():
    original, twin = pair(2, CIN, COUT, 4, 2, 1)
    torch._dynamo.reset()
    run = torch.compile(twin, fullgraph=True, backend="aot_eager")
    for height, width in ((5, 4), (3, 7), (6, 2)):
        x = drawn(2, CIN, height, width).requires_grad_()
        y = run(x)
        same(y, original(x))
        (one,), (other,) = (torch.autograd.grad(r.pow(2).sum(), x) for r in (y, original(x)))
        same(one, other)


@pytest.mark.parametrize("strict", [False, True])
def test_export(strict):
    original, twin = pair(2, CIN, COUT, 4, 2, 1, form="split")
    dims = {i: torch.export.Dim(name, min=2, max=64) for i, name in ((0, "n"), (2, "h"), (3, "w"))}
    x = drawn(2, CIN, 5, 4)
    program = torch.export.export(twin, (x,), dynamic_shapes=(dims,), strict=strict)
    names = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert sum(name.startswith("aten.conv2d") for name in names) == 4
    assert not any("conv_transpose" in name for name in names)
    x = drawn(3, CIN, 7, 2)
    same(program.module()(x), original(x))


@pytest.mark.parametrize("name", sd.torch.__all__)
def test_its_example_gives_what_it_says(name):
    test = examples(getattr(sd.torch, name), name)
    assert any(example.want for example in test.examples)
    assert failures(test) == ""
