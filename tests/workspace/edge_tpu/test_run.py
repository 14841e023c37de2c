"""run_edge_tpu.py on this CPU: what it times, writes and refuses, without any of this package."""

import ast
import runpy
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from splitdeconv.toolchains import edgetpu
from tests.toolchains.edgetpu.test_run import mapped
from tests.workspace.edge_tpu.small import SCRIPT, written


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("edge"))


def run(folder, *arguments):
    """Run the script alone: no path leads it to this package."""
    command = [sys.executable, "-I", str(folder / SCRIPT.name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def test_it_needs_numpy_and_an_interpreter_only():
    imported = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.partition(".")[0])
    others = imported - set(sys.stdlib_module_names)
    assert others == {"numpy", "tflite_runtime", "ai_edge_litert"}


def test_times_of_the_cpu_are_marked_so_and_can_be_read(folder, tmp_path):
    table = tmp_path / "results.csv"
    done = run(folder, "--cpu", "--turns", "6", "--calls", "2", "--to", str(table))
    assert done.returncode == 0, done.stderr
    assert "small stacked (CPU)" in done.stdout
    rows = edgetpu.brought(table)
    assert rows["form"].tolist() == ["native", "rows", "stacked"]
    assert set(rows["processor"]) == {"CPU"}
    assert rows["device"].str.startswith("CPU, host ").all()
    assert (rows["low"] <= rows["seconds"]).all()
    assert (rows["seconds"] <= rows["high"]).all()
    assert rows["speedup"][0] == 1
    assert set(rows["baseline"]) == {"native"}
    # Integers: the forms agree in all of them.
    assert rows["lsb_max"].tolist() == [0, 0, 0]
    assert "ai-edge-litert" in rows["versions"][0]


def test_other_outputs_are_told_in_steps(folder, tmp_path):
    for name in ("small_native.tflite", SCRIPT.name):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    data = bytearray((folder / "small_native.tflite").read_bytes())
    data[weights_of(data)] ^= 0x40  # the first weight
    (tmp_path / "small_rows.tflite").write_bytes(data)
    done = run(tmp_path, "--cpu", "--turns", "6", "--calls", "1")
    assert done.returncode == 0, done.stderr
    rows = edgetpu.brought(tmp_path / "edge_tpu_results.csv")
    assert rows["lsb_max"][0] == 0
    assert rows["lsb_max"][1] > 0
    assert 0 < rows["lsb_share"][1] <= 1


def weights_of(data):
    """Where the weights begin in a file."""
    from splitdeconv.formats.tflite.flatbuffer.file import read

    model, _ = read(bytes(data), "a test")
    weights = max((bytes(b.data) for b in model.buffers if b.data is not None), key=len)
    return bytes(data).index(weights)


def test_without_a_device_nothing_is_timed(folder, tmp_path):
    for form in ("native", "rows"):
        data = mapped((folder / f"small_{form}.tflite").read_bytes())
        (tmp_path / f"small_{form}_edgetpu.tflite").write_bytes(data)
    (tmp_path / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    done = run(tmp_path, "--delegate", "libno_such_edgetpu.so.1")
    assert done.returncode == 1
    assert "libno_such_edgetpu.so.1" in done.stderr
    assert "--cpu" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "edge_tpu_results.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 1, "no files NAME_FORM_edgetpu.tflite of any network"),
        (("--cpu", "other"), 1, "no files NAME_FORM.tflite of other"),
        (("--cpu", "--turns", "5"), 2, "at least 6 turns"),
    ],
)
def test_what_cannot_be_run_says_so(folder, arguments, code, said):
    done = run(folder, *arguments)
    assert (done.returncode, said in done.stderr) == (code, True)
    assert "Traceback" not in done.stderr


def test_a_file_that_no_interpreter_reads_costs_its_own_row(folder, tmp_path):
    for name in ("small_native.tflite", SCRIPT.name):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "small_rows.tflite").write_bytes(b"no model at all, and nothing to see here")
    assert run(tmp_path, "--cpu", "--turns", "6", "--calls", "1").returncode == 0
    rows = edgetpu.brought(tmp_path / "edge_tpu_results.csv")
    assert rows["seconds"].notna().tolist() == [True, False]
    assert rows["skipped"][1]


def test_a_process_that_ends_costs_its_network_and_names_the_signal(folder, tmp_path):
    script = runpy.run_path(str(SCRIPT))
    given = type("Given", (), {"turns": 6, "calls": 1, "cpu": True, "timeout": 60.0})
    broken = tmp_path / "crash.py"
    broken.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    script["ask"].__globals__["__file__"] = str(broken)
    answer = script["ask"](given, {})
    assert "signal 11: libedgetpu may not fit" in answer["failed"]
    path = tmp_path / "x_native.tflite"
    path.write_bytes(b"x")
    (row,) = script["table"](answer, {"native": str(path)})
    assert "signal 11" in row["skipped"]
    assert "seconds" not in row


def test_the_interval_holds_the_median_of_nine_samples_in_ten():
    middle = runpy.run_path(str(SCRIPT))["middle"]
    rng = np.random.default_rng(1)
    for count, least, most in ((6, 0.95, 0.985), (30, 0.95, 0.975), (31, 0.95, 0.985)):
        inside = 0
        for _ in range(3000):
            _, low, high = middle(rng.exponential(size=count))
            inside += low <= np.log(2) <= high
        # Three thousand trials have a deviation of 0.4 %.
        assert least - 0.012 < inside / 3000 < most + 0.012
    assert middle(np.arange(6.0)) == (2.5, 0.0, 5.0)


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("a,b\n1,2\n", "no column network"),
        ("", "No columns"),
        ("NPU", "the processor NPU"),
        ("0", "without a time above 0"),
    ],
)
def test_results_that_were_changed_are_refused(folder, tmp_path, text, got):
    table = pd.DataFrame([dict.fromkeys(edgetpu.brought(tmp_path / "none").columns, 1)])
    table["processor"] = "NPU" if text == "NPU" else "Edge TPU"
    table["seconds"] = 0.0 if text == "0" else 1.0
    path = tmp_path / "edge_tpu_results.csv"
    path.write_text(text if text in ("", "a,b\n1,2\n") else table.to_csv(index=False))
    with pytest.raises(ValueError, match=f"results cannot be read(.|\n)*{got}"):
        edgetpu.brought(path)


def test_no_results_are_an_empty_table(tmp_path):
    assert edgetpu.brought(tmp_path / "none.csv").empty
