"""Charts of gains show every number of their table, and say why one is missing."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from splitdeconv.study import gains
from splitdeconv.study.charts import gains as gain_charts

NOTE = "native does not run on the accelerator alone"


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def table():
    rows = [
        ("a", "one", "npu", "split", 4.0, ""),
        ("a", "one", "npu", "rows", 0.5, ""),
        ("a", "one", "npu", "auto", 4.0, ""),
        ("b", "two", "npu", "split", np.nan, NOTE),
        ("b", "two", "npu", "rows", np.nan, NOTE),
        ("b", "two", "npu", "auto", np.nan, NOTE),
        ("a", "one", "wide", "split", 2000.0, ""),
        ("a", "one", "wide", "rows", 3.0, ""),
        ("a", "one", "wide", "auto", 3.0, ""),
    ]
    return pd.DataFrame(rows, columns=["network", "layer", "configuration", "form", "gain", "note"])


def points(ax):
    return {
        dots.get_label(): dots.get_offsets()
        for dots in ax.collections
        if hasattr(dots, "get_sizes")
    }


def test_where_nothing_was_compiled_there_is_no_mean():
    absent = table().assign(gain=np.nan, note="Vela is not installed")
    rows = [("dcgan", "one", "npu", form, np.nan, False) for form in ("native", "auto")]
    columns = ["network", "layer", "configuration", "form", "cycles", "complete"]
    summary = gains.summary(pd.DataFrame(rows, columns=columns), baselines=["native"])
    (ax,) = gain_charts.means(absent.assign(baseline="native"), summary).get_axes()
    assert [text.get_text() for text in ax.texts] == ["", "no layer"]


def test_means_are_drawn_and_outliers_are_written():
    found = table().query("form == 'auto'").assign(baseline="native")
    found = pd.concat([found, found.assign(layer="three", gain=[90.0, 2.0, 1.5])])
    summary = gains.summary(
        pd.DataFrame(
            [
                ("dcgan", layer, "npu", form, cycles, True)
                for layer, cycles_of in (("one", (8, 2)), ("two", (90, 1)))
                for form, cycles in zip(("native", "auto"), cycles_of, strict=True)
            ],
            columns=["network", "layer", "configuration", "form", "cycles", "complete"],
        ),
        baselines=["native"],
    ).assign(other=3.5)
    (ax,) = gain_charts.means(
        found, summary, titles={"npu": "NPU"}, also=("other", "mean of others")
    ).get_axes()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["NPU over native operator"]
    drawn = points(ax)
    assert drawn["geometric mean"][0][0] == pytest.approx((4 * 90) ** 0.5)
    assert drawn["mean of others"][0][0] == 3.5
    assert drawn["worst layer"][0][0] == 4
    assert sorted(drawn["a layer"][:, 0]) == [2, 4]
    texts = [text.get_text() for text in ax.texts]
    assert "18.97" in texts
    assert any(text.startswith("90 ") for text in texts)
    (ax,) = gain_charts.means(found, summary, most=3).get_axes()
    assert ax.texts[0].get_text().startswith("4, 90 ")
    assert points(ax)["a layer"][:, 0].tolist() == [2]


def test_the_worst_verdict_colours_a_field_and_names_its_operators():
    rows = [
        ("A", "native", "CONV_2D", 3.0, "taken", None),
        ("A", "native", "TANH", 2.0, "unknown", None),
        ("A", "native", "TRANSPOSE_CONV", 4.0, "refused", None),
        ("A", "split", "CONV_2D", 3.0, "taken", None),
        ("B", "native", None, np.nan, None, "not exported"),
        ("B", "split", "TANH", 2.0, "unknown", None),
    ]
    found = pd.DataFrame(
        rows, columns=["network", "form", "operator", "version", "verdict", "skipped"]
    )
    (ax,) = gain_charts.verdicts(found).get_axes()
    assert [patch.get_label() for patch in ax.patches] == ["refused", "taken", "no file", "unknown"]
    assert [to_hex(patch.get_facecolor()).upper() for patch in ax.patches] == [
        gain_charts.VERDICTS[verdict] for verdict in ("refused", "taken", "no file", "unknown")
    ]
    named = [text.get_text().replace("\u00a0", " ") for text in ax.texts]
    assert named == ["TRANSPOSE_CONV v4", "", "not exported", "TANH v2"]


def test_published_speedups_are_bars_of_their_value():
    first = pd.DataFrame(
        [("A", "x", 1.5), ("A", "y", 2.0), ("B", "x", 0.5), ("B", "y", 3.0)],
        columns=["network", "series", "speedup"],
    )
    second = pd.DataFrame([("B", "z", 1.25)], columns=["network", "series", "speedup"])
    left, right = gain_charts.published(
        {"L": first, "R": second}, {"x": "an x", "y": "a y", "z": "a z"}
    ).get_axes()
    bars = {
        container.get_label(): [bar.get_width() for bar in container]
        for container in left.containers
    }
    assert bars == {"an x": [1.5, 0.5], "a y": [2.0, 3.0]}
    for first, second in zip(*left.containers, strict=True):
        assert first.get_y() + first.get_height() <= second.get_y()  # beside each other
    (bar,) = right.containers[0]
    assert bar.get_width() == 1.25
    assert bar.get_y() < 1 < bar.get_y() + bar.get_height()  # beside the second network
    assert [label.get_text() for label in left.get_yticklabels()] == ["A", "B"]
