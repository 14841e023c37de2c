"""The command line on processors: what it prints, and its exit codes."""

import json

import pandas as pd
import pytest

from splitdeconv.dlp import compare, simulate
from tests.dlp.tables import networks

TABLE = networks("DCGAN")
LAYERS = ("fc", "deconv1", "deconv2", "deconv3")


def lines(out, start):
    """What follows `start` on each line that starts so."""
    return [line.removeprefix(start) for line in out.splitlines() if line.startswith(start)]


def test_a_simulation_is_a_table_with_reasons_totals_and_the_gain(run, network):
    options = ("--method", "rows", "--skip", "WA", "--batch", "2", "--technology", "horowitz_45nm")
    code, out, err = run("simulate", network, "--processor", "pe_array_32x7", *options)
    assert (code, err) == (0, "")
    assert out.startswith(
        "processor pe_array_32x7, dataflow output_stationary, technology horowitz_45nm, "
        "method rows, skip WA, batch 2, zeros generated\n"
    )
    layers = simulate(TABLE, "pe_array_32x7", "rows", "WA", batch=2, technology="horowitz_45nm")
    rows = {
        line.split()[0]: line.split()
        for line in out.splitlines()
        if line.strip().startswith(LAYERS)
    }
    assert tuple(rows) == LAYERS
    for row in layers.itertuples():
        numbers = (
            f"{row.cycles / 1e3:,.1f}",
            f"{row.utilisation:.0%}",
            f"{row.dram_bytes / 1024:,.1f}",
        )
        assert tuple(rows[row.name][1:7]) == (
            row.kind,
            *numbers,
            f"{row.energy_pj / 1e6:,.2f}",
            row.bound_by,
        )
        assert rows[row.name][7] == row.why.split()[0]
    (total,), (transposed,) = lines(out, "all layers: "), lines(out, "transposed convolutions: ")
    for text, part in ((total, layers), (transposed, layers[layers["kind"] == "deconv"])):
        assert f"{part['macs_useful'].sum() / 1e6:,.2f} useful MMAC, " in text
        assert f" useful MMAC, {part['cycles'].sum() / 1e3:,.1f} kcycles" in text
        assert text.endswith(f"{part['energy_pj'].sum() / 1e6:,.2f} uJ")
    gains = compare(
        {"": TABLE}, "pe_array_32x7", [("rows", "WA")], batch=2, technology="horowitz_45nm"
    )
    gains = gains[gains["variant"] == "rows-WA"].set_index("part")
    for start, part in (
        ("over nzp, all layers: ", "network"),
        ("over nzp, transposed convolutions: ", "deconv"),
    ):
        gain = gains.loc[part]
        assert lines(out, start) == [
            f"{gain['speedup']:.2f}x faster ({gain['array_speedup']:.2f}x without memory), "
            f"{gain['energy_saving']:.1%} less energy"
        ]
        assert gain["speedup"] > 1


def test_a_simulation_as_json(run, network):
    options = ("--dataflow", "weight_stationary", "--zeros", "stored", "--json")
    code, out, err = run("simulate", network, "--processor", "pe_array_16x16", *options)
    assert (code, err) == (0, "")
    content = json.loads(out)
    how = {"dataflow": "weight_stationary", "zeros": "stored"}
    layers = simulate(TABLE, "pe_array_16x16", **how)
    assert content["schema_version"] == 1
    assert {name: content[name] for name in how} == how
    assert (content["network"], content["method"], content["skip"]) == (str(network), "sd", "none")
    assert content["layers"] == layers.to_dict("records")
    assert content["totals"]["network"]["cycles"] == layers["cycles"].sum()
    assert content["totals"]["deconv"]["cycles"] == layers["cycles"][1:].sum()
    before = simulate(TABLE, "pe_array_16x16", "nzp", **how)["cycles"][1:].sum()
    assert (
        content["over_nzp"]["deconv"]["speedup"] == before / content["totals"]["deconv"]["cycles"]
    )


def test_without_transposed_convolutions_there_is_no_gain(run, tmp_path):
    path = tmp_path / "fc.csv"
    TABLE[:1].to_csv(path, index=False)
    code, out, _ = run("simulate", path, "--processor", "eyeriss_like")
    assert code == 0
    assert len(lines(out, "all layers: ")) == 1
    assert not lines(out, "transposed")
    assert not lines(out, "over nzp")


def test_one_network_of_a_file_of_several(run, tmp_path):
    path = tmp_path / "all.csv"
    pd.concat([networks(name).assign(network=name) for name in ("DCGAN", "SNGAN")]).to_csv(
        path, index=False
    )
    code, out, _ = run(
        "simulate", path, "--network", "DCGAN", "--processor", "pe_array_16x16", "--json"
    )
    assert (code, [layer["name"] for layer in json.loads(out)["layers"]]) == (0, list(LAYERS))
    code, out, err = run("simulate", path, "--processor", "pe_array_16x16")
    assert (code, out) == (1, "")
    assert "network= one of DCGAN, SNGAN" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("simulate", "gan", "--processor", "pe_array_16x16"),
            "splitdeconv: there is no such network or file\n",
        ),
        (
            ("simulate", "FILE", "--processor", "gpu"),
            "splitdeconv: there is no such processor or file\n",
        ),
        (
            ("simulate", "FILE", "--processor", "eyeriss_like", "--skip", "A"),
            "the processor does not support that skipping mode",
        ),
        (
            ("simulate", "FILE", "--processor", "pe_array_16x16", "--method", "native"),
            "no transposed convolution",
        ),
        (
            ("simulate", "FILE", "--processor", "pe_array_16x16", "--technology", "x"),
            "no such technology or file",
        ),
        (("simulate", "FILE", "--processor", "pe_array_16x16", "--size", "8x8"), "unknown option"),
    ],
)
def test_a_refusal_exits_with_1_and_no_traceback(run, network, arguments, message):
    code, out, err = run(*(network if argument == "FILE" else argument for argument in arguments))
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("text", ["8", "8x", "8x8x3", "large", "-8x8"])
def test_an_image_size_that_is_none_is_refused_with_an_example(run, text):
    code, _, err = run("simulate", "dcgan", "--processor", "pe_array_16x16", f"--size={text}")
    assert code == 2
    assert f"invalid image size '{text}': expected HEIGHTxWIDTH" in " ".join(
        err.replace("│", " ").split()
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate",),
        ("simulate", "dcgan"),
        ("simulate", "dcgan", "--processor", "pe_array_16x16", "--method", "magic"),
        ("simulate", "dcgan", "--processor", "pe_array_16x16", "--batch", "0"),
    ],
)
def test_wrong_usage_exits_with_2(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2
    assert "Usage" in out + err


def test_a_loss_is_called_one(run):
    """On MDE splitting costs more energy than zeros that are generated beside the array."""
    _, out, _ = run("simulate", "mde", "--processor", "dot_product_16x16")
    lines = [line for line in out.splitlines() if line.startswith("over nzp")]
    assert len(lines) == 2
    assert all("-" not in line.partition(":")[2] for line in lines)
    assert "more energy" in lines[1]
    assert "less energy" in run("simulate", "dcgan", "--processor", "pe_array_32x7")[1]


def test_the_loop_nest_of_each_layer_is_printed(run):
    _, out, _ = run("simulate", "dcgan", "--processor", "pe_array_32x7", "--mapping")
    lines = out.splitlines()
    at = lines.index("deconv3")
    assert lines[at + 1 : at + 5] == [
        "  1 image, 4 phases together",
        "    for rows in 32 tiles of 1, inputs slide",
        "      tile: 8,192 words of input, 6,912 of filters",
        "      DRAM: 65,536 words of input, 6,912 of filters",
    ]
    rows = json.loads(run("simulate", "dcgan", "--processor", "pe_array_32x7", "--json")[1])
    assert rows["layers"][-1]["mapping"] == "phases together, rows 32x1~"


def test_interleaving_is_a_choice(run):
    costs = [
        json.loads(
            run(
                "simulate", "fst", "--processor", "pe_array_32x7", "--interleave", policy, "--json"
            )[1]
        )["totals"]["deconv"]["dram_bytes"]
        for policy in ("free", "bursts", "pass")
    ]
    assert costs == sorted(set(costs))


def test_a_figure_is_written_beside_the_table_and_never_over_another(run, network, tmp_path):
    command = ("simulate", network, "--processor", "pe_array_32x7", "--plot", tmp_path / "a.svg")
    plain = run(*command[:4])[1]
    code, out, err = run(*command)
    assert (code, out, err) == (0, f"{plain}wrote {tmp_path / 'a.svg'}\n", "")
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "times as fast" in drawn
    assert all(name in drawn for name in LAYERS)
    code, out, err = run(*command, "--batch", "2")
    assert (code, out, "--overwrite" in err) == (1, "", True)
    code, out, _ = run(*command, "--batch", "2", "--overwrite", "--json")
    assert (code, json.loads(out)["batch"]) == (0, 2)
    assert "batch 2" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    code, out, err = run(*command[:-1], tmp_path / "a.bmp")
    assert (code, out, ".png, .svg, .pdf" in err) == (1, "", True)
