"""The package's front: light to import, lazy, and its public names what they say."""

import json
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

import splitdeconv

FRAMEWORKS = {
    "tensorflow",
    "keras",
    "jax",
    "torch",
    "onnx",
    "onnxruntime",
    "openvino",
    "ai_edge_litert",
    "matplotlib",
}
SECONDS = 0.3  # what `import splitdeconv` may take

MEASURE = """\
import json, sys, time
start = time.perf_counter()
import splitdeconv
seconds = time.perf_counter() - start
modules = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"seconds": seconds, "modules": modules}))
"""


def child(code):
    """What a fresh Python prints when it runs `code`."""
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_importing_is_quick_and_loads_no_framework():
    runs = [json.loads(child(MEASURE)) for _ in range(7)]
    assert not FRAMEWORKS & set(runs[0]["modules"])
    # The median: a busy machine delays some of the runs, not what the import costs.
    assert statistics.median(run["seconds"] for run in runs) < SECONDS


def test_planning_and_counting_load_no_framework():
    code = """
import sys, splitdeconv as sd
print(sd.plan((16, 16), 5, 2).macs(in_channels=128, out_channels=64)["useful"])
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""
    macs, modules = child(code).splitlines()
    assert int(macs) == 16 * 16 * 5 * 5 * 128 * 64
    assert not FRAMEWORKS & set(modules[2:-2].split("', '"))


def test_what_needs_pytorch_names_the_extra_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "splitdeconv.torch", raising=False)
    with pytest.raises(splitdeconv.SplitDeconvError, match="torch is not installed") as caught:
        splitdeconv.torch  # noqa: B018
    assert caught.value.expected == "the extra 'torch'"


@pytest.mark.parametrize("name", sorted(set(splitdeconv.__all__) - {"torch"}))
def test_every_public_name_is_there(name):
    assert getattr(splitdeconv, name).__doc__


def test_functions_are_not_hidden_by_the_modules_they_live_in():
    modules = "splitdeconv.core.plan, splitdeconv.core.apply, splitdeconv.convert"
    code = f"import {modules}, splitdeconv as sd; "
    code += "print(callable(sd.plan), callable(sd.apply), callable(sd.convert))"
    assert child(code) == "True True True\n"


UNINSTALLED = """\
import sys
from importlib import metadata

def missing(name):
    raise metadata.PackageNotFoundError(name)

metadata.version = missing
sys.path[:0] = sys.argv[1:]
import splitdeconv as sd
from splitdeconv.cli import app
from splitdeconv.provenance import versions
print(sd.__file__, sd.__version__, versions()["splitdeconv"], sd.plan((4, 4), 3, 2).output_shape)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ('[project]\nname = "splitdeconv"\nversion = "7.8.9"', "7.8.9"),
        ('[project]\nname = "another"\nversion = "7.8.9"', "0+unknown"),
        ("no project", "0+unknown"),
        (None, "0+unknown"),
    ],
)
def test_a_checkout_that_is_not_installed_can_be_imported(tmp_path, project, expected):
    package = Path(splitdeconv.__file__).parent
    shutil.copytree(package, tmp_path / "splitdeconv", ignore=shutil.ignore_patterns("__pycache__"))
    if project is not None:
        (tmp_path / "pyproject.toml").write_text(project)
    libraries = sysconfig.get_path("purelib")
    # Without site (-S) and the user's paths (-I), nothing leads to another copy of the package.
    command = [sys.executable, "-I", "-S", "-c", UNINSTALLED, str(tmp_path), libraries]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.split() == [
        str(tmp_path / "splitdeconv" / "__init__.py"),
        expected,
        expected,
        "(8,",
        "8)",
    ]


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((Path(splitdeconv.__file__).parents[1] / "pyproject.toml").read_text())
    assert splitdeconv.__version__ == project["project"]["version"]


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="deconvolve"):
        splitdeconv.deconvolve  # noqa: B018


def test_errors_keep_their_parts_between_processes():
    import pickle

    error = splitdeconv.SplitDeconvError("no", where="here", expected="a", got="b", fix="c")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.fix) == (
        "no\n  where: here\n  expected: a\n  got: b\n  what to do: c",
        "c",
    )
