"""The picture of the whole method: each tap and each output is drawn where the plan has it."""

import matplotlib
import pytest

import splitdeconv as sd
from splitdeconv.study.charts import steps as draw
from tests.refusals import refused

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (2, 3), ((4, 3), (2, 3))])
def test_taps_and_outputs_are_those_of_the_plan(kernel, stride):
    plan = sd.plan((3, 5), kernel, stride)
    _, table = draw.steps(plan)
    taps, outputs = (table[table.of == kind] for kind in ("tap", "output"))
    ky, kx = (axis.k for axis in plan.axes)
    assert set(zip(taps.from_y, taps.from_x, strict=True)) == {
        (u, v) for u in range(ky) for v in range(kx)
    }
    assert len(taps) == ky * kx
    for name, axis in (("y", plan.axes[0]), ("x", plan.axes[1])):
        # i*s = q + p - u is divisible by s exactly for the taps of q's phase.
        assert ((taps[f"phase_{name}"] + axis.p - taps[f"from_{name}"]) % axis.s == 0).all()
        assert (
            outputs[f"to_{name}"] == outputs[f"from_{name}"] * axis.s + outputs[f"phase_{name}"]
        ).all()
    assert len(set(zip(outputs.to_y, outputs.to_x, strict=True))) == len(outputs)
    assert len(outputs) == 9 * plan.axes[0].s * plan.axes[1].s


def test_every_tap_and_every_output_is_drawn_twice_and_no_cell_on_another():
    fig, table = draw.steps(sd.plan((6, 6), 5, 2), most=2)
    (ax,) = fig.get_axes()
    centres = {(round(p.get_x(), 6), round(p.get_y(), 6)) for p in ax.patches}
    assert len(centres) == len(ax.patches) == 2 * len(table) == 2 * (25 + 16)
    colours = {patch.get_facecolor() for patch in ax.patches}
    assert len(colours) == 4


def test_the_steps_are_named_with_their_numbers():
    fig, _ = draw.steps(sd.plan((6, 6), (4, 3), (2, 3)))
    words = " ".join(text.get_text() for text in fig.get_axes()[0].texts)
    assert "one 4\u00d73 filter\nof stride 2\u00d73" in words
    assert "6 filters" in words


def test_a_plan_of_another_rank_is_refused():
    with refused("of a 2-D plan"):
        draw.steps(sd.plan((6,), 3, 2))


def test_a_picture_that_nobody_could_see_is_refused():
    with refused("too large to draw"):
        draw.steps(sd.plan((8, 8), 101, 2))


def test_no_blocks_are_refused():
    with refused("number of blocks"):
        draw.steps(sd.plan((6, 6), 3, 2), most=0)
