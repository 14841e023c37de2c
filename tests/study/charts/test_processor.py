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


def dots(ax):
    """Dict of label to the rounded places of its dots."""
    return {
        points.get_label(): np.round(points.get_offsets(), 2).tolist() for points in ax.collections
    }


def test_methods_are_dots_at_their_value_beside_the_published_band():
    table = compared()
    fig = charts.by_network(table, "speedup", label="speedup", band=(2, 3.5))
    axes = fig.get_axes()
    assert [ax.get_title() for ax in axes] == ["small", "large"]
    for ax, processor in zip(axes, ("small", "large"), strict=True):
        rows = table[table.processor == processor]
        values = {
            variant: rows[rows.variant == variant].speedup.tolist() for variant in ("nzp", "sd-WA")
        }
        assert dots(ax) == {
            "zero insertion": [[x, y - 0.24] for y, x in enumerate(values["nzp"])],
            "split, filters extended, zeros skipped": [
                [x, y + 0.24] for y, x in enumerate(values["sd-WA"])
            ],
        }
        (band,) = (patch for patch in ax.patches if patch.get_label().startswith("published"))
        assert (band.get_x(), band.get_x() + band.get_width()) == (2, 3.5)
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["A", "B"]


def test_fractions_are_drawn_in_per_cent():
    table = compared().query("processor == 'small'")
    (ax,) = charts.by_network(
        table, "speedup", label="saved", band=(0.25, 0.5), even=0, percent=True
    ).get_axes()
    assert dots(ax)["zero insertion"] == [[150, -0.24], [250, 0.76]]
    (band,) = (patch for patch in ax.patches if patch.get_label() == "published: 25 to 50 %")
    assert (band.get_x(), band.get_width()) == (25, 25)
    assert ax.lines[0].get_xdata() == [0, 0]


def test_parts_stack_to_the_total_relative_to_the_first_bar():
    table = compared().query("processor == 'large'").assign(bar=lambda t: t.variant)
    (ax,) = charts.parts(table, {"dram": "memory", "mac": "maths"}, label="energy").get_axes()
    memory, arithmetic = ax.containers
    assert [bars.get_label() for bars in ax.containers] == ["memory", "maths"]
    ends = [bar.get_x() + bar.get_width() for bar in arithmetic]
    np.testing.assert_allclose(ends, [1, 6 / 5, 1, 6 / 5])
    np.testing.assert_allclose([bar.get_width() for bar in memory], [2 / 5] * 4)
    assert [text.get_text() for text in ax.texts] == ["1.00", "1.20"] * 2
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["A: nzp", "A: sd-WA", "B: nzp", "B: sd-WA"]


def test_ranges_have_a_dot_and_two_ends():
    rows = [("A", "one", 0.4, 0.3, 0.5), ("B", "one", 0.2, 0.1, 0.25), ("A", "two", 0.6, 0.6, 0.7)]
    table = pd.DataFrame(rows, columns=["network", "kind", "value", "min", "max"])
    (ax,) = charts.ranges(table, "kind", label="saved", band=(0.3, 0.5)).get_axes()
    lines = [lines for lines in ax.collections if hasattr(lines, "get_segments")]
    assert [np.round(s, 2).tolist() for lines_ in lines for s in lines_.get_segments()] == [
        [[30, -0.15], [50, -0.15]],
        [[10, 0.85], [25, 0.85]],
        [[60, 0.15], [70, 0.15]],
    ]
    drawn = {points.get_label(): points.get_offsets() for points in ax.collections}
    np.testing.assert_allclose(drawn["one"], [[40, -0.15], [20, 0.85]])
    np.testing.assert_allclose(drawn["two"], [[60, 0.15]])


def test_idle_multipliers_are_a_line_from_one_method_to_the_other():
    rows = [
        ("A", "one", "nzp", 0.9),
        ("A", "one", "sd", 0.4),
        ("B", "two", "nzp", 0.6),
        ("B", "two", "sd", 0.7),
    ]
    table = pd.DataFrame(rows, columns=["network", "name", "method", "utilisation"])
    (ax,) = charts.idle(table).get_axes()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A one", "B two"]
    drawn = {points.get_label(): points.get_offsets() for points in ax.collections}
    np.testing.assert_allclose(drawn["zero insertion"], [[90, 0], [60, 1]])
    np.testing.assert_allclose(drawn["split, filters extended"], [[40, 0], [70, 1]])
    (lines,) = (lines for lines in ax.collections if hasattr(lines, "get_segments"))
    np.testing.assert_allclose(lines.get_segments(), [[[40, 0], [90, 0]], [[60, 1], [70, 1]]])


def test_layers_are_drawn_before_and_after_under_their_roof():
    columns = ["kind", "network", "layer", "method"]
    columns += ["operational_intensity", "achieved"]
    columns += ["operational_intensity_before", "achieved_before"]
    rows = [
        ("deconv", "A", "one", "sd", 8.0, 20.0, 4.0, 5.0),
        ("conv", "A", "two", "sd", 2.0, 3.0, 2.0, 3.0),
    ]
    (ax,) = charts.roofline(pd.DataFrame(rows, columns=columns), (32, 4)).get_axes()
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, np.minimum(32, 4 * x))
    assert (x[0], x[-1]) == pytest.approx((2, 16))
    assert dots(ax) == {"zero insertion": [[4, 5]], "split, filters extended": [[8, 20]]}
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[4, 5], [8, 20]])
    assert "A one, 4.0x" in [text.get_text() for text in ax.texts]
