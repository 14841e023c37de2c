"""The Makefile and the notebook runner, on checkouts with notebooks of a line or two."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

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
        '#!/bin/bash\nprintf "%s\\n" "${SPLITDECONV_FIGURES-unset}" "$SPLITDECONV_START" "$@"\n',
    )
    for name in ("python", "jupyter"):
        (checkout.root / "an environment" / "bin" / name).chmod(0o755)
    result = checkout.run(
        "make", f"ENVIRONMENT={checkout.root}/an environment", "lab", "LAB=--version"
    )
    assert result.returncode == 0, result.stderr
    figures, start, lab, root, url, *rest = result.stdout.splitlines()
    assert start == str(checkout.root)  # what relative paths among the parameters start from
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


def test_a_readers_own_params_file_works_and_overwrites_nothing(figures):
    # A copy of an official file, with all that it says, under another name.
    text = (figures.root / "params" / "one_a.yaml").read_text()
    figures.write("params/mine.yaml", text.replace("seed: 3", "seed: 7"))
    first = figures.make("reproduce")
    assert (first.returncode, executed(first)) == (0, ["one_a", "one_b"]), first.stderr
    folders = [figures.root / "figures", figures.root / "my_figures" / "mine"]
    before = {path.name: path.read_bytes() for path in folders[0].iterdir()}
    own = figures.make("build/executed/mine.ipynb")
    assert (own.returncode, executed(own)) == (0, ["mine"]), own.stderr
    assert "figures of its own are in my_figures/mine/" in own.stdout
    assert {path.name: path.read_bytes() for path in folders[0].iterdir()} == before
    (row,) = json.loads((folders[1] / "manifest.json").read_text())
    assert (row["name"], row["run"], row["seed"]) == ("one_a", "mine", 7)
    assert set(row["inputs"]) == {"notebooks/one.ipynb", "params/mine.yaml"}
    assert (folders[1] / "one_a.csv").read_text() == "value\n7\n"
    again = figures.make("reproduce")
    assert (again.returncode, executed(again)) == (0, []), again.stderr


def test_reproduce_makes_again_what_is_not_its_own_and_says_so(figures):
    assert figures.make("reproduce").returncode == 0
    official = (figures.root / "figures" / "one_b.csv").read_bytes()
    options = {"SPLITDECONV_FIGURES": str(figures.root / "figures"), "PYTHONPATH": "."}
    code = "import matplotlib.figure as m, splitdeconv.figures as f\n"
    code += "f.save_figure(m.Figure((1, 1)), 'one_b', {'value': [99]})"
    assert figures.run(sys.executable, "-c", code, set=options).returncode == 0
    healed = figures.make("reproduce")
    assert (healed.returncode, executed(healed)) == (0, ["one_b"]), healed.stderr
    assert "one_b is executed again: figure one_b: " in healed.stdout
    assert "it was made by None, not by one_b" in healed.stdout
    assert (figures.root / "figures" / "one_b.csv").read_bytes() == official
    figures.write("figures/one_a.csv", "value\n4\n")
    healed = figures.make("reproduce", "QUICK=1")
    assert (healed.returncode, executed(healed)) == (0, ["one_a"]), healed.stderr
    assert "one_a.csv is not the file that its manifest row describes" in healed.stdout


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
