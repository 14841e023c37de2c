"""The cell and the badge with which each notebook starts on Colab, and their one address.

``python -m tools.colab`` writes them into every notebook, and the address into the links of the
documents: after a change of the address, or into a new notebook. ``python -m tools.colab --check``
says whether the address answers, without which nothing opens on Colab.
"""

import argparse
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat

from splitdeconv import privacy
from splitdeconv.errors import check_choice
from tools import colab_setup

ROOT = Path(__file__).resolve().parents[1]
CELL = """\
# On Colab this installs the package beside what is there, which all stays; elsewhere, nothing.
import os
import subprocess
import sys

if "google.colab" in sys.modules and not os.path.isdir("../splitdeconv"):
    os.environ.update({variables})
    address, folder = "{address}", os.path.abspath("checkout")
    if not os.path.isdir(folder):  # it outlives a restart of the runtime
        subprocess.run(["git", "clone", "--quiet", "--depth=1", address, folder], check=True)
    sys.path.insert(0, folder)
    os.chdir(os.path.join(folder, "notebooks"))
    from tools import colab_setup

    colab_setup.install("{name}")"""
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({url})"
#: The documents that link to notebooks on Colab.
DOCUMENTS = ("README.md", "notebooks/README.md")
# What git says where no answer came; all else it says is an answer.
_UNREACHED = re.compile(
    r"resolve (host|proxy)|connect|timed out|SSL|TLS|certificate", re.IGNORECASE
)
_LINK = re.compile(r"https://colab\.research\.google\.com/github/[\w./-]+?/notebooks/(\w+)\.ipynb")
_BADGE = re.compile(r"\n*\[!\[Open in Colab\].*\n*")
ID = "colab"


def address(root=ROOT) -> str:
    """Where the repository is published: `Repository` of pyproject.toml."""
    project = tomllib.loads((Path(root) / "pyproject.toml").read_text())["project"]
    return project["urls"]["Repository"]


def cell(name, where) -> str:
    """The first code cell of notebook `name`, of a repository that is published at `where`."""
    check_choice(name, colab_setup.EXTRAS, "notebook")
    variables = ", ".join(f'{name}="{value}"' for name, value in privacy.VARIABLES.items())
    return CELL.format(variables=variables, address=where, name=name)


def link(name, where) -> str:
    """The address at which Colab opens notebook `name`."""
    url = where.replace("https://github.com/", "https://colab.research.google.com/github/")
    return f"{url}/blob/main/notebooks/{name}.ipynb"


def badge(name, where) -> str:
    """What stands below the heading of notebook `name`."""
    return BADGE.format(url=link(name, where))


def linked(text, where) -> str:
    """A document with its links to Colab turned to the repository that is published at `where`."""
    return _LINK.sub(lambda found: link(found[1], where), text)


def published(where, seconds=30) -> tuple[bool | None, str]:
    """Whether anybody can clone `where` and finds a branch main there; None if no answer came.

    Args:
        where: the address.
        seconds: how long to wait for an answer.

    Returns:
        (the answer, a sentence that says it)
    """
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C"}
    command = ["git", "-c", "credential.helper=", "ls-remote", where, "refs/heads/main"]
    options = {"capture_output": True, "text": True, "timeout": seconds, "check": False}
    try:
        done = subprocess.run(command, env=os.environ | quiet, **options)
    except (subprocess.TimeoutExpired, OSError) as error:
        return None, f"{where}: unknown whether it is public: {error}"
    said = " ".join(done.stderr.split())
    if done.returncode and _UNREACHED.search(said):
        return None, f"{where}: unknown whether it is public: {said}"
    if done.returncode:
        return False, f"{where}: not public: {said}"
    if not done.stdout:
        return False, f"{where}: public, but without a branch main, which Colab opens"
    return True, f"{where}: public, with a branch main"


def prepare(notebook, name, where):
    """Give a notebook its badge and its cell, in place of those it may have."""
    heading, _, rest = _BADGE.sub("\n\n", notebook.cells[0].source).partition("\n")
    notebook.cells[0].source = f"{heading}\n\n{badge(name, where)}\n\n{rest.strip()}"
    if notebook.cells[1].get("id") != ID:
        notebook.cells.insert(1, nbformat.v4.new_code_cell(id=ID))
    notebook.cells[1].source = cell(name, where)
    return notebook


def main(arguments=None) -> int:
    """Prepare every notebook and document, or check the address; 0 done or public, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="ask whether the address is public")
    if parser.parse_args(arguments).check:
        public, sentence = published(address())
        print(sentence)
        if not public:
            print(
                "until it is, Colab opens no notebook; the address is Repository in pyproject.toml"
            )
        return 0 if public else 1
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = prepare(nbformat.read(path, as_version=4), path.stem, address())
        path.write_text(nbformat.writes(notebook, indent=1) + "\n")
    for path in (ROOT / name for name in DOCUMENTS):
        path.write_text(linked(path.read_text(), address()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
