"""Install the package on Colab for one notebook, beside what is there: nothing there is replaced.

The first cell of each notebook calls `install`. pip gets the version of everything that is there as
a constraint: it chooses the releases that fit, or says which do not and installs nothing. Only the
standard library is used here.
"""

import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: A notebook's own choice of this package's extras, beside what Colab has installed.
EXTRAS = {
    "00_start_here": "",
    "01_the_split": "",
    "02_operation_counts": "",
    "03_benchmark": "",
    "03b_nine_networks": "",
    "04_dot_product_array": "sweep",
    "05_pe_array": "sweep",
    "06_energy": "sweep",
    "06b_which_baseline": "sweep",
    "07_roofline": "sweep",
    "08_design_space": "sweep",
    "09_image_quality": "tflite",
    "10_convert_your_model": "tflite,onnx",
    "11_edge_tpu": "tflite",
    "12_ethos_u": "tflite,npu",
    "13_cloud_tpu": "",
    "14_cpu_runtimes": "tflite,onnx,npu",
    "15_summary": "tflite",
    "16_pytorch": "",
    "17_networks_of_others": "",
}
#: What only TensorFlow does, which Colab's TPU runtimes lack.
WITHOUT_TENSORFLOW = dict.fromkeys(
    ("09_image_quality", "10_convert_your_model", "11_edge_tpu", "14_cpu_runtimes"),
    "It skips the LiteRT files that TensorFlow writes: choose a CPU or GPU runtime for these.",
)
#: Notebooks that read a user's own .keras file, which takes a later Keras than Colab's.
KERAS_FILES = tuple(name for name in EXTRAS if re.match("0[3-8]|10", name))
OLDEST_KERAS = (3, 14, 1)  # splitdeconv/formats/keras/file.py says why
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def installed() -> str:
    """Every package here with its version, as constraints for pip, but this one."""
    # As `pip freeze`, but without the addresses of files that are gone.
    command = [*_PIP, "list", "--format=freeze", "--exclude-editable", "--exclude=splitdeconv"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def install(notebook: str, root: Path = ROOT) -> None:
    """Install the package at `root` with the extras of a notebook, and say what the runtime lacks.

    Args:
        notebook: its name, a key of `EXTRAS`.
        root: the folder of pyproject.toml.

    Raises:
        RuntimeError: pip could not, with what it said.
    """
    extras = f"[{EXTRAS[notebook]}]" if EXTRAS[notebook] else ""
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "constraints.txt"
        held.write_text(installed())
        command = [*_PIP, "install", "--constraint", held, "--editable", f"{root}{extras}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            "the package does not fit what this runtime has installed, so nothing was installed; "
            f"pip says:\n{done.stdout[-2000:]}\n{done.stderr}"
        )
    if find_spec("tensorflow") is None:
        rest = WITHOUT_TENSORFLOW.get(notebook, "")
        print(f"This runtime has no TensorFlow, so Keras computes with JAX. {rest}".strip())
    there = version("keras")
    if notebook in KERAS_FILES and tuple(map(int, there.split(".")[:3])) < OLDEST_KERAS:
        oldest = ".".join(map(str, OLDEST_KERAS))
        print(
            f"This runtime has Keras {there}. Only your own .keras files need {oldest} or later: "
            f"pip install 'keras>={oldest}', then restart the runtime."
        )
