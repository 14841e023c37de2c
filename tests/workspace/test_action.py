"""The GitHub action: its inputs, and its scripts, run as a runner does in a stub environment."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from splitdeconv.convert.targets import names
from tests.cli.files import MODELS
from tests.convert.test_api import no_deconv

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")
README_STEP = r"```yaml\n(- uses: .*?)```"
PYTHON, INSTALL, CHECK = ACTION["runs"]["steps"]
# Names that a careless script splits, expands or takes for options.
ODD = ["two words.onnx", 'it\'s "up".onnx', "$(touch ran).onnx", "`touch ran`.onnx", "-x.onnx"]
#: Writes the arguments that it is given, one per line, to the file that CALLS names.
STUB = '#!/usr/bin/env bash\nprintf "%s\\n" "$@" --- >> "$CALLS"\n'


class Runner:
    """A job on a runner: an empty workspace, and programs that only record how they are called."""

    def __init__(self, root):
        self.workspace, self.temp = root / "the workspace", root / "temp"
        self.calls, self.tool = root / "calls", root / "python"
        self.workspace.mkdir()
        self.program(self.tool)
        for name in ("python", "splitdeconv"):
            self.program(self.temp / "splitdeconv" / "bin" / name)

    def program(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STUB)
        path.chmod(0o755)

    def files(self, *names):
        for name in names:
            path = self.workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def run(self, step, **variables):
        """(exit code, output, the arguments of each call) of one step."""
        assert set(variables) == set(step["env"])
        self.calls.unlink(missing_ok=True)
        script = self.temp / "script.sh"
        script.write_text(step["run"])
        given = {"RUNNER_TEMP": self.temp, "GITHUB_ACTION_PATH": "/an/action", "CALLS": self.calls}
        # As runners start `shell: bash`.
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.workspace,
            env={"PATH": os.environ["PATH"]} | {k: str(v) for k, v in (given | variables).items()},
            capture_output=True,
            text=True,
            check=False,
        )
        called = self.calls.read_text().split("---\n")[:-1] if self.calls.exists() else []
        return done.returncode, done.stdout + done.stderr, [one.splitlines() for one in called]

    def check(self, models, target="generic"):
        """(exit code, output, the models that are checked; None if the command is not called)."""
        code, out, calls = self.run(CHECK, MODELS=models, TARGET=target)
        if not calls:
            return code, out, None
        (call,) = calls
        assert call[:4] == ["inspect", "--check", f"--target={target}", "--"]
        return code, out, call[4:]


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


def test_the_inputs():
    inputs = ACTION["inputs"]
    assert set(inputs) == {"models", "target", "extras", "python-version", "version"}
    assert all(each["description"] for each in inputs.values())
    assert inputs["models"]["required"]
    assert {name: inputs[name]["default"] for name in inputs if name != "models"} == {
        "target": "generic",
        "extras": "onnx,tflite",
        "python-version": "3.12",
        "version": "",
    }
    assert inputs["target"]["default"] in names()
    extras = PROJECT["optional-dependencies"]
    assert set(inputs["extras"]["default"].split(",")) <= set(extras)
    named = re.findall(r"\b(tflite|onnx|tensorflow|torch)\b", inputs["extras"]["description"])
    assert set(named) <= set(extras)
    supported = [line for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert f"Programming Language :: Python :: {inputs['python-version']['default']}" in supported


def test_no_input_is_written_into_a_script():
    assert ACTION["runs"]["using"] == "composite"
    used = set()
    for step in (INSTALL, CHECK):
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
        used |= set(re.findall(r"inputs\.([\w-]+)", " ".join(step["env"].values())))
        # Every variable is quoted, or in an assignment or [[ ]], where bash does not split it;
        # the glob is the one that is meant to be expanded.
        bare = re.sub(r'"[^"]*"|\[\[.*?\]\]|^\s*\w+=\S*|\(\(.*?\)\)', "", step["run"], flags=re.M)
        assert set(re.findall(r"\$\{?\w+", bare)) <= {"$pattern"}
    used |= set(re.findall(r"inputs\.([\w-]+)", PYTHON["with"]["python-version"]))
    assert used == set(ACTION["inputs"])
    assert re.fullmatch(r"actions/setup-python@v\d+", PYTHON["uses"])
    assert INSTALL["env"]["PYTHON"] == f"${{{{ steps.{PYTHON['id']}.outputs.python-path }}}}"


def test_the_step_in_the_readme():
    *_, step = yaml.safe_load(re.search(README_STEP, (ROOT / "README.md").read_text(), re.S)[1])
    assert step["uses"] == f"{REPOSITORY}@v{PROJECT['version']}"
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert step["with"]["target"] in names()
    assert len(step["with"]["models"].splitlines()) == 2


@pytest.mark.parametrize(
    ("extras", "version", "package"),
    [
        ("onnx,tflite", "", "/an/action[onnx,tflite]"),
        ("onnx", "0.1.0", "splitdeconv[onnx]==0.1.0"),
        ("", "0.1.0", "splitdeconv==0.1.0"),
        ("", "", "/an/action"),
        ("$(touch ran)", "1; touch ran", "splitdeconv[$(touch ran)]==1; touch ran"),
    ],
)
def test_what_is_installed(runner, extras, version, package):
    code, out, calls = runner.run(INSTALL, PYTHON=runner.tool, EXTRAS=extras, VERSION=version)
    assert (code, out) == (0, "")
    environment, pip = calls
    assert environment == ["-m", "venv", str(runner.temp / "splitdeconv")]
    assert pip[:3] == ["-m", "pip", "install"]
    assert pip[-1] == package
    assert not list(runner.workspace.iterdir())


def test_globs_are_expanded(runner):
    runner.files("a.onnx", "b.onnx", "c.tflite", "deep/er/d.tflite", "deep/e.txt", *ODD)
    assert runner.check("c.tflite")[2] == ["c.tflite"]
    assert runner.check("?.onnx\n  **/*.tflite  \r\n\n")[2] == [
        "a.onnx",
        "b.onnx",
        "c.tflite",
        "deep/er/d.tflite",
    ]
    code, out, files = runner.check("*.onnx", "my target.yaml")
    assert (code, out, sorted(files)) == (0, "", sorted(["a.onnx", "b.onnx", *ODD]))
    assert runner.check("deep/**")[2] == ["deep/e.txt", "deep/er/d.tflite"]  # no folders


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_names(runner, name):
    runner.files(name, "two", "words.onnx")
    assert runner.check(name) == (0, "", [name])
    assert not (runner.workspace / "ran").exists()


@pytest.mark.parametrize("name", ["a[1].onnx", "what?.onnx", "*.onnx", "{a,b}.onnx", "a]b.onnx"])
def test_a_name_that_is_also_a_glob_is_taken_by_its_name(runner, name):
    runner.files(name, "a1.onnx", "whats.onnx", "@")
    assert runner.check(name) == (0, "", [name])
    assert runner.check(f"{name}\n@\n{name}") == (0, "", [name, "@"])


def test_a_file_is_checked_once(runner):
    runner.files("a.onnx", "b.onnx", *ODD)
    code, out, files = runner.check("b.onnx\n*.onnx\n./*.onnx\n**/*.onnx")
    assert (code, out, files[0]) == (0, "", "b.onnx")
    assert sorted(files) == sorted(["a.onnx", "b.onnx", *ODD])


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("*.keras", "no file matches *.keras"),
        ("a.onnx\nmodels/*.onnx", "no file matches models/*.onnx"),
        ("missing.onnx", "no file matches missing.onnx"),
        ("folder", "no file matches folder"),
        ("$(touch ran)", "no file matches $(touch ran)"),
        (
            "{a,b}.onnx",
            "no file matches {a,b}.onnx\nbraces are not expanded: give each alternative a line of "
            "its own",
        ),
        ("", "the input models is empty"),
        (" \n\n", "the input models is empty"),
    ],
)
def test_a_glob_without_a_match_is_an_error(runner, models, message):
    runner.files("a.onnx", "folder/b.onnx")
    assert runner.check(models) == (1, f"::error::splitdeconv: {message}\n", None)
    assert not (runner.workspace / "ran").exists()


@pytest.mark.parametrize(
    ("models", "code"),
    [("*.tflite", 1), ("plain file.tflite", 0), ("up.tflite", 1)],
)
def test_the_command_decides_whether_the_job_fails(runner, models, code):
    """The real command line, on real models."""
    (runner.workspace / "up.tflite").write_bytes(MODELS["tflite"])
    (runner.workspace / "plain file.tflite").write_bytes(no_deconv())
    command = runner.temp / "splitdeconv" / "bin" / "splitdeconv"
    command.write_text(f'#!/usr/bin/env bash\nexec "{sys.executable}" -m splitdeconv "$@"\n')
    found, out, _ = runner.run(CHECK, MODELS=models, TARGET="generic")
    assert found == code
    assert ("splitdeconv: " in out) == bool(code)
    assert ("  where: up.tflite\n" in out) == bool(code)
