"""After `make reproduce`: every figure of the documents is there and says where it came from.

The executed notebooks behind them are whole, too.

``python -m tools.check_figures [--quick]``: with ``--quick`` only the figures of the runs that
QUICK=1 selects.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from splitdeconv.provenance import sha256
from tools import docs, runs

# Pictures are averaged over 96 x 48 fields, about 20 pixels each way, and each field may differ by
# so many grey levels: what a library that sets its text one pixel aside, both ways, can do to a
# field, 255 / 20 twice.
GRID, LEVELS = (96, 48), 26
ORIGIN = ("notebook", "parameters", "inputs", "versions", "device", "seed")


def main(arguments=None) -> int:
    """Print what is wrong; 0 nothing, 1 something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args(arguments).quick
    try:
        wrong = [*undocumented(), *incomplete(quick=quick), *outdated(quick=quick), *damaged()]
        count = len(promised(quick=quick))
    except ValueError as error:
        wrong = [str(error)]
    for problem in wrong:
        print(f"FAILED {problem}", file=sys.stderr)
    if not wrong:
        print(
            f"{count} figures in figures/, each as PDF, PNG and CSV, "
            "with its origin in figures/manifest.json"
        )
    return bool(wrong)


def promised(root=Path(), *, quick=False) -> dict[str, runs.Run]:
    """The figures that the params files promise, each with the run that makes it.

    Raises:
        ValueError: there are none, or two runs make one of the same name.
    """
    made_by = {}
    for run in runs.read_all(root):
        for name in run.figures if run.quick or not quick else ():
            if name in made_by:
                raise ValueError(
                    f"figure {name} is made by two runs, {made_by[name].name} and {run.name}"
                )
            made_by[name] = run
    if not made_by:
        raise ValueError("no params file promises a figure")
    return made_by


def undocumented(root=Path()) -> list[str]:
    """Where the documents and the params files disagree about which figures there are."""
    made, named, wrong = promised(root), set(), []
    for notebook, row in docs.notebook_table(root).items():
        parameters = [
            run.parameters for run in runs.read_all(root) if run.notebook.stem == notebook
        ]
        for template in docs.figure_names(row):
            names = {template.format_map(values) for values in parameters}
            named |= names
            if not names & made.keys():
                problem = f"named in notebooks/README.md, but no run of {notebook} makes it"
                wrong.append(f"figure {template}: {problem}")
    wrong += [
        f"figure {name}: shown in {document}, but no run makes it"
        for name, document in docs.linked_figures(root).items()
        if name not in made
    ]
    wrong += [
        f"figure {path.stem}: kept as docs/{path.name}, but no run makes it"
        for path in _kept(root)
        if path.stem not in made
    ]
    wrong += [
        f"figure {name}: made by {run.name}, but not named in notebooks/README.md"
        for name, run in made.items()
        if name not in named
    ]
    return wrong


def incomplete(root=Path(), *, quick=False) -> list[str]:
    """Figures that lack PDF, PNG or CSV, or whose manifest row does not tell their origin."""
    return [
        f"figure {name}: {problem}"
        for name, run in promised(root, quick=quick).items()
        for problem in problems(name, run, root, quick=quick)
    ]


def problems(name, run, root=Path(), *, quick=False) -> list[str]:
    """What is wrong with one figure of a run: its files, or its row of the manifest."""
    folder = Path(root) / "figures"
    manifest = folder / "manifest.json"
    listed = json.loads(manifest.read_text()) if manifest.is_file() else []
    row = next((row for row in listed if row["name"] == name), {})
    return list(_problems(folder, name, run, row, quick))


def outdated(root=Path(), *, quick=False) -> list[str]:
    """Figures kept in docs/ that do not look like those of the same name in figures/."""
    made = {name: Path(root) / "figures" / f"{name}.png" for name in promised(root, quick=quick)}
    return [
        f"figure {path.stem}: docs/{path.name} is not what figures/{path.name} shows; "
        "if that is right, copy it"
        for path in _kept(root)
        if path.stem in made and made[path.stem].is_file() and not _alike(path, made[path.stem])
    ]


def damaged(root=Path()) -> list[str]:
    """Executed notebooks that cannot be read: make sees only those that were cut off."""
    problems = []
    for path in sorted((Path(root) / "build" / "executed").glob("*.ipynb")):
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            name = path.relative_to(root).as_posix()
            problems.append(f"{name} is damaged ({error}); remove it and run make again")
    return problems


def _kept(root):
    return sorted((Path(root) / "docs").glob("*.png"))


def _alike(*pictures):
    try:
        small = [
            Image.open(path).convert("RGB").resize(GRID, Image.Resampling.BOX) for path in pictures
        ]
    except OSError:
        return False  # not a whole picture
    one, other = (np.asarray(picture, dtype=int) for picture in small)
    return np.abs(one - other).max() <= LEVELS


def _problems(folder, name, run, row, quick):
    for path in (folder / f"{name}.{kind}" for kind in ("pdf", "png", "csv")):
        if not path.is_file():
            yield f"{path.name} is missing"
        elif row and row.get("files", {}).get(path.name) != sha256(path):
            yield f"{path.name} is not the file that its manifest row describes"
    if not row:
        yield "it has no row in manifest.json"
        return
    for key in ORIGIN:
        if row.get(key) in (None, "", {}):
            yield f"its manifest row lacks {key}"
    if row.get("run") != run.name:
        yield f"it was made by {row.get('run')}, not by {run.name}"
    if row.get("quick") and not quick:
        yield "it comes from a quick run"


if __name__ == "__main__":
    sys.exit(main())
