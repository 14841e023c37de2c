"""Pictures of a plan: their tables say what the plan says, and every cell is drawn."""

import matplotlib
import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.study.charts import plan as draw
from tests.refusals import refused

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def texts(fig):
    return [text.get_text() for ax in fig.get_axes() for text in ax.texts]


@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (2, 3), ((4, 3), (2, 3))])
def test_every_tap_is_drawn_once_whole_and_once_in_its_phase(kernel, stride):
    plan = sd.plan((6, 6), kernel, stride)
    fig, table = draw.filter_by_phase(plan)
    ky, kx = (axis.k for axis in plan.axes)
    taps = set(zip(table.tap_y, table.tap_x, strict=True))
    assert len(table) == len(taps) == ky * kx
    assert sorted(texts(fig)) == sorted(2 * [f"{u},{v}" for u, v in taps])
    for y, axis in (("y", plan.axes[0]), ("x", plan.axes[1])):
        # i*s = q + p - u is divisible by s exactly for the taps of q's phase.
        assert ((table[f"phase_{y}"] + axis.p - table[f"tap_{y}"]) % axis.s == 0).all()


def test_windows_name_the_inputs_of_the_definition():
    plan = sd.plan((6, 4), (5, 4), (2, 3), "SAME", output_shape=(11, 10))
    for index, axis in enumerate(plan.axes):
        _, table = draw.windows(plan, index)
        assert (table.input * axis.s == table.output + axis.p - axis.d * table.tap).all()
        assert (table.real == table.input.between(0, axis.n - 1)).all()
        assert table.real.sum() == sum(
            0 <= i * axis.s + u - axis.p < axis.o for i in range(axis.n) for u in range(axis.k)
        )


def test_letters_stand_out_from_their_cells():
    fig, _ = draw.filter_by_phase(sd.plan((6, 6), 5, 2))
    (whole, *_) = fig.get_axes()
    for patch, text in zip(whole.patches, whole.texts, strict=True):
        luminance = np.dot(patch.get_facecolor()[:3], (0.2126, 0.7152, 0.0722))
        assert text.get_color() == ("white" if luminance < 0.5 else "black")


def test_pictures_of_the_wrong_rank_are_refused():
    line = sd.plan((6,), 3, 2)
    with pytest.raises(sd.SplitDeconvError, match="of a 2-D plan"):
        draw.filter_by_phase(line)
    with pytest.raises(sd.SplitDeconvError, match="unknown length cannot be drawn"):
        draw.windows(sd.plan((None,), 3, 2))


@pytest.mark.parametrize(
    ("picture", "arguments"),
    [
        (draw.filter_by_phase, ((8, 8), 101, 2)),
        (draw.windows, ((10**18,), 3, 2)),
        (draw.windows, ((8,), 60_000, 2)),
    ],
)
def test_pictures_that_nobody_could_see_are_refused(picture, arguments):
    with refused("too large to draw"):
        picture(sd.plan(*arguments))


def test_names_that_would_not_fit_their_cells_are_left_out():
    (whole, *parts) = draw.filter_by_phase(sd.plan((6, 6), 16, 8))[0].get_axes()
    assert len(whole.texts) == 16 * 16
    assert all(5 <= text.get_fontsize() < 8.5 for text in whole.texts)
    assert [len(ax.patches) for ax in parts] == [4] * 64
    assert not any(ax.texts for ax in parts)
    assert parts[9].get_title() == "(1, 1): 2x2"
