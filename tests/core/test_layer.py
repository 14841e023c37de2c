"""The record of a layer: its plan, its operations, and its row in a table."""

from dataclasses import FrozenInstanceError

import pandas as pd
import pytest

import splitdeconv as sd
from splitdeconv.core.layer import COLUMNS, Layer
from tests.refusals import refused

SIZES = {"strides": (2, 3), "padding": [(1, 0), (2, 1)], "dilations": (2, 1), "groups": 3}


def layer():
    """Nothing about it is the same along both axes."""
    plan = sd.plan((7, 5), (3, 4), **SIZES)
    return Layer.from_axes("up", plan.axes, (6, 9), groups=3)


def test_a_layer_is_planned_as_it_was_made():
    for form in ("split", "rows", "nzp", "native"):
        assert layer().plan(form) == sd.plan((7, 5), (3, 4), **SIZES, form=form)


def test_useful_operations_are_those_of_the_plan():
    assert layer().macs == layer().plan().macs(6, 9)["useful"] == 7 * 5 * 3 * 4 * 6 * 9 // 3


def test_a_row_has_every_column_in_order_and_makes_the_layer_again():
    row = layer().row()
    assert list(row) == COLUMNS
    # Full outputs are (7 - 1)*2 + 5 = 17 and (5 - 1)*3 + 4 = 16 long; one, and three, are cropped.
    assert row == dict(
        zip(
            COLUMNS,
            ("up", "deconv", 7, 5, 6, 9, 3, 4, 2, 3, 2, 1, 3, "EXPLICIT", 16, 13, 7560, 1, 2, 0, 1),
            strict=True,
        )
    )
    table = pd.DataFrame([row], columns=COLUMNS)
    (named,) = table.itertuples()
    (mapping,) = table.to_dict("records")
    assert Layer.from_row(named) == Layer.from_row(mapping) == layer()
    assert type(Layer.from_row(named).in_h) is int


def test_what_has_one_axis_is_one_high():
    plan = sd.plan((6,), 4, 2, [(3, 1)])
    made = Layer.from_axes("line", plan.axes, (2, 5)).row()
    lengths = {
        name: (made[f"{name}_h"], made[f"{name}_w"])
        for name in ("in", "out", "k", "stride", "before", "end")
    }
    assert lengths == {
        "in": (1, 6),
        "out": (1, 10),
        "k": (1, 4),
        "stride": (1, 2),
        "before": (0, 3),
        "end": (0, 1),
    }


@pytest.mark.parametrize(
    ("options", "outputs"),
    [
        ({"padding": "SAME"}, (4, 3)),
        ({"padding": "VALID"}, (2, 1)),
        ({"padding": "EXPLICIT", "before": (1, 0), "end": (2, 3)}, (3, 3)),
    ],
)
def test_a_convolution_s_outputs_follow_from_its_padding(options, outputs):
    # Along the height 3 taps at dilation 2 span 5 of 10 inputs, along the width 4 taps span 4 of 5.
    made = Layer.from_lengths(
        "c",
        "conv",
        (10, 5),
        (4, 6),
        kernel=(3, 4),
        strides=(3, 2),
        dilations=(2, 1),
        groups=2,
        **options,
    )
    assert (made.out_h, made.out_w) == outputs
    assert made.macs == outputs[0] * outputs[1] * 3 * 4 * 4 * 6 // 2


def test_a_dense_layer_multiplies_at_each_position():
    made = Layer.from_lengths("d", "dense", (7,), (20, 30), outputs=(7,))
    assert (made.in_h, made.in_w, made.out_w, made.padding, made.macs) == (1, 7, 7, "", 4200)


def test_layers_do_not_change():
    with pytest.raises(FrozenInstanceError):
        layer().in_h = 3


def test_a_length_that_is_not_known_is_refused():
    with refused("needs the input size"):
        Layer.from_axes("open", sd.plan((None, 4), 3, 2).axes, (1, 1))
