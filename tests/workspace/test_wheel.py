"""The distributions, and the wheel in an environment of its own, used away from the checkout."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import BytesParser
from email.policy import default as policy
from importlib.metadata import distributions
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 0.3  # what `import splitdeconv` may take

TOP = (
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "pyproject.toml",
)

USE = """\
import importlib.util, json, sys, time
start = time.perf_counter()
import splitdeconv as sd
seconds = time.perf_counter() - start
lazy = sorted({name.partition(".")[0] for name in sys.modules})
plan = sd.plan((16, 16), 5, 2)
from splitdeconv import dlp, pretrained
from splitdeconv.toolchains import edgetpu
errors = {}
for name in ("layers", "conv2d_transpose"):
    try:
        used = getattr(sd, name)
        used([[[[1.0]]]], [[[[1.0]]]], None, 2)
    except sd.SplitDeconvError as error:
        errors[name] = str(error)
print(json.dumps({
    "file": sd.__file__,
    "seconds": seconds,
    "modules": lazy,
    "version": sd.__version__,
    "output_shape": plan.output_shape,
    "account": str(plan),
    "pretrained": list(pretrained.names()),
    "technologies": {name: dlp.load_processor(name).technology for name in dlp.processors()},
    "published": len(edgetpu.published("published_ncs2")),
    "study": importlib.util.find_spec("splitdeconv.study") is not None,
    "errors": errors,
}))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Both distributions, built from a copy, so that nothing left over in the checkout gets in."""
    source = tmp_path_factory.mktemp("source")
    for name in TOP:
        shutil.copy(ROOT / name, source)
    for name in ("splitdeconv", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    # The wheel is built from the source distribution, as a release is.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", source / "dist", source]
    subprocess.run(command, check=True, capture_output=True)
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("splitdeconv-*-py3-none-any.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of a new environment with the wheel and this environment's dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    constraints = folder / "constraints.txt"
    known = {found.name: found.version for found in distributions() if found.name != "splitdeconv"}
    constraints.write_text(
        "".join(f"{name}=={version}\n" for name, version in sorted(known.items()))
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "-c",
        constraints,
        wheel,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return python


@pytest.fixture(scope="module")
def used(python, tmp_path_factory):
    """What several fresh processes of that environment tell, away from the checkout."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    options = {
        "cwd": tmp_path_factory.mktemp("elsewhere"),
        "env": environment,
        "check": True,
        "text": True,
    }
    runs = [
        subprocess.run([python, "-I", "-c", USE], capture_output=True, **options).stdout
        for _ in range(5)
    ]
    return [json.loads(run) for run in runs]


def test_the_wheel_holds_every_file_of_the_package_but_those_of_study(wheel):
    package = ROOT / "splitdeconv"
    files = [
        path.relative_to(ROOT)
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    expected = {path.as_posix() for path in files if path.parts[1] != "study"}
    packed = {
        name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("splitdeconv-")
    }
    assert packed == expected
    assert len(expected) < len(files), "study is there to be left out"
    assert {
        "splitdeconv/py.typed",
        "splitdeconv/__init__.pyi",
        "splitdeconv/pretrained/registry.yaml",
    } <= packed
    assert "splitdeconv/toolchains/edgetpu/reference/published_edge_tpu.csv" in packed


def test_the_source_distribution_holds_the_package_and_its_documents(wheel, built):
    (path,) = built.glob("splitdeconv-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}
    package = {name for name in names if name.startswith("splitdeconv/")}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert package == packed
    others = {name for name in names - package if not name.startswith("splitdeconv.egg-info/")}
    assert others == {*TOP, "PKG-INFO", "setup.cfg"}


def test_the_package_index_is_told_what_it_shows(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    told = BytesParser(policy=policy).parsebytes(archive.read(name))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert told["Description-Content-Type"] == "text/markdown"
    assert told.get_payload(decode=True).decode() == (ROOT / "README.md").read_text()
    assert (told["Name"], told["Version"]) == ("splitdeconv", project["version"])
    assert (told["Summary"], told["License-Expression"]) == (project["description"], "Apache-2.0")
    assert set(told["Requires-Python"].split(",")) == set(project["requires-python"].split(","))
    assert set(told.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    assert f"Repository, {project['urls']['Repository']}" in told.get_all("Project-URL")


def test_an_installed_wheel_imports_quickly_and_lazily(python, used):
    assert all(Path(run["file"]).is_relative_to(python.parents[1]) for run in used)
    assert not {"tensorflow", "keras", "jax", "matplotlib", "onnx"} & set(used[0]["modules"])
    assert statistics.median(run["seconds"] for run in used) < SECONDS


def test_an_installed_wheel_plans_and_reads_its_data(used):
    assert used[0]["version"] == "0.1.0"
    assert used[0]["output_shape"] == [32, 32]
    assert "4 output phase(s)" in used[0]["account"]
    assert "face_dcgan" in used[0]["pretrained"]
    assert used[0]["technologies"]["pe_array_32x7"] == "cacti_40nm"
    assert used[0]["published"] == 6
    assert not used[0]["study"]


@pytest.mark.parametrize("feature", ["layers", "conv2d_transpose"])
def test_a_feature_that_lacks_its_extra_names_it(used, feature):
    assert "is not installed" in used[0]["errors"][feature]
    assert "pip install 'splitdeconv[tensorflow]'" in used[0]["errors"][feature]


def test_the_wheel_brings_no_framework(python):
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "list", "--format=json"],
        check=True,
        capture_output=True,
    )
    names = {entry["name"].lower() for entry in json.loads(listed.stdout)}
    assert {"splitdeconv", "numpy", "pandas"} <= names
    assert (
        not {"tensorflow", "tensorflow-cpu", "keras", "jax", "onnx", "matplotlib", "jupyterlab"}
        & names
    )
