"""Every notebook starts with the same cell, which installs the package on Colab alone."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import nbformat
import pytest

from tools import colab, colab_setup

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What a cell after it finds: the package from the clone, its recorded measurements, the notebooks'
# folder.
FIND = """
import json
import splitdeconv
from splitdeconv.study import measured
shape = splitdeconv.plan((8, 8), 3, 2).output_shape
print(json.dumps([splitdeconv.__file__, len(measured.read("ethos_u")), os.getcwd(), shape]))
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_is_prepared(path):
    notebook = nbformat.read(path, as_version=4)
    before = [cell.source for cell in notebook.cells]
    colab.prepare(notebook, path.stem, colab.address())
    assert [cell.source for cell in notebook.cells] == before, "python -m tools.colab writes it"


def test_every_choice_of_extras_is_a_notebooks_and_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert set(colab_setup.EXTRAS) == {path.stem for path in NOTEBOOKS}
    asked = {extra for one in colab_setup.EXTRAS.values() for extra in one.split(",") if extra}
    assert asked <= set(extras)
    # Those bring a framework, a notebook server or a developer's tools, which Colab has or does not
    # need.
    assert not asked & {"tensorflow", "jax", "tpu", "notebooks", "docs", "dev"}


def test_a_new_address_replaces_the_old_one():
    cells = [
        nbformat.v4.new_markdown_cell("# 01 Title\n\n**Purpose.** One."),
        nbformat.v4.new_code_cell("quick = False"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    for where in ("https://github.com/a/b", "https://github.com/c/d"):
        colab.prepare(notebook, "01_the_split", where)
        assert len(notebook.cells) == 3
        assert notebook.cells[0].source == (
            f"# 01 Title\n\n{colab.badge('01_the_split', where)}\n\n**Purpose.** One."
        )
        assert f'"{where}"' in notebook.cells[1].source
    assert (
        "colab.research.google.com/github/c/d/blob/main/notebooks/01_the_split.ipynb"
        in notebook.cells[0].source
    )


@pytest.mark.parametrize("name", colab.DOCUMENTS)
def test_documents_link_to_the_one_address(name):
    text = (ROOT / name).read_text()
    linked = re.findall(r"colab\.research\.google\.com/github/\S+/(\w+)\.ipynb", text)
    assert linked
    assert set(linked) <= set(colab_setup.EXTRAS)
    assert colab.linked(text, colab.address()) == text, "python -m tools.colab writes it"
    elsewhere = colab.linked(text, "https://github.com/c/d")
    assert elsewhere.count("colab.research.google.com/github/c/d/blob/main/") == len(linked)


def test_the_check_tells_public_private_and_unknown_apart(published, tmp_path, capsys, monkeypatch):
    for where, public, words in (
        (f"file://{published}", True, "public, with a branch main"),
        (f"file://{tmp_path}/nowhere", False, "not public: fatal:"),
        ("http://127.0.0.1:9/a/b", None, "unknown whether it is public: fatal: unable to access"),
    ):
        assert colab.published(where)[0] is public
        monkeypatch.setattr(colab, "address", lambda where=where: where)
        assert colab.main(["--check"]) == (0 if public else 1)
        printed = capsys.readouterr().out
        assert f"{where}: {words}" in printed
        assert ("pyproject.toml" in printed) != bool(public)
    subprocess.run(["git", "-C", published, "branch", "-m", "other"], check=True)
    assert colab.published(f"file://{published}") == (
        False,
        f"file://{published}: public, but without a branch main, which Colab opens",
    )


@pytest.fixture
def published(tmp_path):
    """A repository of what the checkout holds now."""
    folder = tmp_path / "published"
    for name in ("splitdeconv", "notebooks", "tools", "data/measured"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    git = [
        "git",
        "-C",
        folder,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "init.defaultBranch=main",
    ]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    return folder


def run(python, folder, code):
    folder.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = [python, "-I", "-c", code]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_on_colab_the_package_comes_from_its_repository(published, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    # As on Colab, pip and what the package needs are there already, but not the package.
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (packages / "preinstalled.pth").write_text(sysconfig.get_path("purelib"))
    source = colab.cell("02_operation_counts", f"file://{published}")
    source = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('colab')\n" + source
    # Twice, as users run cells again.
    result = run(
        tmp_path / "venv" / "bin" / "python", tmp_path / "content", f"{source}\n{source}\n{FIND}"
    )
    assert result.returncode == 0, result.stderr
    package, rows, folder, shape = json.loads(result.stdout.splitlines()[-1])
    checkout = tmp_path / "content" / "checkout"
    assert Path(package) == checkout / "splitdeconv" / "__init__.py"
    assert rows > 100
    assert Path(folder) == checkout / "notebooks"
    assert shape == [16, 16]
    # A restarted runtime begins where the first one did, beside what that left.
    again = run(tmp_path / "venv" / "bin" / "python", tmp_path / "content", f"{source}\n{FIND}")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == result.stdout.splitlines()[-1]
    # Toolchains start processes of their own, which must find it as well.
    child = run(
        tmp_path / "venv" / "bin" / "python",
        tmp_path,
        "import splitdeconv; print(splitdeconv.__file__)",
    )
    assert child.stdout.strip() == package


def test_what_does_not_fit_is_refused_and_changes_nothing(published, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (packages / "preinstalled.pth").write_text(sysconfig.get_path("purelib"))
    before = sorted(path.name for path in packages.iterdir())
    project = published / "pyproject.toml"
    project.write_text(project.read_text().replace('"rich>=13"', '"rich<1"'))
    git = ["git", "-C", published, "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "commit", "--quiet", "-am", "old"], check=True)
    source = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('colab')\n"
    source += colab.cell("01_the_split", f"file://{published}")
    result = run(tmp_path / "venv" / "bin" / "python", tmp_path / "content", source)
    assert result.returncode == 1
    assert "does not fit what this runtime has installed" in result.stderr
    assert "rich<1" in result.stderr
    assert sorted(path.name for path in packages.iterdir()) == before


@pytest.mark.parametrize(
    ("notebook", "words"),
    [
        ("13_cloud_tpu", "This runtime has no TensorFlow, so Keras computes with JAX.\n"),
        ("14_cpu_runtimes", "choose a CPU or GPU runtime for these.\n"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_the_first_cell_says_what_a_runtime_lacks(monkeypatch, capsys, notebook, words, there):
    monkeypatch.setattr(colab_setup, "find_spec", lambda name: object() if there else None)
    commands = []

    def pretended(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="numpy==2.1.3\n", stderr="")

    monkeypatch.setattr(colab_setup.subprocess, "run", pretended)
    colab_setup.install(notebook)
    assert [command[4] for command in commands] == ["list", "install"]
    assert commands[1][-1].endswith(f"[{colab_setup.EXTRAS[notebook]}]") == ("14" in notebook)
    told = capsys.readouterr().out
    assert told == "" if there else told.endswith(words)


@pytest.mark.parametrize(
    ("notebook", "keras", "told"),
    [
        ("10_convert_your_model", "3.13.2", True),
        ("03_benchmark", "3.9.0", True),
        ("10_convert_your_model", "3.14.1", False),
        ("06b_which_baseline", "4.0.0", False),
        ("13_cloud_tpu", "3.13.2", False),
    ],
)
def test_the_first_cell_says_which_keras_reads_files(monkeypatch, capsys, notebook, keras, told):
    done = subprocess.CompletedProcess([], 0, stdout="", stderr="")
    monkeypatch.setattr(colab_setup.subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(colab_setup, "version", {"keras": keras}.get)
    colab_setup.install(notebook)
    assert ("pip install 'keras>=3.14.1'" in capsys.readouterr().out) is told


def test_the_oldest_keras_is_the_one_that_the_package_asks_for():
    from splitdeconv.formats.keras import file

    assert colab_setup.OLDEST_KERAS == file.OLDEST


def test_elsewhere_nothing_happens(tmp_path):
    source = colab.cell("12_ethos_u", "file:///nowhere")
    result = run(sys.executable, tmp_path / "content", f"{source}\nprint(os.listdir('.'))")
    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr


def test_an_address_that_does_not_answer_is_an_error(tmp_path):
    source = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('colab')\n"
    result = run(
        sys.executable,
        tmp_path / "content",
        source + colab.cell("01_the_split", f"file://{tmp_path}/nowhere"),
    )
    assert result.returncode == 1
    assert "git" in result.stderr
