"""Notebooks that `make` runs: failures, interrupts, what they print, and when they run alone."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from tools import runs

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
TIMED = """\
import json, time
start = time.monotonic()
time.sleep(1.5)
with open(f"{name}.json", "w") as file:
    json.dump([start, time.monotonic()], file)
"""


def executed(result):
    """The runs whose cells a make run executed."""
    return sorted(set(re.findall(r"\[(\w+)\] cell", result.stdout)))


def test_a_failed_notebook_leaves_no_target_and_names_its_cell(checkout):
    checkout.notebook("bad", "fine = 1", "\n# the culprit\n{}['key']", "never = 1")
    checkout.notebook("good", "fine = 1")
    for name in ("bad", "good"):
        checkout.write(f"params/{name}.yaml", f"notebook: {name}\nminutes: 1\n")
    checkout.touch("build/executed/bad.ipynb")  # an earlier result
    os.utime(checkout.root / "build" / "executed" / "bad.ipynb", (0, 0))
    result = checkout.make("-k", "reproduce")
    assert result.returncode != 0
    assert (
        "FAILED bad: notebooks/bad.ipynb, cell 4: # the culprit\n  KeyError: 'key'" in result.stderr
    )
    assert "Traceback" in result.stderr
    assert [path.name for path in (checkout.root / "build" / "executed").iterdir()] == [
        "good.ipynb"
    ]
    assert (checkout.root / "build" / "failed" / "bad.ipynb").is_file()


def test_a_dead_kernel_and_an_interrupt_leave_no_target(checkout):
    checkout.notebook("dies", "import os\nos.write(2, b'last words\\n')", "os._exit(3)")
    checkout.notebook("waits", "import time", "time.sleep(60)")
    for name in ("dies", "waits"):
        checkout.write(f"params/{name}.yaml", f"notebook: {name}\nminutes: 1\n")
    result = checkout.make("build/executed/dies.ipynb")
    assert result.returncode != 0
    assert (
        "FAILED dies: notebooks/dies.ipynb, cell 4: os._exit(3)\n  the kernel died" in result.stderr
    )
    assert re.search("^last words$", result.stderr, re.MULTILINE)

    command = [
        sys.executable,
        "-m",
        "tools.run_notebook",
        "params/waits.yaml",
        "build/executed/waits.ipynb",
    ]
    with subprocess.Popen(command, cwd=checkout.root, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "time.sleep" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert list((checkout.root / "build" / "executed").iterdir()) == []


def test_cells_keep_what_python_prints_and_not_what_a_library_writes_to_the_error_stream(checkout):
    code = "import os, sys\nos.write(2, b'greetings\\n')\n"
    code += "print('said')\nprint('warned', file=sys.stderr)"
    checkout.notebook("talks", code)
    checkout.write("params/talks.yaml", "notebook: talks\nminutes: 1\n")
    result = checkout.make("build/executed/talks.ipynb")
    assert result.returncode == 0, result.stderr
    cells = nbformat.read(checkout.root / "build" / "executed" / "talks.ipynb", as_version=4).cells
    outputs = {output.name: output.text for output in cells[-1].outputs}
    assert outputs == {"stdout": "said\n", "stderr": "warned\n"}
    assert "greetings" in (checkout.root / "build" / "running" / "talks.log").read_text()


def test_a_timed_run_has_the_machine_alone(checkout):
    checkout.notebook("timed", TIMED, parameters="quick = False\nname = ''")
    names = {"first": False, "second": True, "third": False}
    for name, exclusive in names.items():
        text = f"notebook: timed\nminutes: 1\nexclusive: {str(exclusive).lower()}\n"
        text += f"parameters: {{name: {name}}}\n"
        checkout.write(f"params/{name}.yaml", text)
    result = checkout.make("-j3", *(f"build/executed/{name}.ipynb" for name in names))
    assert result.returncode == 0, result.stderr
    spans = {
        name: json.loads((checkout.root / "notebooks" / f"{name}.json").read_text())
        for name in names
    }
    for other in ("first", "third"):
        assert spans[other][1] <= spans["second"][0] or spans["second"][1] <= spans[other][0], spans


def test_runs_that_time_nothing_share_the_machine(tmp_path):
    code = "from tools.machine import hold\n"
    code += "with hold(alone={}, waiting=lambda: print('waits', flush=True)): {}"
    command = [sys.executable, "-c"]
    options = {
        "cwd": tmp_path,
        "env": {"PYTHONPATH": str(ROOT)},
        "text": True,
        "stdout": subprocess.PIPE,
    }
    held = code.format(False, "print('holds', flush=True); input()")
    with subprocess.Popen([*command, held], stdin=subprocess.PIPE, **options) as holder:
        assert holder.stdout.readline() == "holds\n"
        shared = subprocess.run(
            [*command, code.format(False, "print('runs')")], check=True, **options
        )
        assert shared.stdout == "runs\n"
        with subprocess.Popen([*command, code.format(True, "print('alone')")], **options) as alone:
            assert alone.stdout.readline() == "waits\n"
            holder.communicate("\n")
            assert alone.stdout.read() == "alone\n"


def test_a_run_longer_than_its_budget_says_so(checkout):
    checkout.notebook("slow", "1 + 1")
    checkout.write("params/slow.yaml", "notebook: slow\nminutes: 0.0001\n")
    result = checkout.make("build/executed/slow.ipynb")
    assert result.returncode == 0, result.stderr
    assert "WARNING: longer than the 0.0001 minutes that slow.yaml grants it" in result.stdout
    checkout.write(
        "params/slow.yaml", "notebook: slow\nminutes: 5\nquick: true\nquick_minutes: 0.0002\n"
    )
    assert (
        "WARNING: longer than the 0.0002 minutes"
        in checkout.make("QUICK=1", "build/executed/slow.ipynb").stdout
    )


def test_bench_and_measure_run_the_scripts_there_are(checkout):
    assert "there is no script in benchmarks/: nothing to run" in checkout.make("bench").stdout
    assert "there is no benchmarks/measure_*.py: nothing to run" in checkout.make("measure").stdout
    checkout.write("benchmarks/forms.py", "print('timed forms')")
    checkout.write("benchmarks/measure_all.py", "raise SystemExit('no compiler')")
    bench, measure = checkout.make("bench"), checkout.make("measure")
    assert (bench.returncode, bench.stdout.splitlines()[-2:]) == (
        0,
        ["== benchmarks/forms.py", "timed forms"],
    )
    assert measure.returncode != 0
    assert "no compiler" in measure.stderr


def test_the_params_file_that_contributing_shows_works(checkout):
    (block,) = re.findall(
        r"^```yaml\n(.+?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert block.count("#") == len(block.splitlines())  # a comment on each line
    checkout.write("params/03_benchmark_example.yaml", block)
    checkout.write("data/measured/kept.csv", "a\n1\n")
    checkout.notebook("03_benchmark", parameters="quick = False\nseed = 0\nnetwork = ''")
    run = runs.read(checkout.root / "params" / "03_benchmark_example.yaml")
    assert [path.name for path in run.inputs] == ["kept.csv"]
    made = [f"figures/{name}.{kind}" for name in run.figures for kind in ("csv", "pdf", "png")]

    def to_run():
        result = checkout.make("--dry-run", "reproduce", "QUICK=1")
        assert result.returncode == 0, result.stderr
        return re.findall(r"build/executed/(\w+)\.ipynb", result.stdout)

    assert to_run() == [run.name]
    for path in (*made, "data/cache/.fetched"):
        checkout.touch(path)
    checkout.write("build/executed/03_benchmark_example.ipynb", "{\n}\n")
    assert to_run() == []
    (checkout.root / made[0]).unlink()
    assert to_run() == [run.name]
    checkout.touch(made[0])
    time.sleep(0.02)  # file times advance in steps of a few milliseconds
    checkout.touch("data/measured/kept.csv")
    assert to_run() == [run.name]
