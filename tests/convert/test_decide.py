"""What becomes of each site: verdict, form, interleave, and a reason that says what decided."""

from dataclasses import replace

import pytest

from splitdeconv.convert.conditions import When
from splitdeconv.convert.decide import decide, decide_all
from splitdeconv.convert.targets import Leave, Preference, Target, load_target
from splitdeconv.core.plan import auto_form
from tests.formats.sites import site
from tests.refusals import refused

GENERIC = load_target("generic")
BARE = Target("bare", "A target", ("tflite",), "unknown", "nowhere")


@pytest.mark.parametrize(
    "one",
    [
        site(),
        site(kernel=1, strides=1),
        site(kernel=3, strides=1),
        site(kernel=2, strides=3),
        site(size=(9,), kernel=16, strides=8),
        site(size=(3, 4, 5), cout=3),
        site(size=(None, None)),
        site(groups=2),
        site(batch=None),
    ],
    ids=str,
)
def test_the_generic_target_converts_everything(one):
    decision = decide(one, GENERIC)
    assert (decision.verdict, decision.interleave) == ("convert", "concat")
    assert decision.form == auto_form(one.axes, one.out_channels, one.groups)
    assert f"form {decision.form}" in decision.reason


def test_the_reason_counts_operations():
    # 5x5 stride 2 SAME: rows issue 1.2, zero insertion 4 times the useful operations.
    assert (
        "1.00 times the useful operations, zero insertion 4.00 times"
        in decide(site(), GENERIC).reason
    )
    assert (
        decide(site(size=(None, 8)), GENERIC).reason == "form split by the library's default rule"
    )


def test_unknown_channels_are_not_few_channels():
    assert decide(replace(site(), out_channels=None), GENERIC).form == "split"
    assert decide(site(cout=3), GENERIC).form == "stacked"


def test_a_problem_is_the_reason_of_a_refusal():
    decision = decide(site(problem="its weights are computed"), GENERIC, form="split")
    assert (decision.verdict, decision.form, decision.reason) == (
        "refuse",
        None,
        "its weights are computed",
    )
    assert decide(replace(site(), axes=None), GENERIC).verdict == "refuse"


LEAVES = replace(
    BARE, leave=(Leave("slower by half", "bench.csv", When(dtypes=("int8",), kernel=(5, None))),)
)


def test_a_measured_rule_leaves_a_layer_with_its_evidence():
    decision = decide(site(dtype="int8"), LEAVES)
    assert (decision.verdict, decision.form) == ("leave", None)
    assert decision.reason == "slower by half (bench.csv)"
    assert decide(site(), LEAVES).verdict == "convert"
    assert decide(site(dtype="int8", kernel=4), LEAVES).verdict == "convert"


def test_an_exception_must_be_known_to_hold():
    leave = Leave(
        "slower",
        "bench.csv",
        When(),
        unless=(When(batch=(1, 1), pixels=(None, 64)), When(stride=(8, None))),
    )
    target = replace(BARE, leave=(leave,))
    assert decide(site(batch=1), target).verdict == "convert"
    assert decide(site(batch=None), target).verdict == "leave"
    assert decide(site(batch=1, size=(9, 9)), target).verdict == "leave"
    assert decide(site(batch=None, kernel=16, strides=8), target).verdict == "convert"


def test_who_names_a_form_has_chosen():
    decision = decide(site(dtype="int8"), LEAVES, form="rows")
    assert (decision.verdict, decision.form, decision.reason) == (
        "convert",
        "rows",
        "form rows was requested",
    )


def test_preferences_apply_in_order_and_only_where_they_hold():
    wide = Preference("wide ones", "a.csv", form="rows", when=When(in_channels=(100, None)))
    any_ = Preference(
        "it has an operator for it", "b.csv", interleave="depth_to_space", form="stacked"
    )
    target = replace(BARE, prefer=(wide, any_))
    assert decide(site(cin=128), target).form == "rows"
    assert decide(site(cin=128), target).interleave == "depth_to_space"
    assert (
        decide(site(cin=128), target).reason
        == "wide ones (a.csv); it has an operator for it (b.csv)"
    )
    assert decide(site(), target).form == "stacked"
    # Where the preferred interleave cannot be, neither preference of that rule counts.
    odd = decide(site(strides=(2, 3)), target)
    assert (odd.form, odd.interleave) == ("split", "concat")
    assert decide(site(), target, "split", "transpose").interleave == "transpose"
    whole = decide(site(dtype="int16x8"), target)
    assert (whole.verdict, whole.form, whole.interleave) == ("convert", "split", "concat")


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (site(strides=(2, 3)), "depth_to_space needs two axes with equal strides"),
        (site(size=(8,)), "depth_to_space needs two axes with equal strides"),
        (site(dtype="int16x8"), "depth_to_space has no kernel for int16"),
    ],
)
def test_an_interleave_that_cannot_be_is_refused(one, reason):
    decision = decide(one, GENERIC, interleave="depth_to_space")
    assert (decision.verdict, decision.form, decision.interleave) == ("refuse", None, None)
    assert decision.reason == f"{reason}; use interleave concat or transpose"
    assert decide(site(), GENERIC, interleave="depth_to_space").interleave == "depth_to_space"


FACTS = [
    (When(dtypes=("int8",)), {"dtype": "int8"}, {}),
    (When(rank=(2, 2)), {}, {"size": (8,)}),
    (When(groups=(2, None)), {"groups": 2}, {}),
    (When(batch=(8, None)), {"batch": 8}, {"batch": None}),
    (When(in_channels=(None, 16)), {}, {"cin": 17}),
    (When(out_channels=(8, 8)), {}, {"cout": 16}),
    (When(stride=(3, None)), {"strides": (1, 3)}, {}),
    (When(kernel=(None, 4)), {"kernel": (4, 3)}, {}),
    (When(pixels=(64, 64)), {}, {"size": (8, None)}),
    (When(weights=(3200, 3200)), {}, {"groups": 2}),
    (When(waste=(1.1, 1.3)), {}, {"kernel": 4}),
    (When(whole=True), {"kernel": 2}, {"kernel": 3}),
    (When(whole=False), {"kernel": 3}, {"kernel": 2}),
]


@pytest.mark.parametrize(
    ("when", "inside", "outside"), FACTS, ids=lambda v: str(v) if isinstance(v, dict) else ""
)
def test_rules_ask_for_facts(when, inside, outside):
    assert when.holds(site(**inside))
    assert not when.holds(site(**outside))


def test_layers_are_selected_by_name():
    sites = [site(name=name) for name in ("decoder/up1", "decoder/up2", "head")]
    decisions = decide_all(sites, "generic", layers="up[12]")
    assert [d.verdict for d in decisions] == ["convert", "convert", "leave"]
    assert decisions[2].reason == "not selected: its name does not match 'up[12]'"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "paper"}, "unknown form"),
        ({"form": 1}, "unknown form"),
        ({"interleave": "zip"}, "unknown interleave"),
        ({"layers": "(up"}, "invalid layer pattern"),
        ({"target": "gpu"}, "unknown target"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with refused(message):
        decide_all([site()], **{"target": "generic"} | options)
