"""What a transposed convolution may ask for: beyond it all refuse, within it all are quick."""

import random

import pytest

import splitdeconv as sd
from splitdeconv.core.arguments import LARGEST, positive
from splitdeconv.core.forms import FORMS
from splitdeconv.core.geometry import LONGEST_KERNEL, MOST_PHASES, Axis, resolve
from splitdeconv.core.plan import SplitPlan
from splitdeconv.formats.onnx.shapes.geometry import from_onnx
from splitdeconv.toolchains.libtpu import phase_chain as chain
from tests.refusals import refused

TOO_LARGE = "the stride or kernel is too large to split"


@pytest.mark.parametrize("form", FORMS)
def test_the_largest_plans_are_made_and_printed(form):
    for arguments in [((3,), LONGEST_KERNEL, MOST_PHASES), ((3, 3), 64, 64), ((3, 3, 3), 5, 16)]:
        plan = sd.plan(*arguments, form=form)
        assert len(str(plan)) < 3000
        assert sum(len(c.phases) for c in plan.convolutions) == (
            {"nzp": 1, "native": 0}.get(form, MOST_PHASES)  # every phase once
        )
        assert plan.macs(1, 1)["exact"] > 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kernel", "strides", "dilations"),
    [
        (LONGEST_KERNEL + 1, 1, 1),
        (1, MOST_PHASES + 1, 1),
        (3, (64, 65), 1),
        (3, 60000, 1),
        (100_000, 100_000, 1),
        (3, 2, LONGEST_KERNEL),
        (1, 1, LONGEST_KERNEL + 1),
        (2**40, 2**40, 2**40),
    ],
)
def test_larger_ones_are_refused(kernel, strides, dilations, form):
    with refused(TOO_LARGE):
        sd.plan((8, 8), kernel, strides, dilations=dilations, form=form)


@pytest.mark.parametrize(
    "changes", [{"k": 2**17}, {"s": 2**17}, {"d": 2**17}, {"k": 0}, {"s": 0}, {"d": 0}]
)
def test_no_axis_is_larger_however_it_is_made(changes):
    with refused(TOO_LARGE):
        Axis(**{"n": 8, "k": 3, "s": 2, "d": 1, "p": 0, "tail": 0, **changes})
    with refused("a length is out of range"):
        Axis(n=8, k=3, s=2, d=1, p=0, tail=10**5000)


def test_no_plan_is_larger_however_it_is_made():
    with refused(TOO_LARGE):
        SplitPlan((Axis(n=8, k=3, s=128, d=1, p=0, tail=0),) * 2, 1, "split")
    with refused(TOO_LARGE):
        from_onnx((8, 8), (3, 3), strides=(64, 65))
    with refused(TOO_LARGE):
        from_onnx((8,), (3,), strides=(2**31 - 1,))


@pytest.mark.parametrize(
    "arguments",
    [
        {"input_shape": (10**5000,)},
        {"input_shape": (LARGEST + 1,)},
        {"input_shape": ([0] * 10**5,)},
        {"input_shape": (8,) * 10**5},
        {"kernel_size": 10**5000},
        {"kernel_size": (3,) * 10**5},
        {"strides": 10**5000},
        {"strides": -(10**5000)},
        {"dilations": 10**5000},
        {"padding": [(10**5000, 0)]},
        {"padding": [(0, 0)] * 10**5},
        {"padding": "x" * 10**5},
        {"output_shape": (10**5000,)},
        {"output_padding": 10**5000},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_absurd_numbers_and_lists_are_refused_in_few_words(arguments):
    usual = {"input_shape": (8,), "kernel_size": 3, "strides": 2, "padding": "SAME"}
    with refused("not fit|invalid|lengths only") as caught:
        resolve(**(usual | arguments))
    assert len(str(caught.value)) < 500


def test_channels_are_bounded():
    assert positive(LARGEST, "channels") == LARGEST
    with refused("channels must be a positive integer"):
        positive(LARGEST + 1, "channels")
    with refused("groups must be a positive integer"):
        sd.plan((8,), 3, 2, groups=10**5000)


def test_random_requests_are_planned_or_refused():
    rng = random.Random(0)
    numbers = [
        1,
        2,
        3,
        5,
        16,
        63,
        64,
        4095,
        4096,
        4097,
        65535,
        65536,
        65537,
        2**31,
        10**18,
        10**400,
        0,
        -1,
        None,
        2.5,
    ]
    planned = 0
    for _ in range(1000):
        rank = rng.randint(1, 3)
        spatial, kernel, strides = (rng.choices(numbers[:weight], k=rank) for weight in (20, 9, 7))
        padding = rng.choice(["SAME", "VALID", [(rng.choice(numbers), rng.choice(numbers))] * rank])
        try:
            plan = sd.plan(spatial, kernel, strides, padding, form=rng.choice(FORMS))
        except sd.SplitDeconvError as error:
            assert len(str(error)) < 600  # noqa: PT017
            continue
        planned += 1
        assert len(str(plan)) < 4000
    assert planned > 50


def test_a_chain_has_no_more_phases_than_a_plan(rng):
    size, plans, weights = (1, 1), [], []
    for _ in range(7):  # 4^7 phases
        plans.append(sd.plan(size, 2, 2))
        size = plans[-1].output_shape
        weights.append((rng.standard_normal((2, 2, 1, 1)), rng.standard_normal(1)))
    x = rng.standard_normal((1, 1, 1, 1))
    assert chain.run_phases_apart(plans[:4], x, weights[:4], abs).shape == (1, 16, 16, 1)
    with refused("do not form a chain") as caught:
        chain.run_phases_apart(plans, x, weights, abs)
    assert caught.value.got == str(4**7)
