"""The command line on processors: what it prints, and its exit codes."""

import json
import sys
from math import prod

import pandas as pd
import pytest

from splitdeconv import cli
from splitdeconv.dlp import Front, compare, open_sweep, simulate, sweep
from tests.dlp.tables import networks

TABLE = networks("DCGAN")
LAYERS = ("fc", "deconv1", "deconv2", "deconv3")


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return run


@pytest.fixture
def network(tmp_path):
    """A file, so that no network has to be built."""
    path = tmp_path / "dcgan.csv"
    TABLE.to_csv(path, index=False)
    return path


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


def test_a_sweep_on_stdout(run, network):
    code, out, err = run(
        *("sweep", network, "--processor", "pe_array_16x16", "--axis", "dram_gb_s=1,12.8"),
        *("--axis", "rows:cols=8:32,16:16", "--axis", "strided_writes=true,false"),
        *("--method", "sd", "--skip", "none", "--skip", "W", "--zeros", "stored"),
    )
    assert (code, err) == (0, "")
    axes = {
        "dram_gb_s": [1, 12.8],
        "rows:cols": {"8:32": {"rows": 8, "cols": 32}, "16:16": {"rows": 16, "cols": 16}},
        "strided_writes": [True, False],
    }
    found = sweep(
        {str(network): TABLE},
        "pe_array_16x16",
        axes,
        methods=["sd"],
        skips=["none", "W"],
        zeros="stored",
    )
    expected = found.to_dataframe().reset_index()
    assert len(expected) == prod(found.sizes.values()) == 32
    assert out.startswith("network,method,skip,part,dram_gb_s,rows:cols,strided_writes,cycles,")
    assert out == expected.to_csv(index=False, lineterminator="\n")


def test_a_sweep_in_a_file_with_a_bar_on_a_terminal(run, network, tmp_path, monkeypatch):
    to = tmp_path / "sweep.csv"
    arguments = ("sweep", network, "--processor", "pe_array_16x16", "--axis", "batch=1,2")
    _, table, _ = run(*arguments)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, out, err = run(*arguments, "-o", to)
    assert (code, out) == (0, f"wrote {to}: 8 rows\n")
    assert "100%" in err
    assert to.read_text() == table
    code, out, err = run(*arguments, "-o", to)
    assert (code, out) == (1, "")
    assert "a file that is already there" in err
    assert run(*arguments, "-o", to, "--overwrite")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dcgan.csv", "sweep.csv"]


def test_a_sweep_in_a_folder(run, network, tmp_path):
    to = tmp_path / "sweep.zarr"
    arguments = ("sweep", network, "--processor", "pe_array_16x16", "--axis", "batch=1,3")
    code, out, _ = run(*arguments, "-o", to)
    assert (code, out) == (0, f"wrote {to}: 8 points\n")
    expected = sweep({str(network): TABLE}, "pe_array_16x16", {"batch": [1, 3]})
    assert open_sweep(to).compute().identical(expected)
    for more in ((), ("--overwrite",)):
        code, out, err = run(*arguments, "-o", to, *more)
        assert (code, out) == (1, "")
        assert "something that is already there" in err


def test_a_front(run, network):
    axes = ("--axis", "rows=8,16,24", "--axis", "dram_gb_s=1,2")
    arguments = ("sweep", network, "--processor", "pe_array_16x16", *axes)
    code, out, _ = run(*arguments, "--front", "energy_pj,cycles")
    found = sweep(
        {str(network): TABLE},
        "pe_array_16x16",
        {"rows": [8, 16, 24], "dram_gb_s": [1, 2]},
        reduce=Front("energy_pj", "cycles"),
    )
    assert (code, out) == (0, found.to_csv(index=False, lineterminator="\n"))
    assert 4 <= len(found) < 24
    for names in ("cycles", "cycles,", "a,b,c"):
        code, _, err = run(*arguments, "--front", names)
        assert (code, "invalid front" in err) == (2, True)


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
        (("sweep", "FILE", "--processor", "pe_array_16x16", "--axis", "rowz=8"), "axis rowz"),
        (("sweep", "FILE", "--processor", "pe_array_16x16", "--axis", "rows=8,eight"), "axis rows"),
        (
            ("sweep", "FILE", "--processor", "tpu_v5e_like", "--axis", "rows=8", "--skip", "W"),
            "does not support that skipping mode",
        ),
        (
            (
                "sweep",
                "FILE",
                "--processor",
                "tpu_v5e_like",
                "--axis",
                "rows=8",
                "--scheduler",
                "x:y",
            ),
            "cannot be reached",
        ),
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
        ("sweep", "dcgan", "--processor", "pe_array_16x16"),
        ("sweep", "dcgan", "--processor", "pe_array_16x16", "--axis", "rows"),
        ("sweep", "dcgan", "--processor", "pe_array_16x16", "--axis", "rows=8,"),
        ("sweep", "dcgan", "--processor", "pe_array_16x16", "--axis", "rows={8"),
        ("sweep", "dcgan", "--processor", "pe_array_16x16", "--axis", "rows:cols=8,16"),
        ("sweep", "dcgan", "--processor", "pe_array_16x16", "--axis", "rows:cols=8:8,8:8"),
        ("sweep", "dcgan", "--processor", "pe_array_16x16", "--axis", "rows=8", "--axis", "rows=9"),
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
