"""Which limit a converted layer would exceed: named, with its source."""

from dataclasses import replace

import pytest

from splitdeconv.convert.decide import decide
from splitdeconv.convert.requirements.check import native_objection, objection
from splitdeconv.convert.requirements.records import (
    Concatenation,
    Convolution,
    DepthToSpace,
    Requirements,
    Span,
    Tensors,
    Transposed,
)
from splitdeconv.convert.targets import Preference, Target, load_target
from splitdeconv.core.kernels import Kernels
from splitdeconv.core.plan import SplitPlan
from tests.formats.sites import site

BARE = Target("bare", "A target", ("tflite", "onnx"), "unknown", "nowhere")


def _why(accepts, form="split", interleave="concat", **changes):
    one = site(**changes)
    plan = SplitPlan(one.axes, one.groups, form, accepts.kernels)
    return objection(accepts, one, plan, interleave)


def _convolution(**limits):
    return Requirements(convolution=Convolution("page 7", **limits))


@pytest.mark.parametrize(
    ("accepts", "how", "reason"),
    [
        (
            _convolution(kernels=(1, 2)),
            {},
            "its kernels are 1, 2, which do not hold 2x3 taps of a phase",
        ),
        (_convolution(kernels=Span(1, 2)), {}, "its kernels are 1 to 2, which do not hold"),
        (
            _convolution(kernels=((3, 3),)),
            {"size": (8,)},
            "kernels are 3x3, which do not hold 2 taps",
        ),
        (_convolution(strides=(2, 4)), {}, "its strides are 2, 4, not 1"),
        (_convolution(groups=(1,)), {"groups": 2}, "its groups are 1, not 2"),
        (_convolution(channels=32), {}, "its channels are multiples of 32, not 16"),
        (_convolution(channels=16), {"cout": 24}, "multiples of 16, not 24"),
        (
            Requirements(concatenation=Concatenation("page 7", 16)),
            {"cout": 24},
            "its concatenated channels are multiples of 16, not 24",
        ),
        (
            Requirements(depth_to_space=DepthToSpace("page 7", (2,))),
            {"strides": 4, "interleave": "depth_to_space"},
            "its blocks are 2, not 4",
        ),
        (
            Requirements(tensors=Tensors("page 7", Span(1, 15))),
            {},
            "its tensor lengths are 1 to 15, not 16",
        ),
        (
            Requirements(tensors=Tensors("page 7", elements=2000)),
            {},
            "its tensors have up to 2,000 elements, not 2,048",
        ),
        (
            _convolution(kernels=(1, 3)),
            {"dtype": "float32x8"},
            "int8 filters of float32 activations are not padded",
        ),
    ],
    ids=str,
)
def test_a_limit_that_is_exceeded(accepts, how, reason):
    why = _why(accepts, **how)
    assert reason in why
    assert why.endswith("(page 7)")


@pytest.mark.parametrize(
    ("accepts", "how"),
    [
        (Requirements(), {}),
        (_convolution(), {}),
        (_convolution(kernels=(3,), strides=(1,), dilations=(1,), groups=(1,), channels=8), {}),
        (Requirements(concatenation=Concatenation("page 7", 16)), {"cout": 24, "form": "stacked"}),
        (Requirements(concatenation=Concatenation("page 7", 16)), {"cout": 24, "form": "rows"}),
        (
            Requirements(concatenation=Concatenation("page 7", 16)),
            {"cout": 8, "form": "rows", "interleave": "depth_to_space"},
        ),
        (Requirements(depth_to_space=DepthToSpace("page 7", (2,))), {"strides": 4}),
        (Requirements(tensors=Tensors("page 7", Span(1, 15))), {"size": (None, None)}),
    ],
    ids=str,
)
def test_a_limit_that_is_kept(accepts, how):
    assert _why(accepts, **how) is None


def test_a_dilation_that_is_not_accepted():
    axes = tuple(replace(axis, d=3) for axis in site(strides=2).axes)
    one = replace(site(), axes=axes)
    accepts = _convolution(dilations=(1, 2))
    why = objection(accepts, one, SplitPlan(axes, 1, "split"), "concat")
    assert why == "its dilations are 1, 2, not 3 (page 7)"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"kernels": ((2, 2), (4, 4))}, "its kernels are 2x2, 4x4, not 5x5"),
        ({"kernels": Span(1, 4)}, "its kernels are 1 to 4, not 5x5"),
        ({"strides": (1, 3)}, "its strides are 1, 3, not 2"),
        ({"dilations": (2,)}, "its dilations are 2, not 1"),
        ({"stride_product": Span(1, 3)}, "its products of the strides are 1 to 3, not 4"),
        ({"scaled": Span(2, 15)}, "its input lengths times strides are 2 to 15, not 16"),
        ({"kernels": (5,), "strides": (2,), "groups": (1,)}, None),
    ],
    ids=str,
)
def test_what_it_does_not_run_itself(limits, reason):
    why = native_objection(Requirements(transposed=Transposed("page 8", **limits)), site())
    assert why == (reason and f"{reason} (page 8)")
    assert native_objection(Requirements(), site()) is None


def test_taps_are_padded_and_the_reason_says_at_what_cost():
    one = site((16, 16), 4, 2, interleaves=("depth_to_space", "batch_to_space", "concat"))
    decision = decide(one, load_target("tidl"))
    assert (decision.verdict, decision.form) == ("convert", "split")
    assert decision.interleave == "depth_to_space"
    cost = "taps padded 2x2 -> 3x3 for tidl: 2.25 times the operations of form split"
    assert cost in decision.reason
    assert "validated kernel sizes" in decision.reason
    assert "form split by default: 2.25 times the useful operations" in decision.reason
    row = decision.row()
    assert (row["padded_taps"], row["padding_cost"]) == ("2x2 -> 3x3", 2.25)
    assert row["split"] == 9 * 4 * 256 * 16 * 8
    assert row["nzp"] == 16 * 4 * 256 * 16 * 8


def test_what_the_target_runs_itself_is_not_denied():
    reasons = [decide(site((16, 16), kernel, 2), load_target("tidl")).reason for kernel in (4, 5)]
    denied = ["tidl has no transposed convolution for it" in reason for reason in reasons]
    assert denied == [False, True]


def test_another_form_or_interleave_is_taken_where_one_is_accepted():
    """ARTPEC-9: DEPTH_TO_SPACE with blocks of 2; channels are concatenated in multiples of 16."""
    artpec9 = load_target("artpec9")
    ways = ("depth_to_space", "batch_to_space", "concat", "transpose")
    even = decide(site((8, 8), 4, 2, cout=32, dtype="int8", interleaves=ways), artpec9)
    assert (even.form, even.interleave) == ("split", "depth_to_space")
    assert even.padding is None
    odd = decide(site((8, 8), 4, 2, cout=20, dtype="int8", interleaves=ways), artpec9)
    assert (odd.verdict, odd.form, odd.interleave) == ("convert", "stacked", "depth_to_space")
    assert "artpec9 does not accept split with depth_to_space: its concatenated" in odd.reason
    large = decide(site((8, 8), 16, 8, cout=24, dtype="int8", interleaves=ways), artpec9)
    assert (large.verdict, large.interleave) == ("convert", "batch_to_space")
    assert "its blocks are 2, not 8" in large.reason


def test_an_explicit_choice_is_not_replaced():
    artpec9 = load_target("artpec9")
    one = site((8, 8), 4, 2, cout=24, dtype="int8", interleaves=("depth_to_space", "concat"))
    asked = decide(one, artpec9, "split", "depth_to_space")
    assert (asked.verdict, asked.form) == ("leave", None)
    assert "artpec9 does not accept what it would become: its concatenated channels" in asked.reason
    assert "artpec-9/supported-ops" in asked.reason
    assert decide(one, artpec9, "stacked", "depth_to_space").verdict == "convert"


def test_a_layer_that_no_form_fits_is_left():
    dpu = load_target("dpu")
    decision = decide(site((8, 8), 40, 2), dpu)
    assert (decision.verdict, decision.kernels) == ("leave", None)
    assert "its kernels are 1 to 16, which do not hold 20x20 taps of a phase" in decision.reason
    assert "docs.amd.com" in decision.reason
    assert decide(site((8, 8), 32, 2), dpu, "split").verdict == "convert"
    line = decide(site((8,), 4, 2), load_target("tidl"))
    assert "which do not hold 2 taps of a phase" in line.reason


def test_counts_of_forms_that_do_not_fit_are_unknown():
    one = site((8, 8), 4, 2)
    counts = one.macs(Kernels((1, 2)))
    assert counts["split"] == one.macs()["split"]
    assert counts["rows"] is None
    assert counts["stacked"] == one.macs()["stacked"]


def test_preferences_and_limits_go_together():
    target = replace(
        BARE,
        prefer=(Preference("measured", "here", form="rows", interleave="transpose"),),
        accepts=_convolution(kernels=(1, 3, 5)),
    )
    decision = decide(site((8, 8), 4, 2), target)
    assert (decision.form, decision.interleave) == ("rows", "transpose")
    assert decision.reason.startswith("measured (here); taps padded 2x3 -> 3x3 for bare: 1.50")
