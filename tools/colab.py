"""The cell and the badge with which each notebook starts on Colab, and their one address.

``python -m tools.colab`` writes them into every notebook: after a change of the address, or into a
new notebook.
"""

import re
import tomllib
from pathlib import Path

import nbformat

from splitdeconv import privacy

ROOT = Path(__file__).resolve().parents[1]
#: A notebook's own choice of this package's extras, beside what Colab has installed.
EXTRAS = {
    "00_start_here": "",
    "01_the_split": "",
    "02_operation_counts": "",
    "03_benchmark": "",
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
}
CELL = """\
# On Colab this installs the package, without telemetry; elsewhere it does nothing.
import os
import subprocess
import sys

if "google.colab" in sys.modules and not os.path.isdir("../splitdeconv"):
    os.environ.update({variables})
    address, extras = "{address}", "{extras}"
    folder = os.path.abspath("checkout")
    if not os.path.isdir(folder):  # it outlives a restart of the runtime
        subprocess.run(["git", "clone", "--quiet", "--depth=1", address, folder], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "-e", folder + extras]
    subprocess.run(pip, check=True)
    sys.path.insert(0, folder)
    os.chdir(os.path.join(folder, "notebooks"))"""
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({url})"
_BADGE = re.compile(r"\n*\[!\[Open in Colab\].*\n*")
ID = "colab"


def address(root=ROOT) -> str:
    """Where the repository is published: `Repository` of pyproject.toml."""
    project = tomllib.loads((Path(root) / "pyproject.toml").read_text())["project"]
    return project["urls"]["Repository"]


def cell(name, where) -> str:
    """The first code cell of notebook `name`, of a repository that is published at `where`."""
    extras = EXTRAS[name]
    variables = ", ".join(f'{name}="{value}"' for name, value in privacy.VARIABLES.items())
    return CELL.format(variables=variables, address=where, extras=f"[{extras}]" if extras else "")


def badge(name, where) -> str:
    """What stands below the heading of notebook `name`."""
    url = where.replace("https://github.com/", "https://colab.research.google.com/github/")
    return BADGE.format(url=f"{url}/blob/main/notebooks/{name}.ipynb")


def prepare(notebook, name, where):
    """Give a notebook its badge and its cell, in place of those it may have."""
    heading, _, rest = _BADGE.sub("\n\n", notebook.cells[0].source).partition("\n")
    notebook.cells[0].source = f"{heading}\n\n{badge(name, where)}\n\n{rest.strip()}"
    if notebook.cells[1].get("id") != ID:
        notebook.cells.insert(1, nbformat.v4.new_code_cell(id=ID))
    notebook.cells[1].source = cell(name, where)
    return notebook


def main():
    """Prepare every notebook."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = prepare(nbformat.read(path, as_version=4), path.stem, address())
        path.write_text(nbformat.writes(notebook, indent=1) + "\n")


if __name__ == "__main__":
    main()
