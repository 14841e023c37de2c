"""Operation counts by method, against the layer table and against brute force."""

from itertools import product

import keras
import pytest

import splitdeconv as sd
from splitdeconv.networks import counts, layer_table
from splitdeconv.networks.table import layers


def deconvolutions(name):
    return [layer for layer in layers(name) if layer.kind == "deconv"]


def test_a_network_s_counts_are_its_layers():
    table, counted = layer_table("dcgan"), counts.operation_counts("dcgan")
    assert counted["useful"].tolist() == table["macs"].tolist()
    dense = counted[counted["kind"] == "dense"]
    assert (dense[list(counts.METHODS)].nunique(axis=1) == 1).all()
    deconvs = counted[counted["kind"] == "deconv"]
    # 5x5 at stride 2 under SAME: s^2 times for zero insertion, 6/5 in one axis for rows, in both
    # for stacked.
    assert (deconvs["split"] == deconvs["useful"]).all()
    assert (deconvs["nzp"] == 4 * deconvs["useful"]).all()
    assert (deconvs["rows"] * 5 == 6 * deconvs["useful"]).all()
    assert (deconvs["stacked"] * 25 == 36 * deconvs["useful"]).all()
    assert (deconvs["exact"] < deconvs["useful"]).all()


@pytest.mark.parametrize("name", ["sngan", "fcn8s"])
def test_plans_have_the_output_that_the_model_has(name):
    for layer in deconvolutions(name):
        assert layer.plan().output_shape == (layer.out_h, layer.out_w)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_plans_are_those_of_the_layers_whatever_their_output_padding(padding):
    for kernel, stride, extra in product((1, 2, 3, 4), (1, 2, 3), (None, 0, 1, 2)):
        if extra is not None and extra >= stride:
            continue
        layer = keras.layers.Conv2DTranspose(
            3, (kernel, 2), (stride, 3), padding=padding, output_padding=extra
        )
        model = keras.Sequential([keras.Input((6, 7, 2)), layer])
        (found,) = layers(model)
        plan = found.plan()
        assert plan.output_shape == model.output_shape[1:3]
        assert (
            plan.axes
            == sd.plan((6, 7), (kernel, 2), (stride, 3), padding, output_padding=extra).axes
        )


def test_the_crop_of_same_moves_with_output_padding():
    pair = [
        keras.layers.Conv1DTranspose(3, 4, 2, padding="same", output_padding=extra)
        for extra in (None, 0)
    ]
    rows = [layer_table(keras.Sequential([keras.Input((6, 2)), layer])).loc[0] for layer in pair]
    # 4 taps at stride 2 reach (6 - 1) * 2 + 4 = 14 outputs: of 12 one is cropped at either end, of
    # 10 two.
    assert [row[["out_w", "before_w", "end_w", "before_h", "end_h"]].tolist() for row in rows] == [
        [12, 1, 1, 0, 0],
        [10, 2, 2, 0, 0],
    ]
    assert rows[1]["padding"] == "SAME"


def test_exact_counts_are_brute_force_counts():
    row = next(layer_table("sngan").query("kind == 'deconv'").itertuples())
    pairs = sum(0 <= i * 2 + u - 1 < row.out_h for i in range(row.in_h) for u in range(row.k_h))
    counted = (
        counts.operation_counts("sngan")
        .set_index("name")
        .loc[row.name if hasattr(row, "name") else row[1]]
    )
    assert counted["exact"] == pairs**2 * row.c_in * row.c_out


def test_what_would_not_pay_is_skipped_with_its_reason():
    (last,) = deconvolutions("fcn32s")
    assert counts.reason_to_skip(last, "nzp") == "1,024 times the useful operations"
    assert counts.reason_to_skip(last, "split") == "1,024 convolutions: more calls than work"
    assert counts.reason_to_skip(last, "native") is None
    assert counts.reason_to_skip(last, "auto") is None
    for layer in deconvolutions("dcgan"):
        assert [
            counts.reason_to_skip(layer, form) for form in ("native", "nzp", "split", "auto")
        ] == [None] * 4
