"""The Makefile and the notebook runner, on checkouts with notebooks of a line or two."""

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

FIGURE = """\
import sys
from matplotlib.figure import Figure
from splitdeconv.figures import save_figure
save_figure(Figure((1, 1)), f"one_{label}", {"value": [seed]})
assert sys.prefix == PREFIX, sys.prefix
""".replace("PREFIX", repr(sys.prefix), 1)
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


def selected(*arguments):
    """The params files whose notebooks make would execute in this repository."""
    command = [
        "make",
        "--dry-run",
        "--always-make",
        "reproduce",
        f"ENVIRONMENT={sys.prefix}",
        *arguments,
    ]
    options = {"cwd": ROOT, "env": {"PATH": os.environ["PATH"]}, "text": True}
    printed = subprocess.run(command, check=True, capture_output=True, **options).stdout
    return sorted(
        re.findall(r"run_notebook params/(\S+)\.yaml build/executed/\1\.ipynb *(--quick)?", printed)
    )


def test_help_is_the_default_and_lists_every_target(checkout):
    targets = re.search(r"^\.PHONY: FORCE (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[
        1
    ].split()
    wanted = "help setup data test lint lab reproduce bench measure lock clean"
    assert set(wanted.split()) <= set(targets)
    printed = checkout.run("make").stdout
    assert sorted(re.findall(r"^  ([a-z-]+) +\S", printed, re.MULTILINE)) == sorted(targets)


def test_make_selects_the_runs_of_this_repository():
    every = runs.read_all(ROOT)
    assert selected() == [(run.name, "") for run in every]
    assert selected("QUICK=1") == [(run.name, "--quick") for run in every if run.quick]
    assert selected("QUICK=0") == selected()


def test_an_environment_must_be_one_and_named_to_make(checkout):
    nowhere = checkout.run("make", "ENVIRONMENT=no where", "lint")
    assert nowhere.returncode != 0
    assert "ENVIRONMENT=no where is no environment: it has no bin/python" in nowhere.stderr
    exported = checkout.run("make", "lint", set={"ENVIRONMENT": sys.prefix})
    assert exported.returncode != 0
    assert f'To work in it: make ENVIRONMENT="{sys.prefix}"' in exported.stderr
    # The same variable with another meaning is none of our business.
    assert checkout.run("make", set={"ENVIRONMENT": "production"}).returncode == 0


def test_lab_opens_this_folder(checkout):
    checkout.write("an environment/bin/python", "#!/bin/sh\n")
    checkout.write(
        "an environment/bin/jupyter",
        '#!/bin/bash\nprintf "%s\\n" "${SPLITDECONV_FIGURES-unset}" "$@"\n',
    )
    for name in ("python", "jupyter"):
        (checkout.root / "an environment" / "bin" / name).chmod(0o755)
    result = checkout.run(
        "make", f"ENVIRONMENT={checkout.root}/an environment", "lab", "LAB=--version"
    )
    assert result.returncode == 0, result.stderr
    figures, lab, root, url, *rest = result.stdout.splitlines()
    assert (figures, lab) == ("unset", "lab")  # else what runs there would write to figures/
    assert (root, url) == (
        f"--ServerApp.root_dir={checkout.root}",
        "--LabApp.default_url=/lab/tree/notebooks",
    )
    assert rest[3:] == ["--allow-root"] * (os.getuid() == 0) + ["--version"]


def test_data_elsewhere_is_not_taken_for_data_here(checkout):
    mark = checkout.root / "data" / "cache" / ".fetched"
    elsewhere = {"SPLITDECONV_DATA": "else where"}
    result = checkout.make("data", set=elsewhere)
    assert (result.returncode, result.stdout, mark.exists()) == (0, "weights fetched\n", False)
    assert (checkout.make("data").stdout, mark.exists()) == ("weights fetched\n", True)
    fetch = "-m splitdeconv.pretrained"
    assert fetch not in checkout.make("--dry-run", "lab").stdout
    assert fetch in checkout.make("--dry-run", "lab", set=elsewhere).stdout


@pytest.fixture
def figures(checkout):
    """A checkout with one notebook and two runs of it, the first of them quick."""
    checkout.notebook(
        "one", FIGURE, parameters="quick = False\nseed = 0\nlabel = ''", figures="`one_{label}`"
    )
    for label, quick in (("a", "true"), ("b", "false")):
        text = f"notebook: one\nminutes: 1\nquick: {quick}\nfigures: [one_{label}]\n"
        checkout.write(
            f"params/one_{label}.yaml", f"{text}parameters: {{label: {label}, seed: 3}}\n"
        )
    return checkout


def test_reproduce_runs_what_changed_and_nothing_else(figures):
    first = figures.make("reproduce", "QUICK=1")
    assert first.returncode == 0, first.stderr
    assert "weights fetched" in first.stdout
    assert executed(first) == ["one_a"]
    assert "1 figures in figures/" in first.stdout
    again = figures.make("reproduce", "QUICK=1")
    assert (again.returncode, executed(again)) == (0, [])
    assert "weights fetched" not in again.stdout

    # What a quick run made does not serve a full one; what a full run made serves both.
    full = figures.make("-j2", "reproduce")
    assert (full.returncode, executed(full)) == (0, ["one_a", "one_b"])
    rows = json.loads((figures.root / "figures" / "manifest.json").read_text())
    assert [(row["run"], row["quick"], row["seed"]) for row in rows] == [
        ("one_a", False, 3),
        ("one_b", False, 3),
    ]
    assert set(rows[0]["inputs"]) == {"notebooks/one.ipynb", "params/one_a.yaml"}
    assert [executed(figures.make("reproduce", *quick)) for quick in ((), ("QUICK=1",))] == [[], []]

    with open(figures.root / "params" / "one_b.yaml", "a") as file:
        file.write("# changed\n")
    assert executed(figures.make("reproduce")) == ["one_b"]


def test_readers_own_runs_leave_the_official_figures_alone(figures):
    assert figures.make("reproduce").returncode == 0

    def official():
        return {path.name: path.read_bytes() for path in (figures.root / "figures").iterdir()}

    def own(*arguments, cwd):
        options = {
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTER_PATH": "",
            "PYTHONPATH": str(figures.root),
        }
        result = figures.run(sys.executable, "-m", *arguments, cwd=figures.root / cwd, set=options)
        assert result.returncode == 0, result.stderr

    before = official()
    own(
        "papermill",
        "notebooks/one.ipynb",
        "out.ipynb",
        "-p",
        "label",
        "b",
        "-p",
        "seed",
        "9",
        cwd=".",
    )
    own(
        "papermill",
        "one.ipynb",
        "out.ipynb",
        "-p",
        "label",
        "a",
        "-p",
        "seed",
        "8",
        cwd="notebooks",
    )
    rows = json.loads((figures.root / "my_figures" / "manifest.json").read_text())
    assert [row["name"] for row in rows] == ["one_a", "one_b"]
    values = [(figures.root / "my_figures" / f"one_{label}.csv").read_text() for label in "ab"]
    assert values == ["value\n8\n", "value\n9\n"]
    assert official() == before
    again = figures.make("reproduce")
    assert (again.returncode, executed(again)) == (0, []), again.stderr

    # As Run All Cells and Save leave the notebook itself: with outputs, and newer than what was
    # made of it.
    own("nbconvert", "--execute", "--inplace", "--to", "notebook", "one.ipynb", cwd="notebooks")
    assert official() == before
    saved = figures.make("reproduce")
    assert (saved.returncode, executed(saved)) == (0, ["one_a", "one_b"]), saved.stderr


def test_every_input_of_a_run_is_one_to_make(figures):
    for name in ("one_a", "one_b"):
        for kind in ("png", "pdf", "csv"):
            figures.touch(f"figures/{name}.{kind}")
    figures.touch("data/cache/.fetched")
    figures.touch("data/extra.csv")
    figures.write(
        "params/one_b.yaml",
        "inputs: [data/*.csv]\n" + (figures.root / "params/one_b.yaml").read_text(),
    )
    both = ["one_a", "one_b"]
    changes = {
        "requirements.lock": both,
        "splitdeconv/figures.py": both,
        "notebooks/one.ipynb": both,
        "params/one_a.yaml": ["one_a"],
        "data/extra.csv": ["one_b"],
        "README.md": [],
    }
    for changed, expected in changes.items():
        for target in both:
            figures.write(f"build/executed/{target}.ipynb", "{\n}\n")
        time.sleep(0.02)  # file times advance in steps of a few milliseconds
        figures.touch(changed)
        printed = figures.make("--dry-run", "reproduce").stdout
        assert re.findall(r"build/executed/(\w+)\.ipynb", printed) == expected, changed
    for kind in ("png", "pdf", "csv"):
        lost = figures.root / "figures" / f"one_a.{kind}"
        lost.unlink()
        assert re.findall(
            r"build/executed/(\w+)\.ipynb", figures.make("--dry-run", "reproduce").stdout
        ) == ["one_a"]
        lost.touch()


def test_the_params_file_that_contributing_shows_works(checkout):
    (block,) = re.findall(
        r"^```yaml\n(.+?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert block.count("#") == len(block.splitlines())  # a comment on each line
    checkout.write("params/03_example.yaml", block)
    checkout.write("data/measured/kept.csv", "a\n1\n")
    checkout.notebook("03_benchmark", parameters="quick = False\nseed = 0\nnetwork = ''")
    run = runs.read(checkout.root / "params" / "03_example.yaml")
    assert [path.name for path in run.inputs] == ["kept.csv"]
    made = [f"figures/{name}.{kind}" for name in run.figures for kind in ("csv", "pdf", "png")]

    def to_run():
        result = checkout.make("--dry-run", "reproduce", "QUICK=1")
        assert result.returncode == 0, result.stderr
        return re.findall(r"build/executed/(\w+)\.ipynb", result.stdout)

    assert to_run() == [run.name]
    for path in (*made, "data/cache/.fetched"):
        checkout.touch(path)
    checkout.write("build/executed/03_example.ipynb", "{\n}\n")
    assert to_run() == []
    (checkout.root / made[0]).unlink()
    assert to_run() == [run.name]
    checkout.touch(made[0])
    time.sleep(0.02)  # file times advance in steps of a few milliseconds
    checkout.touch("data/measured/kept.csv")
    assert to_run() == [run.name]


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
