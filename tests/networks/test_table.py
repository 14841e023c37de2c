"""The layer table is read off the built model: each use of a layer once, in order."""

import keras
import numpy as np
import pandas as pd
import pytest

import splitdeconv as sd
from splitdeconv import SplitDeconvError, networks

L = keras.layers


def table(layers, shape):
    return networks.layer_table(keras.Sequential([keras.Input(shape), *layers]))


@pytest.mark.slow
@pytest.mark.parametrize("name", networks.names())
def test_a_row_fixes_its_geometry(name):
    rows = networks.layer_table(name)
    deconvolutions = rows[rows["kind"] == "deconv"]
    assert len(deconvolutions) >= 1
    for row in deconvolutions.itertuples():
        plan = sd.plan(
            (row.in_h, row.in_w),
            (row.k_h, row.k_w),
            (row.stride_h, row.stride_w),
            row.padding,
            (row.out_h, row.out_w),
            dilations=(row.dilation_h, row.dilation_w),
            groups=row.groups,
        )
        assert plan.macs(row.c_in, row.c_out)["useful"] == row.macs


@pytest.mark.slow
@pytest.mark.parametrize("name", networks.names())
def test_every_form_has_the_same_table_and_layers_of_its_form(name):
    options = {"width": 8, "size": 8} if name.startswith("fcn") else {}
    native, split = (
        networks.build(name, deconv, seed=None, **options) for deconv in ("native", "split")
    )
    pd.testing.assert_frame_equal(networks.layer_table(native), networks.layer_table(split))
    forms = [
        layer.form for layer in split.layers if isinstance(layer, sd.layers.SplitConv2DTranspose)
    ]
    rows = networks.layer_table(split)
    assert forms == ["split"] * (rows["kind"] == "deconv").sum()
    rebuilt = type(split).from_config(split.get_config())
    pd.testing.assert_frame_equal(networks.layer_table(rebuilt), rows)


def test_options_reach_the_network_and_tables_are_the_callers_own():
    small = networks.layer_table("fst", size=(8, 16))
    assert tuple(small.loc[0, ["in_h", "in_w"]]) == (8, 16)
    pd.testing.assert_frame_equal(networks.layer_table("fst", size=[np.int64(8), 16]), small)
    small["macs"] = 0
    assert networks.layer_table("fst", size=(8, 16))["macs"].all()


def test_repeated_and_nested_layers_count_as_often_as_they_run():
    first, second = L.Conv2D(6, 3, padding="same", name="a"), L.Conv2D(4, 1, name="b")
    inner = keras.Sequential(
        [keras.Input((10, 8, 4)), L.Conv2DTranspose(5, (3, 2), (2, 1), name="up")], name="inner"
    )
    x = image = keras.Input((10, 8, 4))
    for layer in (first, second, first, second, inner):
        x = layer(x)
    rows = networks.layer_table(keras.Model(image, x))
    assert list(rows["name"]) == ["a", "b", "a", "b", "inner/up"]
    assert list(rows["macs"]) == [80 * 9 * 24, 80 * 24, 80 * 9 * 24, 80 * 24, 80 * 6 * 20]
    assert tuple(rows.loc[4, ["out_h", "out_w", "padding"]]) == (21, 9, "VALID")


def test_groups_dilation_and_one_dimension():
    rows = table([L.Conv2D(6, 3, groups=2, dilation_rate=2, padding="same")], (9, 7, 4))
    assert rows.loc[0, ["groups", "dilation_h", "macs"]].tolist() == [2, 2, 9 * 7 * 9 * 4 * 6 // 2]
    rows = table([L.Conv1DTranspose(3, 5, 2, padding="same"), L.Dense(2)], (8, 4))
    assert rows[["in_h", "in_w", "k_h", "k_w", "out_w", "macs"]].to_numpy().tolist() == [
        [1, 8, 1, 5, 16, 8 * 5 * 12],
        [1, 16, 1, 1, 16, 16 * 6],
    ]


def test_a_depthwise_convolution_has_a_group_for_each_channel():
    rows = table([L.DepthwiseConv2D((3, 2), (2, 2), "same", depth_multiplier=3)], (9, 7, 4))
    wanted = ["conv", 4, 12, 4, 3, 2, 5, 4, 5 * 4 * 3 * 2 * 12]
    assert (
        rows.loc[
            0, ["kind", "c_in", "c_out", "groups", "k_h", "k_w", "out_h", "out_w", "macs"]
        ].tolist()
        == wanted
    )
    assert table([L.DepthwiseConv1D(5)], (8, 4)).loc[0, ["groups", "out_w", "macs"]].tolist() == [
        4,
        4,
        4 * 5 * 4,
    ]


def test_channels_first():
    rows = table(
        [L.Conv2DTranspose(3, 5, 2, padding="same", data_format="channels_first")], (4, 8, 6)
    )
    assert rows.loc[0, ["in_h", "in_w", "c_in", "c_out", "out_h", "out_w"]].tolist() == [
        8,
        6,
        4,
        3,
        16,
        12,
    ]


def test_normalisation_and_activation_are_no_rows():
    assert list(
        table([L.BatchNormalization(), L.ReLU(), L.Flatten(), L.Dense(2)], (2, 2, 3))["kind"]
    ) == ["dense"]


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        (
            [L.Conv3D(2, 1, name="volume")],
            (2, 2, 2, 3),
            r"not of a kind.*\n  where: volume\n.*\n  got: Conv3D",
        ),
        (
            [L.SeparableConv2D(2, 1, name="s")],
            (2, 2, 3),
            r"not of a kind.*\n  where: s\n.*\n  got: SeparableConv2D",
        ),
        (
            [L.Dense(2, name="d")],
            (2, 2, 2, 3),
            r"not of a kind.*\n  where: d\n.*\n  got: Dense, .*\(None, 2, 2, 2, 3\)",
        ),
        (
            [L.Conv1D(2, 3, padding="causal", name="c")],
            (6, 3),
            r"not of a kind.*\n  where: c\n.*\n  got: Conv1D CAUSAL",
        ),
        (
            [L.Conv2D(2, 1, name="c")],
            (None, 2, 3),
            r"without the spatial size\n  where: c\n.*\n  got: shape \(None, None, 2, 3\)",
        ),
    ],
)
def test_what_cannot_be_described_is_refused(layers, shape, message):
    with pytest.raises(SplitDeconvError, match=message):
        table(layers, shape)


def test_a_model_without_a_graph_is_refused():
    class Subclassed(keras.Model):
        pass

    for model in (Subclassed(name="mine"), keras.Sequential([L.Dense(2)], name="mine")):
        with pytest.raises(
            SplitDeconvError, match=r"cannot be walked\n.*\n  expected: .*\n  got: \w+ mine"
        ):
            networks.layer_table(model)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(SplitDeconvError, match="unknown network"):
        networks.layer_table("gan")
    for size in ({}, [[8], 8], np.ones(2)):
        with pytest.raises(SplitDeconvError, match="the size must be a positive integer"):
            networks.layer_table("fst", size=size)
