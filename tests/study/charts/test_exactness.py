"""The chart of errors: its quantiles are the survey's, and the control stands apart."""

import matplotlib
import numpy as np
import pandas as pd

from splitdeconv.study.charts.exactness import spread

matplotlib.use("Agg")


def test_each_form_is_a_line_from_least_to_greatest_and_the_control_is_alone():
    ratio = {"split": [0.0, 0.1, 0.4], "nzp": [0.05, 0.2, 0.7]}
    table = pd.concat(
        pd.DataFrame({"form": form, "ratio": values, "control": [1e13, 1e15, np.nan]})
        for form, values in ratio.items()
    )
    fig = spread(table)
    near, far = fig.get_axes()
    ends = [line.get_xdata() for line in near.lines if line.get_linewidth() == 1.6]
    assert [list(pair) for pair in ends] == [[0.0, 0.4], [0.05, 0.7]]
    assert list(next(line.get_xdata() for line in far.lines)) == [1e13, 1e15]
    assert [text.get_text() for text in near.get_yticklabels()] == [
        "split",
        "zero insertion",
        "control: one tap wrong",
    ]
    assert {"0.40", "0.70"} <= {text.get_text() for text in near.texts}
    assert [text.get_text() for text in far.texts] == ["from 1 × 10¹³"]
    assert near.get_xlim()[1] > 1
    assert far.get_xlim()[0] > 1
