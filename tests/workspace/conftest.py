"""A small checkout of its own for each test that runs make or the tools on one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]


class Checkout:
    """A folder with this repository's Makefile and tools, and a small package."""

    def __init__(self, root):
        self.root = root
        shutil.copy(ROOT / "Makefile", root)
        # The report needs the whole package: here it only says that it was asked for.
        ignored = shutil.ignore_patterns("__pycache__", "report")
        shutil.copytree(ROOT / "tools", root / "tools", ignore=ignored)
        self.write("tools/report.py", "import sys\nprint('report', *sys.argv[1:])\n")
        self.write("requirements.lock", "")
        self.write("splitdeconv/__init__.py", "from .errors import SplitDeconvError\n")
        for module in (
            "atomic",
            "errors",
            "extras",
            "figures",
            "privacy",
            "provenance",
            "release",
        ):
            shutil.copy(ROOT / "splitdeconv" / f"{module}.py", root / "splitdeconv")
        self.write("splitdeconv/pretrained/__init__.py", "")
        self.write("splitdeconv/pretrained/__main__.py", "print('weights fetched')\n")
        self.write(
            "notebooks/README.md", "| notebook | inputs | figures | minutes |\n|---|---|---|---|\n"
        )
        # A user's own kernel of the same name must not be taken for this environment's.
        foreign = '{"argv": ["/bin/false"], "display_name": "foreign", "language": "python"}'
        self.write("home/.local/share/jupyter/kernels/python3/kernel.json", foreign)
        self.write("jupyter/kernels/python3/kernel.json", foreign)

    def write(self, path, text):
        """Write a file, and make its folders."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def touch(self, path):
        """Make an empty file, or give one the present time."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).touch()

    def notebook(self, name, *cells, parameters="quick = False\nseed = 0", figures="-"):
        """Write a notebook with these code cells after its parameters, and its table row."""
        tagged = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
        code = [nbformat.v4.new_code_cell(cell) for cell in cells]
        kernel = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
        notebook = nbformat.v4.new_notebook(metadata=kernel)
        notebook.cells = [nbformat.v4.new_markdown_cell(f"# {name}"), tagged, *code]
        nbformat.write(notebook, self.root / "notebooks" / f"{name}.ipynb")
        with open(self.root / "notebooks" / "README.md", "a") as table:
            table.write(f"| [{name}]({name}.ipynb) | - | {figures} | 1 |\n")

    def run(self, *command, **options):
        """Run a command in the checkout, with nothing of this process' environment but the path.

        `set` adds variables to that.
        """
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.root / "home"),
            "JUPYTER_PATH": str(self.root / "jupyter"),
            "MPLBACKEND": "TkAgg",
            # Else every new home indexes the fonts again.
            "MPLCONFIGDIR": matplotlib.get_cachedir(),
        }
        environment |= options.pop("set", {})
        options = {
            "capture_output": True,
            "text": True,
            "cwd": self.root,
            "env": environment,
        } | options
        return subprocess.run(command, check=False, **options)

    def make(self, *arguments, **options):
        """Run make in the environment of these tests."""
        return self.run("make", f"ENVIRONMENT={sys.prefix}", *arguments, **options)


@pytest.fixture
def checkout(tmp_path):
    # A folder as users have them: nothing may mind the space.
    root = tmp_path / "a checkout"
    root.mkdir()
    return Checkout(root)
