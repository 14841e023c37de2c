"""Plans: operations counted, the account printed, and what makes them safe to share and to keep."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st

import splitdeconv as sd
from splitdeconv.core.forms import FORMS
from splitdeconv.core.geometry import resolve
from splitdeconv.core.plan import SplitPlan, auto_form
from tests.refusals import refused


# Relative to the useful count, 16 x 16 with SAME: whole taps per phase and axis, times (17/16)^2
# where a crop adds a row and a column of blocks. 5x5 s2: 6/5 per stacked axis; 4x4 s2: 6/4 at a =
# 0; 3x3 s2: 4/3; "paper": ceil(k/s)*s/k.
@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (5, {"split": 1, "rows": 1.2, "stacked": 1.44, "paper": 1.44 * (17 / 16) ** 2, "nzp": 4}),
        (
            4,
            {"split": 1, "rows": 1.5, "stacked": (17 / 16) ** 2, "paper": (17 / 16) ** 2, "nzp": 4},
        ),
        (3, {"split": 1, "rows": 4 / 3, "stacked": 16 / 9, "paper": 16 / 9, "nzp": 4}),
    ],
)
def test_table_of_forms(k, expected):
    counts = sd.plan((16, 16), k, 2).macs(1, 1)
    assert counts["useful"] == 16 * 16 * k * k
    assert {form: counts[form] / counts["useful"] for form in expected} == pytest.approx(
        expected, rel=1e-12
    )


# The extremes of the published table: a crop weighs more on a small map.
@pytest.mark.parametrize(
    ("n", "k", "form", "ratio"),
    [
        (8, 5, "paper", 1.82),
        (32, 5, "paper", 1.53),
        (4, 4, "paper", 1.56),
        (32, 4, "paper", 1.06),
        (2, 4, "stacked", 2.25),
        (4, 4, "stacked", 1.56),
    ],
)
def test_table_of_forms_by_size(n, k, form, ratio):
    counts = sd.plan((n, n), k, 2).macs(1, 1)
    assert round(counts[form] / counts["useful"], 2) == ratio


def test_equal_arguments_give_the_same_plan():
    first = sd.plan((6, 7), 3, 2, padding="SAME", output_shape=(12, 14))
    second = sd.plan([np.int64(6), 7], (3, 3), [2, np.int32(2)], padding="same", dilations=(1, 1))
    assert first is second
    assert first != sd.plan((6, 7), 3, 2, output_shape=(12, 13))
    assert first != sd.plan((6, 7), 3, 2, form="rows")
    assert first != sd.plan((6, 7), 3, 2, groups=2)


def test_plans_are_immutable_hashable_and_travel():
    planned = sd.plan((6, 7), 5, (2, 3), form="rows", groups=2)
    assert len(planned.convolutions) == 2
    for name, value in (("form", "split"), ("groups", 1), ("axes", ()), ("anything", 0)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(planned, name, value)
    with pytest.raises(dataclasses.FrozenInstanceError):
        planned.axes[0].p = 3
    for twin in (pickle.loads(pickle.dumps(planned)), copy.deepcopy(planned)):
        assert twin == planned
        assert hash(twin) == hash(planned)
        assert twin.convolutions == planned.convolutions
        assert str(twin) == str(planned)


def test_phases_are_the_split_forms_convolutions_whatever_the_form():
    for form in FORMS:
        planned = sd.plan((6, 7), 5, (2, 3), form=form)
        assert planned.phases == sd.plan((6, 7), 5, (2, 3)).convolutions
        assert [c.phases for c in planned.phases] == [((i, j),) for i in range(2) for j in range(3)]
        assert planned.output_shape == (12, 21)
    assert [c.kernel_size for c in planned.phases] == [
        (2, 2),
        (2, 1),
        (2, 2),
        (3, 2),
        (3, 1),
        (3, 2),
    ]
    assert sd.plan((None, 7), 5, (2, 3)).output_shape == (None, 21)


@pytest.mark.parametrize(
    ("form", "convolutions", "phase_counts", "insertion"),
    [
        ("split", 6, (2, 3), (1, 1)),
        ("rows", 2, (2, 3), (1, 1)),
        ("stacked", 1, (2, 3), (1, 1)),
        ("paper", 6, (2, 3), (1, 1)),
        ("nzp", 1, (1, 1), (2, 3)),
        ("native", 0, (1, 1), (1, 1)),
    ],
)
def test_what_a_form_is_made_of(form, convolutions, phase_counts, insertion):
    planned = sd.plan((6, 7), 5, (2, 3), form=form)
    assert planned.strides == (2, 3)
    assert (len(planned.convolutions), planned.phase_counts, planned.insertion) == (
        convolutions,
        phase_counts,
        insertion,
    )


# auto_form's documented rule, and each of its limits from both sides.
@pytest.mark.parametrize(
    ("arguments", "cout", "form"),
    [
        ({"kernel_size": 5, "strides": 2}, 64, "split"),
        ({"kernel_size": 5, "strides": 2}, 5, "split"),
        ({"kernel_size": 5, "strides": 2}, 4, "stacked"),
        ({"kernel_size": 2, "strides": 2}, 64, "stacked"),
        ({"kernel_size": 2, "strides": 2, "dilations": 2}, 64, "split"),
        ({"kernel_size": 2, "strides": 2, "padding": [(1, 0), (0, 0)]}, 64, "split"),
        ({"kernel_size": (2, 3), "strides": 2}, 64, "split"),
        ({"kernel_size": 14, "strides": 7}, 64, "split"),
        ({"kernel_size": 16, "strides": 8}, 64, "rows"),
        ({"kernel_size": 16, "strides": (1, 8)}, 64, "stacked"),
        ({"kernel_size": (22, 1), "strides": (11, 1)}, 64, "stacked"),
        ({"kernel_size": (1, 14), "strides": (1, 7)}, 64, "split"),
        ({"kernel_size": 16, "strides": 8, "groups": 2}, 64, "split"),
        ({"kernel_size": 5, "strides": 2, "groups": 2}, 4, "split"),
    ],
    ids=str,
)
def test_automatic_form(arguments, cout, form):
    planned = sd.plan((8, 8), **arguments)
    assert auto_form(planned.axes, cout, planned.groups) == form


@pytest.mark.parametrize(("kernel", "stride"), [(24, 12), (22, 11), (18, 9)])
def test_one_axis_from_stride_8_on_is_stacked_without_taps_in_vain(kernel, stride):
    """Vocoders: kernels of two strides, cropped by half a stride."""
    planned = sd.plan((50,), kernel, stride, [(stride // 2, stride - stride // 2)])
    assert auto_form(planned.axes, 64) == "stacked"
    counts = planned.macs(7, 5)
    assert counts["stacked"] == counts["useful"] * 51 // 50  # one block more, at the border
    assert counts["rows"] > 1.4 * counts["useful"]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "form"),
    [
        ((1, 1), 4, 1, "stacked"),
        ((1, 1), (5, 3), 1, "stacked"),
        ((1,), 9, 2, "stacked"),
        ((1, 1, 1), (2, 3, 4), 1, "stacked"),
        ((2, 1), 4, 1, "split"),
        ((1, 1), 80, 1, "split"),  # more phases than a plan may have
        ((None, 1), 4, 1, "split"),
        ((1, 1), 1, 1, "stacked"),
    ],
)
def test_a_map_of_one_element_is_stacked_without_padding(size, kernel, stride, form):
    planned = sd.plan(size, kernel, stride, "VALID")
    assert auto_form(planned.axes, 64) == form
    if form == "stacked":
        stacked = SplitPlan(planned.axes, 1, "stacked")
        assert [convolution.kernel_size for convolution in stacked.convolutions] == [
            (1,) * len(size)
        ]
        assert stacked.fixed == (kernel != 1)
        assert set(stacked.phase_counts) == {np.max(kernel)}
        assert stacked.macs(3, 2)["stacked"] == 6 * np.max(kernel) ** len(size)


@pytest.mark.parametrize(
    "form", ["auto", "Split", "", None, 3, ["split"], np.array(["split", "rows"])], ids=repr
)
def test_unknown_form(form):
    with refused("unknown form"):
        sd.plan((4, 4), 3, form=form)


ODD = st.sampled_from(
    [None, 0, -1, 1, 3, 2**70, True, 1.5, float("nan"), float("inf"), 1j, "SAME", "2", b"2",
     (), [], {}, {1, 2}, object(), np.int64(2), np.uint8(0), np.float32(2), np.bool_(True),
     np.array(2), np.array([2, 2]), range(2), sd.plan]
)  # fmt: skip
ANYTHING = st.one_of(
    ODD, st.lists(st.one_of(ODD, st.tuples(ODD, ODD)), max_size=4), st.tuples(ODD, ODD)
)
ARGUMENTS = (
    "input_shape",
    "kernel_size",
    "strides",
    "padding",
    "output_shape",
    "output_padding",
    "dilations",
)


@given(odd=st.dictionaries(st.sampled_from((*ARGUMENTS, "groups", "form")), ANYTHING, min_size=1))
def test_odd_arguments_are_planned_or_refused(odd):
    """Whatever comes, a plan with an output of at least one element or one SplitDeconvError."""
    try:
        planned = sd.plan(**{"input_shape": (6, 6), "kernel_size": 3, "strides": 2, **odd})
    except sd.SplitDeconvError as error:
        told = (error.where, error.expected, error.got)
    else:
        told = [o is None or o >= 1 for o in planned.output_shape]
        assert all(
            type(v) in (int, type(None)) for a in planned.axes for v in dataclasses.astuple(a)
        )
    assert all(told)


def test_plan_equals_geometry_resolved():
    assert sd.plan((6, None), 3, (2, 1), "VALID").axes == resolve((6, None), 3, (2, 1), "VALID")


def test_empty_phases_cost_nothing_even_zero_extended():
    # gcd(d, s) = 2: of two phases one is empty; the other has all three taps, over six blocks and a
    # border of one.
    plan = sd.plan((6,), 3, 2, dilations=2, form="paper")
    assert [c.kernel_size for c in plan.convolutions].count((0,)) == 1
    assert plan.macs(1, 1)["paper"] == (6 + plan.axis_plans[0].surplus) * 3
