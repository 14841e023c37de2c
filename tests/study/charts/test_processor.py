"""Charts of the processor model show every number of their table."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from splitdeconv.study.charts import processor as charts


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def compared():
    rows = [
        (network, processor, variant, 1.5 + i + j + k, 2.0, 3.0 + k)
        for i, network in enumerate(("A", "B"))
        for j, processor in enumerate(("small", "large"))
        for k, variant in enumerate(("nzp", "sd-WA"))
    ]
    return pd.DataFrame(rows, columns=["network", "processor", "variant", "speedup", "dram", "mac"])


def test_methods_are_bars_of_their_value_beside_the_published_band():
    table = compared()
    fig = charts.by_method(table, "speedup", band=(2, 3.5))
    assert [ax.get_title() for ax in fig.get_axes()] == ["small", "large"]
    for ax, processor in zip(fig.get_axes(), ("small", "large"), strict=True):
        drawn = {bars.get_label(): [bar.get_height() for bar in bars] for bars in ax.containers}
        rows = table[table.processor == processor]
        assert drawn == {
            name: rows[rows.variant == name].speedup.tolist() for name in ("nzp", "sd-WA")
        }
        (band,) = (patch for patch in ax.patches if patch.get_label().startswith("published"))
        assert (band.get_y(), band.get_y() + band.get_height()) == (2, 3.5)
    # The panels share an axis, labelled below the last.
    assert [label.get_text() for label in ax.get_xticklabels()] == ["A", "B"]


def test_parts_stack_to_the_total_relative_to_the_first_variant():
    table = compared()
    fig = charts.parts(table, {"dram": "memory", "mac": "arithmetic"}, rows="processor")
    for ax in fig.get_axes():
        memory, arithmetic = ax.containers
        assert [bars.get_label() for bars in ax.containers] == ["memory", "arithmetic"]
        tops = [bar.get_y() + bar.get_height() for bar in arithmetic]
        np.testing.assert_allclose(tops, [1, 6 / 5, 1, 6 / 5])
        np.testing.assert_allclose([bar.get_height() for bar in memory], [2 / 5] * 4)
        assert [text.get_text() for text in ax.texts] == ["A", "B"]


def test_utilisation_is_a_point_a_layer_and_method():
    rows = [
        ("A", "one", "nzp", "compute", 0.9),
        ("A", "one", "sd", "fill", 0.4),
        ("B", "two", "sd", "compute", 0.7),
    ]
    table = pd.DataFrame(rows, columns=["network", "name", "method", "bound_by", "utilisation"])
    (ax,) = charts.utilisation(table).get_axes()
    drawn = {points.get_label(): points.get_offsets().tolist() for points in ax.collections}
    assert drawn == {
        "nzp, bound by compute": [[0.9, 0]],
        "sd, bound by fill": [[0.4, 0]],
        "sd, bound by compute": [[0.7, 1]],
    }
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A: one", "B: two"]


def test_variants_of_a_method_are_tints_of_its_colour():
    colours = charts.variant_colours(["nzp", "sd", "sd-A", "sd-WA"])
    assert len(set(colours.values())) == 4
    light, plain, dark = (sum(colours[name]) for name in ("sd-A", "sd", "sd-WA"))
    assert light > plain > dark


def test_fronts_are_steps_over_all_points():
    rows = [
        ("A", "nzp", 1, 9),
        ("A", "nzp", 2, 4),
        ("A", "nzp", 3, 5),
        ("A", "sd", 1, 2),
        ("B", "sd", 7, 8),
    ]
    table = pd.DataFrame(rows, columns=["network", "method", "x", "y"])
    left, right = charts.fronts(table, table.drop(index=2), "x", "y").get_axes()
    assert (left.get_title(), right.get_title()) == ("A", "B")
    drawn = {line.get_label(): line.get_xydata().tolist() for line in left.lines}
    assert drawn == {"nzp": [[1, 9], [2, 4]], "sd": [[1, 2]]}
    assert sum(len(points.get_offsets()) for points in left.collections) == 4
    assert right.lines[1].get_xydata().tolist() == [[7, 8]]


def test_layers_are_drawn_before_and_after_under_their_roof():
    rows = [("small", "deconv", 8.0, 20.0, 4.0, 5.0), ("small", "conv", 2.0, 3.0, 2.0, 3.0)]
    columns = [
        "processor",
        "kind",
        "operational_intensity",
        "achieved",
        "operational_intensity_before",
        "achieved_before",
    ]
    (ax,) = charts.rooflines(pd.DataFrame(rows, columns=columns), {"small": (32, 4)}).get_axes()
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, np.minimum(32, 4 * x))
    assert (x[0], x[-1]) == pytest.approx((1, 16))
    drawn = {
        points.get_label(): points.get_offsets().tolist()
        for points in ax.collections
        if len(points.get_offsets())
    }
    assert drawn == {"deconv, before": [[4, 5]], "deconv, after": [[8, 20]], "conv": [[2, 3]]}
    (arrow,) = ax.texts
    assert (tuple(arrow.xyann), tuple(arrow.xy)) == ((4, 5), (8, 20))
