"""The verb on processors: the list, the check, and the file to start from."""

import json

import pytest

from splitdeconv import dlp
from splitdeconv.dlp import load_processor, processors, summary
from tests.dlp.imports.accelerators import ZIGZAG
from tests.dlp.tables import networks


def test_without_a_name_processors_are_listed(run):
    code, out, err = run("processor")
    assert (code, err) == (0, "")
    assert all(name in out and load_processor(name).title in out for name in processors())
    code, out, _ = run("processor", "--json")
    listed = json.loads(out)["processors"]
    assert (code, [row["name"] for row in listed]) == (0, processors())


def test_a_file_of_one_s_own_is_started_checked_and_simulated(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("processor", "--template", "--from", "dot_product_16x16")
    assert (code, err, out) == (0, "", dlp.template("dot_product_16x16"))
    text = out.replace("cols: 16\n", "cols: 24\n").replace("dram_gb_s: 12.8", "dram_gb_s: 6")
    (tmp_path / "mine.yaml").write_text(text)
    code, out, err = run("processor", "mine.yaml")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "my_processor: Copy of dot_product_16x16"
    assert "array: dot_product, 16 x 24, 800 MHz" in lines
    # 384 multipliers at 800 MHz; 6 GB/s are 7.5 bytes a cycle; 384 / 7.5 = 51.2.
    assert "peak: 384 multiply-accumulates per cycle, 0.6144 TOPS of int8" in lines
    assert "DRAM: 6 GB/s, 7.5 bytes per cycle, in bursts of 64 bytes" in lines
    assert "ridge of the roofline: 51.2 multiply-accumulates per byte of DRAM" in lines
    assert "output 64 KiB (32,768 words or 8,192 sums)" in out
    assert lines[-1].startswith("assumed or from memory: array, rows, cols, ")
    figures = dlp.area("mine.yaml")
    (size,) = [line for line in lines if line.startswith("area: ")]
    assert size.startswith(f"area: {figures['area_mm2']:.3g} mm2, ")
    (power,) = [line for line in lines if line.startswith("peak power: ")]
    assert power.startswith(f"peak power: {figures['peak_power_w']:.3g} W, ")
    assert power.endswith(f"; {figures['tops_per_w']:.3g} TOPS/W")
    code, out, _ = run("processor", "mine.yaml", "--json")
    content = json.loads(out)
    assert (code, content["peak_macs"], content["processor"]["cols"]) == (0, 384, 24)
    assert {name: content[name] for name in summary("mine.yaml")} == summary("mine.yaml")


def test_policies_are_said_in_words(run):
    _, out, _ = run("processor", "edge_tpu_like")
    assert (
        "strided writes: no\nzero gating: no\nnative transposed convolutions: by zero insertion"
        in out
    )
    _, out, _ = run("processor", "eyeriss_like")
    assert "strided writes: yes\nzero gating: yes\nnative transposed convolutions: no\n" in out


def test_large_figures_have_no_exponent(run):
    _, out, _ = run("processor", "tpu_v5e_like")
    assert "e+" not in out


def test_what_is_wrong_in_a_file_is_told_at_once(run, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(dlp.template().partition("origins:")[0] + "origins: {rows: a sketch}\n")
    code, out, err = run("processor", path)
    assert (code, out) == (1, "")
    assert err.startswith("splitdeconv: values without an origin: array, cols, dataflows, ")
    for name in ("zero_gating", "native", "strided_writes"):
        assert name in err
    path.write_text(dlp.template().replace("rows: 32", "rows: many"))
    code, _, err = run("processor", path)
    assert (code, "invalid value of rows" in err, "an integer" in err) == (1, True, True)
    code, _, err = run("processor", "--template", "--from", "edge_tpu")
    assert (code, "did you mean edge_tpu_like?" in err) == (1, True)


def test_a_file_of_another_tool_is_imported_and_simulated(run, tmp_path, monkeypatch):
    """Written beside its technology, and found from elsewhere; nothing is overwritten unasked."""
    source, target = tmp_path / "accelerator.yaml", tmp_path / "mine.yaml"
    source.write_text(ZIGZAG, encoding="utf-8")
    command = ("processor", source, "--import", "zigzag", "-o", target)
    code, out, err = run(*command)
    assert (code, err) == (0, "")
    assert f"wrote {tmp_path / 'mine.technology.yaml'}\n" in out
    assert f"wrote {target}; accelerator.yaml does not say: dataflows, skipping, clock_mhz" in out
    monkeypatch.chdir("/")
    processor, technology = dlp.import_processor(source)
    found = load_processor(target)
    energies = dlp.load_technology(found.technology)
    assert (found.rows, found.cols, found.origins) == (6, 10, processor.origins)
    assert energies == technology
    table = networks("DCGAN")
    theirs = dlp.simulate(table, processor, technology=technology)
    assert dlp.simulate(table, found)["energy_pj"].equals(theirs["energy_pj"])
    code, out, _ = run("processor", target)
    assert (code, out.splitlines()[0]) == (0, "small chip: Imported from ZigZag: accelerator.yaml")
    code, _, err = run(*command, "--from", "eyeriss_like")
    assert (code, "--overwrite" in err, load_processor(target)) == (1, True, found)
    assert run(*command, "--from", "eyeriss_like", "--overwrite")[0] == 0
    assert load_processor(target).clock_mhz == 200
    # The energies alone may be there as well.
    target.unlink()
    code, _, err = run(*command)
    assert (code, "mine.technology.yaml" in err, target.exists()) == (1, True, False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("x", "--template"),
        ("--from", "eyeriss_like"),
        ("--template", "--json"),
        ("a", "b"),
        ("x", "--import", "zigzag"),
        ("--import", "zigzag", "-o", "y"),
        ("x", "--import", "timeloop", "-o", "y"),
        ("x", "-o", "y"),
        ("--overwrite",),
        ("x", "--import", "zigzag", "-o", "y", "--template"),
    ],
)
def test_wrong_usage_exits_with_2(run, arguments):
    code, out, err = run("processor", *arguments)
    assert code == 2
    assert "Usage" in out + err
