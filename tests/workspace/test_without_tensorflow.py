"""Notebooks where TensorFlow is absent, as on Colab's TPU runtime: Keras uses JAX."""

import json
import os
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from packaging.requirements import Requirement

from splitdeconv.pretrained import cache_folder
from tools import colab_runtimes
from tools.colab_runtimes import canonical

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
#: TensorFlow itself, and what would lead back to this checkout's environment.
LEFT_OUT = ("tensorflow", "__editable__", "splitdeconv", "__pycache__")
BRIEF = {"turns": "3", "layer_seconds": "0.1", "network_seconds": "0.1"}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment that has every package of this one but TensorFlow."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.lower().startswith(LEFT_OUT):
            (packages / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def tpu_python(tmp_path_factory):
    """The interpreter of one that has only what Colab's TPU runtime holds too, and papermill."""
    record = json.loads(colab_runtimes.RECORD.read_text())["runtimes"]["tpu"]
    names, left = set(record["all"].split()) - {"tensorflow"}, {"papermill", "ipykernel"}
    while left:  # what these need to run a notebook, whose versions are not Colab's
        name = left.pop()
        names.add(name)
        needs = map(Requirement, metadata.requires(name) or ())
        needs = (need for need in needs if not need.marker or need.marker.evaluate({"extra": ""}))
        left |= {canonical(need.name) for need in needs} - names
    folder = tmp_path_factory.mktemp("tpu") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    held = Path(sysconfig.get_path("purelib"))
    for one in metadata.distributions(path=[str(held)]):
        if canonical(one.metadata["Name"]) in names:
            for top in {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}:
                if not (packages / top).exists():
                    (packages / top).symlink_to(held / top)
    return folder / "bin" / "python"


def run(python, folder, *command):
    """Run a command there, in a folder of its own and with no word about Keras' backend."""
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
    }
    environment |= {
        "PYTHONPATH": str(ROOT),
        "JUPYTER_PATH": "",
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JAX_PLATFORMS": "cpu",
    }
    environment |= {
        "SPLITDECONV_DATA": str(cache_folder()),
        "SPLITDECONV_FIGURES": str(folder / "figures"),
    }
    environment |= {"KERAS_HOME": str(folder / "keras"), "IPYTHONDIR": str(folder / "ipython")}
    return subprocess.run(
        [python, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def executed(python, folder, name, **parameters):
    """Execute a notebook's quick run; all that its cells print and show, as one text."""
    given = [word for pair in parameters.items() for word in ("-p", *pair)]
    notebook = [ROOT / "notebooks" / f"{name}.ipynb", "out.ipynb"]
    result = run(
        python,
        folder,
        "-m",
        "papermill",
        "--no-progress-bar",
        *notebook,
        "-p",
        "quick",
        "True",
        *given,
    )
    assert result.returncode == 0, result.stderr[-5000:]
    cells = [
        cell
        for cell in nbformat.read(folder / "out.ipynb", as_version=4).cells
        if cell.cell_type == "code"
    ]
    outputs = [output for cell in cells for output in cell.outputs]
    return "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs
    )


def made(folder):
    """The figures that a run left."""
    return {path.stem for path in (folder / "figures").glob("*.png")}


def test_tensorflow_is_absent_there(python, tmp_path):
    code = "import importlib.util as u; "
    code += "print(*(u.find_spec(n) is None for n in ('tensorflow', 'jax', 'keras')))"
    assert run(python, tmp_path, "-c", code).stdout == "True False False\n"


def test_networks_and_operators_compute_with_jax(python, tmp_path):
    code = """
import numpy as np, splitdeconv as sd
x, w = np.ones((1, 3, 4, 2), "float32"), np.arange(90, dtype="float32").reshape(5, 3, 3, 2)
y = sd.conv2d_transpose(x, w, None, (3, 2))
assert np.array_equal(y, sd.apply(sd.plan((3, 4), (5, 3), (3, 2)), x, w)), y
table = sd.networks.build("dcgan", seed=None).layers
import keras
print(type(y).__module__.partition(".")[0], keras.backend.backend(), len(table) > 5)
"""
    result = run(python, tmp_path, "-c", code)
    assert result.stdout == "jaxlib jax True\n", result.stderr


def test_the_cloud_tpu_notebook(python, tmp_path):
    assert "nothing is timed" in executed(python, tmp_path, "13_cloud_tpu")
    assert made(tmp_path) == {"13_who_wins", "13_means", "13_networks"}
    assert not (tmp_path / "figures" / "tpu_results.csv").exists()


def test_the_cloud_tpu_notebook_with_only_what_colab_holds(tpu_python, tmp_path):
    code = "import importlib.util as u; names = 'tensorflow ai_edge_litert onnx dask jax keras'; "
    code += "print(*(name for name in names.split() if u.find_spec(name)))"
    assert run(tpu_python, tmp_path, "-c", code).stdout == "jax keras\n"
    shown = executed(tpu_python, tmp_path, "13_cloud_tpu", timed="sngan", batches="2")
    assert "timed on cpu cpu, written to " in shown
    table = pd.read_csv(tmp_path / "figures" / "tpu_results.csv").set_index("form")
    assert list(table.index) == ["native", "nzp", "split", "auto"]
    assert set(table["batch"]) == {2}
    assert (table["seconds"] > 0).all()
    assert (table["difference"] <= table["allowed"]).all()
    assert "13_timed" in made(tmp_path)


def test_the_split_notebook(python, tmp_path):
    executed(python, tmp_path, "01_the_split", kernel="4")
    assert "01_exactness" in made(tmp_path)


@pytest.mark.parametrize(("network", "images"), [("sngan", False), ("dcgan", True)])
def test_the_benchmark_notebook(python, tmp_path, network, images):
    shown = executed(python, tmp_path, "03_benchmark", network=network, images="2", **BRIEF)
    expected = {f"03_{network}_{part}" for part in ("layers", *(["images"] if images else []))}
    assert made(tmp_path) == expected
    assert ("No trained weights of SNGAN are at hand: no images." in shown) != images
    assert "threads, JAX" in (tmp_path / "figures" / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("10_convert_your_model", {"10_graph", "10_speedups"}),
        ("11_edge_tpu", {"11_check", "11_published"}),
        ("14_cpu_runtimes", {"14_sample", "14_layers", "14_means", "14_networks"}),
    ],
)
def test_notebooks_whose_files_tensorflow_writes_do_the_rest_and_say_so(
    python, tmp_path, name, figures
):
    assert "tensorflow is not installed" in executed(python, tmp_path, name)
    assert made(tmp_path) == figures


def test_a_notebook_that_replays_its_tables_needs_no_tensorflow(python, tmp_path):
    executed(python, tmp_path, "12_ethos_u")
    assert made(tmp_path) == {"12_layers", "12_means", "12_networks"}
