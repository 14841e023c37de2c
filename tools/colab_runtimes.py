"""Record what Colab's runtimes hold and what each notebook adds: tests/workspace/colab.json.

``python -m tools.colab_runtimes BACKEND_INFO PYTHON``, with a clone of googlecolab/backend-info and
a Python of the version in its os-info.txt. pip resolves against the package index, and installs
nothing. Of the packages there are, those are kept that ours or the notebooks need, and of the TPU
runtime the names of all.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tools.colab_setup import EXTRAS, ROOT

RECORD = ROOT / "tests" / "workspace" / "colab.json"
#: A runtime and the file of what it holds.
FREEZES = {"cpu": "pip-freeze.txt", "gpu": "pip-freeze.gpu.txt", "tpu": "pip-freeze.tpu.txt"}
#: What notebooks import without asking for it.
IMPORTED = (
    "ipykernel ipython ipywidgets jax jaxlib keras libtpu matplotlib pillow scikit-image seaborn "
    "tensorflow tqdm"
)


def canonical(name: str) -> str:
    """The name of a package as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def frozen(text: str) -> dict[str, str]:
    """Packages and versions of a ``pip freeze``; of files by address, the version in the name."""
    named = re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)
    linked = re.findall(r"^([\w.-]+) @ \S*/[\w.]+-(\d+(?:\.\d+)*(?:%2B\w+)?)", text, re.MULTILINE)
    return {canonical(name): version.replace("%2B", "+") for name, version in named + linked}


def asked() -> list[str]:
    """The package's requirements, and those of every extra that a notebook asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = sorted({extra for one in EXTRAS.values() for extra in one.split(",") if extra})
    more = (project["optional-dependencies"][extra] for extra in extras)
    return [*project["dependencies"], *(one for several in more for one in several)]


def resolved(python: str, held: dict[str, str]) -> dict[str, dict[str, object]]:
    """What pip takes for `asked` with these packages held: version and requirements by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "held.txt").write_text("".join(f"{n}=={v}\n" for n, v in held.items()))
        options = ["--dry-run", "--ignore-installed", "--only-binary=:all:", "--quiet"]
        where = ["--report", folder / "report.json", "--constraint", folder / "held.txt"]
        subprocess.run([python, "-m", "pip", "install", *options, *where, *asked()], check=True)
        taken = json.loads((folder / "report.json").read_text())["install"]
    return {
        canonical(one["metadata"]["name"]): {
            "version": one["metadata"]["version"],
            "requires": one["metadata"].get("requires_dist", []),
        }
        for one in taken
    }


def main(folder: str, python: str) -> None:
    """Write the record of a clone of backend-info."""

    def git(*words: str) -> str:
        command = ["git", "-C", folder, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    runtimes = {}
    for runtime, file in FREEZES.items():
        held = frozen(git("show", f"HEAD:{file}"))
        taken = resolved(python, held)
        kept = sorted(held.keys() & {*taken, *IMPORTED.split()})
        runtimes[runtime] = {
            "holds": {name: held[name] for name in kept},
            "adds": {name: one for name, one in sorted(taken.items()) if name not in held},
        }
        if runtime == "tpu":
            runtimes[runtime]["all"] = " ".join(sorted(held))
    (version,) = re.findall(r"^Python (\S+)", git("show", "HEAD:os-info.txt"), re.MULTILINE)
    commit, date = git("log", "-1", "--format=%H %as").split()
    origin = {"source": "https://github.com/googlecolab/backend-info", "commit": commit}
    record = origin | {"date": date, "python": version, "runtimes": runtimes}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
