"""The figure of a simulated network: what it shows is what the tables have."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from splitdeconv.cli import figure
from splitdeconv.dlp import compare, roof, simulate
from splitdeconv.dlp.checks import PARTS
from tests.dlp.tables import networks
from tests.refusals import refused

PROCESSOR = "pe_array_32x7"
DCGAN = networks("DCGAN")


def runs(layers, method="sd", skip="none", **options):
    """The layers by zero insertion and by a method."""
    return (
        simulate(layers, PROCESSOR, "nzp", **options),
        simulate(layers, PROCESSOR, method, skip, **options),
    )


def drawn(before, after, label):
    fig = figure.draw(before, after, roof(PROCESSOR), label, "a network on a processor")
    fig.canvas.draw()
    return (fig, *fig.get_axes())


@pytest.mark.parametrize(("method", "skip"), [("sd", "none"), ("rows", "WA")])
def test_bars_are_the_energies_of_each_layer_beside_those_of_zero_insertion(method, skip):
    before, after = runs(DCGAN, method, skip)
    label = method if skip == "none" else f"{method}-{skip}"
    _, energy, _ = drawn(before, after, label)
    assert energy.get_xlabel() == "energy, uJ"
    assert [text.get_text() for text in energy.get_yticklabels()] == DCGAN["name"].tolist()
    bars = energy.containers
    assert len(bars) == 2 * len(PARTS)
    for index, run in enumerate((before, after)):
        for part, container in zip(PARTS, bars[index * len(PARTS) :], strict=False):
            widths = [bar.get_width() for bar in container]
            np.testing.assert_allclose(widths, run[f"energy_{part}_pj"] / 1e6, rtol=1e-12)
        ends = [bar.get_x() + bar.get_width() for bar in container]
        np.testing.assert_allclose(ends, run["energy_pj"] / 1e6, rtol=1e-12)
    texts = [text.get_text() for text in energy.texts]
    assert f" {label}, {after['energy_pj'][1] / 1e6:.3g}" in texts
    assert f" nzp, {before['energy_pj'][1] / 1e6:.3g}" in texts
    legend = [text.get_text() for text in energy.get_legend().get_texts()]
    assert legend == ["multiplication", "register", "buffer", "DRAM", "leakage"]


def test_the_roofline_has_every_layer_before_and_after_and_names_it():
    before, after = runs(DCGAN)
    *_, ax = drawn(before, after, "sd")
    peak, bandwidth = roof(PROCESSOR)
    line = next(line for line in ax.lines if line.get_label() == "roof")
    x, y = line.get_data()
    np.testing.assert_allclose(y, np.minimum(peak, x * bandwidth), rtol=1e-12)
    assert x[1] == pytest.approx(peak / bandwidth)
    for points, run in zip(ax.collections, (before, after), strict=True):
        columns = run[["operational_intensity", "achieved"]]
        np.testing.assert_allclose(points.get_offsets(), columns, rtol=1e-12)
    named = {text.get_text(): text.xy for text in ax.texts}
    assert set(named) == set(DCGAN["name"])
    row = after.set_index("name").loc["deconv2"]
    assert tuple(named["deconv2"]) == (row["operational_intensity"], row["achieved"])


def test_layers_at_one_point_share_a_name():
    layers = pd.concat([DCGAN.assign(name=[f"{n}{i}" for n in DCGAN["name"]]) for i in "abc"])
    *_, ax = drawn(*runs(layers), "sd")
    assert {text.get_text() for text in ax.texts} == {f"{n}a and 2 more" for n in DCGAN["name"]}


@pytest.mark.parametrize(("method", "skip"), [("sd", "none"), ("sd", "WA"), ("stacked", "A")])
def test_the_title_states_the_gain_of_the_tables(method, skip):
    before, after = runs(DCGAN, method, skip)
    compared = compare({"d": DCGAN}, PROCESSOR, [(method, skip)])
    gain = compared[(compared.part == "network") & (compared.method == method)].iloc[-1]
    text = figure.result(before, after, "mine")
    saved = f"{gain.energy_saving:.0%}".replace("%", " %")
    assert text.startswith(f"mine: {gain.speedup:.2g} times as fast, {saved} less energy than zero")
    assert text.endswith("; 4 of 4 layers bound by the array")


def test_a_loss_and_layers_bound_by_memory_are_called_so():
    before, after = runs(DCGAN)
    bounds = ["bandwidth", "fill", "bandwidth", "compute"]
    swapped = figure.result(after, before.assign(bound_by=bounds), "sd")
    more = before["energy_pj"].sum() / after["energy_pj"].sum() - 1
    assert f"{more:.0%}".replace("%", " %") + " more energy than zero insertion" in swapped
    assert swapped.endswith("; 2 of 4 layers bound by the array")
    one = after[:1].assign(bound_by="compute")
    assert figure.result(one, one, "nzp") == (
        "nzp: as zero insertion; 1 of 1 layer bound by the array"
    )


def test_zero_insertion_alone_is_drawn_once():
    before, after = runs(DCGAN, "nzp")
    _, energy, ax = drawn(before, after, "nzp")
    assert (len(energy.containers), len(ax.collections)) == (len(PARTS), 1)


def test_of_many_layers_those_of_most_energy_have_bars_and_the_rest_one():
    sizes = [3 + 2 * (7 * i % 31) for i in range(31)]
    fields = {"kind": "conv", "c_in": 4, "c_out": 4, "k_h": 3, "k_w": 3, "padding": "SAME"}
    rows = [{"name": f"l{i}", "in_h": n, "in_w": n, **fields} for i, n in enumerate(sizes)]
    layers = pd.DataFrame(rows)
    before, after = runs(layers)
    _, energy, ax = drawn(before, after, "sd")
    names = [text.get_text() for text in energy.get_yticklabels()]
    assert (len(names), names[-1]) == (figure.MOST_LAYERS, "8 other layers")
    most = after.nlargest(figure.MOST_LAYERS - 1, "energy_pj").sort_index()["name"]
    assert names[:-1] == most.tolist()
    total = sum(bar.get_width() for container in energy.containers for bar in container)
    unit = {"uJ": 1e6, "nJ": 1e3, "mJ": 1e9}[energy.get_xlabel()[-2:]]
    assert total * unit == pytest.approx(before["energy_pj"].sum() + after["energy_pj"].sum())
    assert len(ax.texts) == 12


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf", ".PNG"])
def test_names_of_layers_are_no_formulas_and_bytes_are_the_same(tmp_path, ending):
    names = ["$a^{b", "a\nb\x1b[1m", "\u5c42" * 50, "%s {0}"]
    before, after = runs(DCGAN.assign(name=names))
    fig, energy, _ = drawn(before, after, "sd")
    labels = [text.get_text() for text in energy.get_yticklabels()]
    assert labels[:2] + labels[3:] == ["$a^{b", "a?b?[1m", "%s {0}"]
    assert len(labels[2]) <= 32
    for name in ("one", "two"):
        fig, *_ = drawn(before, after, "sd")
        figure.write(fig, tmp_path / f"{name}{ending}", False)
    one, two = ((tmp_path / f"{name}{ending}").read_bytes() for name in ("one", "two"))
    assert one == two
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert one.startswith(starts[ending.lower()])
    assert not plt.get_fignums()


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    for name, got in (("a.gif", ".gif"), ("a", "no ending"), ("a.png.txt", ".txt")):
        with refused("a figure cannot be written in this format") as caught:
            figure.check(tmp_path / name, False)
        assert caught.value.got == got
    (tmp_path / "there.png").write_bytes(b"")
    with refused("the output cannot be written"):
        figure.check(tmp_path / "there.png", False)
    figure.check(tmp_path / "there.png", True)


def test_matplotlib_is_named_with_its_extra_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ValueError, match="matplotlib") as caught:
        figure.check(tmp_path / "a.png", False)
    assert "pip install 'splitdeconv[notebooks]'" in caught.value.fix
