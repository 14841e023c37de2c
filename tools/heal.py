"""Before `make reproduce`: have figures made again that are not what their run made.

``python -m tools.heal [--quick]``: a figure that another run made, that was changed or replaced, or
whose row of the manifest is incomplete. The executed notebook behind it is removed, which has make
execute it again, and what was found is printed. ``--quick`` looks only at the runs of QUICK=1.
"""

import argparse
import json
import sys
from pathlib import Path

from tools import check_figures

# Said in these words of a run's own figures: make itself knows which results are quick ones.
QUICK = "it comes from a quick run"


def main(arguments=None) -> int:
    """Print what is made again, and why; always 0, because it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args(arguments).quick
    try:
        damaged = discard_damaged_manifest()
        for name, reasons in foreign(quick=quick).items():
            executed(name).unlink()
            print(f"{name} is executed again: {'; '.join(damaged or reasons)}")
    except ValueError as error:  # of a params file; the run itself, or the check, reports it
        print(f"no figure was looked at: {error}", file=sys.stderr)
    return 0


def executed(name, root=Path()) -> Path:
    """The executed notebook of a run."""
    return Path(root) / "build" / "executed" / f"{name}.ipynb"


def foreign(root=Path(), *, quick=False) -> dict[str, list[str]]:
    """Runs that make holds for done although a figure is not theirs, each with the reasons."""
    found = {}
    for name, run in check_figures.promised(root, quick=quick).items():
        done = executed(run.name, root)
        if not done.is_file():
            continue
        known = done.with_suffix(".quick").exists()
        for problem in check_figures.problems(name, run, root, quick=quick):
            if not (problem == QUICK and known):
                found.setdefault(run.name, []).append(f"figure {name}: {problem}")
    return found


def discard_damaged_manifest(root=Path()) -> list[str]:
    """Remove a manifest that is no list of rows; what was wrong, if anything."""
    manifest = Path(root) / "figures" / "manifest.json"
    if not manifest.is_file():
        return []
    try:
        rows = json.loads(manifest.read_bytes())
        whole = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
        if whole and all("name" in row for row in rows):
            return []
    except ValueError:
        pass
    manifest.unlink()
    return ["figures/manifest.json was damaged"]


if __name__ == "__main__":
    sys.exit(main())
