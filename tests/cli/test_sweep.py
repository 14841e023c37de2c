"""The command line on design spaces: what it prints and writes, and its exit codes."""

import sys
from math import prod

import pytest

from splitdeconv.dlp import Front, open_sweep, sweep
from tests.dlp.tables import networks

TABLE = networks("DCGAN")


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
    third = ("energy_pj", "cycles", "area_mm2")
    _, out, _ = run(*arguments, "--front", ",".join(third))
    more = sweep(
        {str(network): TABLE},
        "pe_array_16x16",
        {"rows": [8, 16, 24], "dram_gb_s": [1, 2]},
        reduce=Front(*third),
    )
    assert out == more.to_csv(index=False, lineterminator="\n")
    assert len(found) < len(more) < 24
    for names in ("cycles", "cycles,", "a,b,c,d"):
        code, _, err = run(*arguments, "--front", names)
        assert (code, "invalid front" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
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


@pytest.mark.parametrize(
    "arguments",
    [
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


@pytest.mark.parametrize("name", ["mine.yaml", "net.csv"])
def test_no_file_that_is_read_is_replaced(run, tmp_path, network, name):
    (tmp_path / "mine.yaml").write_text(run("processor", "--template")[1])
    (tmp_path / "net.csv").write_bytes(network.read_bytes())
    before = (tmp_path / name).read_bytes()
    args = ("net.csv", "--processor", "mine.yaml", "--axis", "rows=8,16", "-o", name, "--overwrite")
    code, out, err = run("sweep", *args)
    assert (code, out, "a file of its own" in err) == (1, "", True)
    assert (tmp_path / name).read_bytes() == before
