"""The pre-commit hook: what it declares, and pre-commit running it on a repository of models."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml

from splitdeconv.convert.targets import names
from tests.cli.files import MODELS
from tests.convert.test_api import no_deconv

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ".pre-commit-hooks.yaml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
(HOOK,) = yaml.safe_load((ROOT / MANIFEST).read_text())
PRE_COMMIT = [sys.executable, "-m", "pre_commit"]


def test_it_is_a_valid_manifest():
    command = [*PRE_COMMIT, "validate-manifest", ROOT / MANIFEST]
    subprocess.run(command, check=True, capture_output=True)
    assert (HOOK["id"], HOOK["language"]) == ("splitdeconv", "python")
    program, *_ = HOOK["entry"].split()
    assert program in PROJECT["scripts"]
    # The extras of this package, so that their versions are declared in one place.
    (dependency,) = HOOK["additional_dependencies"]
    extras = re.fullmatch(r"\.\[([\w,]+)\]", dependency)[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def test_the_configuration_in_the_readme():
    text = re.search(r"```yaml\n(repos:.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    (repo,) = yaml.safe_load(text)["repos"]
    assert (repo["repo"], repo["rev"]) == (PROJECT["urls"]["Repository"], f"v{PROJECT['version']}")
    (used,) = repo["hooks"]
    assert (used["id"], used["args"][0]) == (HOOK["id"], HOOK["args"][0])
    assert used["args"][1] in names()
    assert used["additional_dependencies"] == HOOK["additional_dependencies"]


@pytest.mark.parametrize(
    ("name", "is_model"),
    [
        *((f"models/a b.{kind}", True) for kind in ("tflite", "onnx", "keras", "pt2")),
        *((name, False) for name in ("a.onnx.data", "onnx", "a.pt", "a.tflite.md", "b.h5")),
    ],
)
def test_which_files_it_takes(name, is_model):
    assert bool(re.search(HOOK["files"], name)) == is_model


def git(folder, *command):
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *command], cwd=folder, check=True, capture_output=True)


def committed(folder):
    """The folder as a git repository."""
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "All")
    return folder


@pytest.fixture
def repository(tmp_path):
    """This package as a repository, whose hook only reads .tflite files: half the installation."""
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "splitdeconv", source / "splitdeconv", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    manifest = yaml.safe_dump([HOOK | {"additional_dependencies": [".[tflite]"]}])
    (source / MANIFEST).write_text(manifest)
    return committed(source)


@pytest.mark.slow
def test_pre_commit_runs_it(repository, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    contents = {"it's up.tflite": MODELS["tflite"], "plain.tflite": no_deconv(), "x.txt": b"x"}
    for name, content in contents.items():
        (models / name).write_bytes(content)
    committed(models)
    constraints = tmp_path / "constraints.txt"
    known = {one.name: one.version for one in distributions() if one.name != "splitdeconv"}
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in known.items()))
    done = subprocess.run(
        [*PRE_COMMIT, "try-repo", repository, HOOK["id"], "--files", *contents],
        cwd=models,
        env=os.environ
        | {
            "PRE_COMMIT_HOME": str(tmp_path / "home"),
            "PIP_CONSTRAINT": str(constraints),
            "PIP_NO_COMPILE": "1",  # a third of the time of the installation
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "- hook id: splitdeconv\n- exit code: 1\n" in done.stdout
    assert "plain.tflite:\ntflite model: no transposed convolution\n" in done.stdout
    assert "splitdeconv: 1 of 2 models is not ready for the target generic" in done.stdout
    assert "  where: it's up.tflite\n" in done.stdout
    assert "x.txt" not in done.stdout
