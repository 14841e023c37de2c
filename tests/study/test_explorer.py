"""The explorer computes what plan and processor model say, and its widgets show exactly that."""

import base64
import re
import struct
from dataclasses import replace
from html import unescape
from types import SimpleNamespace

import matplotlib
import pytest

import splitdeconv as sd
from splitdeconv import extras
from splitdeconv.dlp import simulate
from splitdeconv.study import account as one_layer, explorer
from splitdeconv.study.charts.methods import method_name
from tests.refusals import refused

matplotlib.use("Agg")
CHOICE = {
    "size": (6, 9),
    "kernel": (5, 4),
    "stride": (2, 3),
    "padding": [(1, 0), (2, 1)],
    "in_channels": 24,
    "out_channels": 10,
    "form": "rows",
    "processor": "dot_product_16x16",
    "zeros": "stored",
}


@pytest.fixture(autouse=True)
def _close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def layer(plan, c_in, c_out):
    """The plan's layer, its crops written as they were given."""
    import pandas as pd

    (h, w), (before_h, end_h), (before_w, end_w) = plan.axes, *CHOICE["padding"]
    row = {
        "name": "a",
        "kind": "deconv",
        "in_h": h.n,
        "in_w": w.n,
        "k_h": h.k,
        "k_w": w.k,
        "c_in": c_in,
        "c_out": c_out,
    }
    row |= {"before_h": before_h, "end_h": end_h, "before_w": before_w, "end_w": end_w}
    return pd.DataFrame([row | {"stride_h": h.s, "stride_w": w.s}])


def test_the_account_is_that_of_plan_and_processor_model():
    table = explorer.account(**CHOICE).set_index("form")
    plan = sd.plan(CHOICE["size"], CHOICE["kernel"], CHOICE["stride"], CHOICE["padding"])
    counts = plan.macs(24, 10)
    assert table["macs"].to_dict() == {form: counts[form] for form in explorer.METHODS}
    assert {(row.useful, row.exact) for row in table.itertuples()} == {
        (counts["useful"], counts["exact"])
    }
    assert table.index[table["chosen"]].tolist() == ["rows"]
    network, processor = layer(plan, 24, 10), sd.dlp.load_processor("dot_product_16x16")
    runs = {
        form: simulate(network, processor, method, zeros="stored").loc[0]
        for form, method in explorer.METHODS.items()
    }
    for form, run in runs.items():
        assert run["macs_dense"] == counts[form], form
        assert table.loc[form, "cycles"] == run["cycles"], form
        assert table.loc[form, "speedup"] == runs["nzp"]["cycles"] / run["cycles"], form
        assert (
            table.loc[form, "energy_saving"] == 1 - run["energy_pj"] / runs["nzp"]["energy_pj"]
        ), form
        assert table.loc[form, "energy_uj"] == pytest.approx(run["energy_pj"] * 1e-6), (
            form
        )  # a microjoule is 1e6 pJ
    assert table.loc["nzp", ["speedup", "energy_saving"]].tolist() == [1, 0]
    # Where zeros are stored, zero insertion costs more than where they are generated; nothing else
    # changes.
    generated = explorer.account(**CHOICE | {"zeros": "generated"}).set_index("form")
    assert generated.loc["nzp", "energy_uj"] < table.loc["nzp", "energy_uj"]
    assert generated.loc["split", "energy_uj"] == table.loc["split", "energy_uj"]


@pytest.mark.parametrize("padding", ["SAME", "VALID", [(1, 1), (1, 1)]])
@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (2, 3), (3, 3), (1, 1)])
def test_every_padding_reaches_the_processor_model_as_it_is(kernel, stride, padding):
    choice = explorer.INITIAL | {"size": 7, "kernel": kernel, "stride": stride, "padding": padding}
    table = explorer.account(**choice).set_index("form")
    network = one_layer._layer(sd.plan((7, 7), kernel, stride, padding), 128, 64)
    for form, method in explorer.METHODS.items():
        assert (
            simulate(network, choice["processor"], method).loc[0, "macs_dense"]
            == table.loc[form, "macs"]
        ), form


def test_auto_is_the_fastest_form_on_the_processor():
    chosen = set()
    for processor in ("pe_array_32x7", "tpu_v5e_like", "dot_product_16x16"):
        for kernel, stride, out_channels in ((5, 2, 64), (5, 2, 3), (6, 2, 64), (16, 8, 64)):
            choice = {"kernel": kernel, "stride": stride, "out_channels": out_channels}
            table = explorer.account(**explorer.INITIAL | choice | {"processor": processor})
            (row,) = table[table["chosen"]].itertuples()
            fastest = table[table["cycles"] == table["cycles"].min()]
            assert row.form == fastest.loc[fastest["energy_uj"].idxmin(), "form"]
            chosen.add((processor, row.form))
    assert len({form for _, form in chosen}) > 1  # it does depend on the processor and the layer


def test_the_bars_are_the_table():
    table = explorer.account(**CHOICE)
    macs, speed, energy = explorer.draw(table).get_axes()
    for ax, values in (
        (macs, table["macs"] / 1e6),
        (speed, table["speedup"]),
        (energy, 100 * table["energy_saving"]),
    ):
        assert [bar.get_width() for bar in ax.patches] == pytest.approx(values.tolist(), rel=1e-12)
        assert [bar.get_alpha() == 1 for bar in ax.patches] == table["chosen"].tolist()
    labels = {tick.get_text().replace("\n", " "): tick for tick in macs.get_yticklabels()}
    assert {name: tick.get_fontweight() for name, tick in labels.items()} == {
        method_name(row.form): "bold" if row.chosen else "normal" for row in table.itertuples()
    }
    assert macs.lines[0].get_xdata()[0] == pytest.approx(table["useful"][0] / 1e6)


def text(widget):
    return unescape(re.sub("<[^>]+>", " ", widget.value))


def size(picture):
    """Width and height of a PNG, after its signature."""
    assert bytes(picture.value[:4]) == b"\x89PNG"
    return struct.unpack(">II", picture.value[16:24])


def shown(found):
    """What the explorer says and draws."""
    return (
        text(found.message),
        text(found.details),
        [bytes(picture.value) for picture in found.pictures],
    )


@pytest.mark.slow
def test_widgets_show_the_choice_and_follow_it():
    found = explorer.explore(size=8, in_channels=6, out_channels=5)
    assert list(found.controls) == list(explorer.INITIAL)
    before = shown(found)
    changes = {
        "kernel": 4,
        "stride": 3,
        "padding": ((1, 1), (1, 1)),
        "form": "stacked",
        "size": 5,
        "in_channels": 7,
    }
    changes |= {"out_channels": 9, "processor": "dot_product_16x16", "zeros": "stored"}
    for name, value in changes.items():
        found.controls[name].value = value
        choice = {key: control.value for key, control in found.controls.items()}
        assert choice[name] == value
        plan = sd.plan((choice["size"],) * 2, choice["kernel"], choice["stride"], choice["padding"])
        counts = plan.macs(choice["in_channels"], choice["out_channels"])
        row = explorer.account(**choice).query("chosen").iloc[0]
        words, details, _ = after = shown(found)
        numbers = [f"{counts[key]:,}" for key in (row["form"], "nzp", "useful")]
        assert re.findall(r"[\d,]{2,}", words.partition("multiply-accumulates")[2])[:3] == numbers
        assert f"{row['speedup']:.2f} times" in words
        saving = row["energy_saving"]
        assert f"{abs(saving):.1%} {'less' if saving >= 0 else 'more'} energy" in words
        assert f"{row['latency_us']:,.1f} us, bound by {row['bound_by']}" in words
        assert ("the fastest on" in words) == (choice["form"] == "auto")
        assert details.strip() == str(replace(plan, form=row["form"]))
        assert after != before, name
        # Another split is another picture, and only then.
        assert (after[2][0] != before[2][0]) == (name in ("kernel", "stride", "padding")), name
        before = after
    assert all(min(size(picture)) > 100 for picture in found.pictures)


def test_a_preset_is_a_layer_of_a_network():
    layers = explorer.presets()
    assert {name.split()[0] for name in layers} >= {"DCGAN", "SNGAN", "ArtGAN", "GP-GAN", "FST"}
    for network, title in sd.networks.titles().items():
        for row in sd.networks.layer_table(network).query("kind == 'deconv'").itertuples():
            preset = layers.get(f"{title} {row.name}")
            if preset is not None:
                assert (
                    (preset["size"], preset["kernel"]) == (row.in_h, row.k_h) == (row.in_w, row.k_w)
                )
                assert (preset["in_channels"], preset["out_channels"]) == (row.c_in, row.c_out)
                assert preset["stride"] == row.stride_h <= 8


@pytest.mark.slow
def test_a_preset_sets_all_widgets_at_once():
    found = explorer.explore(size=8, in_channels=6, out_channels=5)
    name, preset = next(iter(explorer.presets().items()))
    found.presets.value = preset
    assert {key: found.controls[key].value for key in preset} == preset, name
    table = explorer.account(**explorer.INITIAL | preset)
    assert f"{table['macs'][table['chosen']].iloc[0]:,}" in text(found.message)
    found.presets.value = None
    assert found.controls["size"].value == preset["size"]


def test_a_choice_that_cannot_be_shows_the_one_error_and_the_next_choice_recovers():
    found = explorer.explore(size=1, kernel=3, stride=1)
    good = shown(found)
    for name, value, problem in (
        ("padding", ((2, 2), (2, 2)), "the padding crops the whole output away"),
        ("in_channels", 0, "the in_channels must be a positive integer"),
        ("out_channels", 2**60, "value out of range"),
    ):
        kept = found.controls[name].value
        found.controls[name].value = value
        message, details, _ = shown(found)
        assert message.strip().startswith(problem)
        assert details == ""
        assert [picture.layout.display for picture in found.pictures] == ["none", "none"]
        found.controls[name].value = kept
        assert shown(found) == good
        assert [picture.layout.display for picture in found.pictures] == [None, None]


def test_a_first_choice_beyond_the_usual_is_offered():
    found = explorer.explore(
        size=200, kernel=17, stride=2, padding=[[0, 1], [1, 0]], in_channels=1, out_channels=1
    )
    assert [found.controls[name].value for name in ("size", "kernel")] == [200, 17]
    assert found.controls["padding"].value == [[0, 1], [1, 0]]
    assert found.controls["padding"].label == "crop 0:1 1:0"
    assert "200x200x1" in text(found.message)


def test_a_notebook_shows_the_widgets_and_no_figure_twice():
    import matplotlib.pyplot as plt

    found = explorer.explore()
    assert plt.get_fignums() == []
    bundle = found._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == found.box.model_id


def test_where_no_kernel_answers_a_still_shows_the_same():
    found = explorer.explore(size=9, kernel=4, form="rows")
    found.controls["out_channels"].value = 33
    page = found._repr_mimebundle_()["text/html"]
    words = unescape(re.sub("<[^>]+>", " ", page))
    for name, value in {"input size": 9, "kernel": 4, "channels out": 33, "form": "rows"}.items():
        assert re.search(rf"{name}\s+{value}\s", words), name
    assert text(found.message) in words
    assert text(found.details) in words
    pictures = re.findall(r'<img alt="([^"]+)".*? src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(data) for _, data in pictures] == shown(found)[2]
    assert "small filters" in pictures[0][0]
    assert "Bars for each form" in pictures[1][0]
    found.controls["kernel"].value = 5
    assert found._repr_mimebundle_()["text/html"] != page


def test_the_still_of_an_invalid_choice_shows_the_refusal_alone():
    found = explorer.explore(size=2, kernel=3)
    found.controls["padding"].value = ((4, 4), (4, 4))
    page = found._repr_mimebundle_()["text/html"]
    assert found.message.value in page
    assert "times the speed" not in text(found.message)
    assert "<img" not in page


def test_it_shows_itself_with_the_widgets_of_colab_as_well():
    found = explorer.explore(kernel=3)
    shown = found._repr_mimebundle_()["application/vnd.jupyter.widget-view+json"]
    found.box = SimpleNamespace(model_id=found.box.model_id)  # ipywidgets 7 has no bundles
    assert found._repr_mimebundle_()["application/vnd.jupyter.widget-view+json"] == shown


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"form": "native"}, "unknown form"),
        ({"size": (4, 4, 4)}, "the processor model computes in two dimensions"),
        ({"zeros": "none"}, "unknown zeros"),
        ({"processor": "abacus"}, "no such processor or file"),
        ({"size": (None, 4)}, "operations cannot be counted without the input size"),
    ],
)
def test_the_account_refuses(change, problem):
    with refused(problem):
        explorer.account(**explorer.INITIAL | change)


def test_explore_refuses_what_widgets_cannot_hold():
    with refused("unknown argument"):
        explorer.explore(kernal=3)
    with refused("kernel must be a positive integer"):
        explorer.explore(kernel=(3, 5))
    with refused("unknown form"):
        explorer.explore(form="native")


def test_without_ipywidgets_the_extra_is_named(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name=name.partition(".")[0])

    monkeypatch.setattr(extras, "import_module", absent)
    with pytest.raises(sd.SplitDeconvError, match="ipywidgets is not installed") as caught:
        explorer.explore()
    assert "splitdeconv[notebooks]" in caught.value.fix
