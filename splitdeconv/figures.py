"""Figures on disk: PDF and PNG, the numbers behind them as CSV, and a row in a manifest.

The same figure and data give the same bytes: nothing written carries a date. The manifest,
`manifest.json` beside the figures, is a list of rows sorted by name, so that `pandas.read_json`
reads it.

In a checkout of the repository `figures/` belongs to `make reproduce`, and each figure in it to the
run whose params file lists it. Whatever else a notebook saves, in JupyterLab, by papermill or by a
params file of one's own, goes to `my_figures/`.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from .atomic import replacing
from .errors import SplitDeconvError
from .extras import require
from .layout import draw_title, laid_out
from .provenance import device, sha256, versions

#: One colour per method, the same in every figure. Okabe and Ito's palette, distinguishable to
#: colour-blind readers ("Color Universal Design", jfly.uni-koeln.de/color), and a grey for the
#: framework's own operator.
COLOURS = {
    "native": "#595959",
    "nzp": "#D55E00",
    "split": "#0072B2",
    "rows": "#009E73",
    "stacked": "#CC79A7",
    "paper": "#E69F00",
    "auto": "#56B4E9",
}

#: Parts of a total (memories, multiplication, leakage), in colours that no method has: Paul Tol's
#: muted scheme (personal.sron.nl/~pault).
PART_COLOURS = ("#332288", "#88CCEE", "#44AA99", "#DDCC77", "#CC6677")

#: Where a reader's own runs write in a checkout.
OWN_FOLDER = "my_figures"

# What `describe_run` was given.
_described: dict[str, Any] = {}
_METADATA = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


def style() -> None:
    """Set the look of every figure: seaborn ticks, the colours above, two spines, print sizes.

    Tables of pandas show every column, and texts in full.

    Raises:
        SplitDeconvError: matplotlib or seaborn is not installed.
    """
    require("matplotlib", "notebooks")
    pd.set_option("display.max_columns", None, "display.max_colwidth", None)
    require("seaborn", "notebooks").set_theme(
        context="notebook",
        style="ticks",
        palette=list(COLOURS.values()),
        rc={
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.dpi": 110,
            "font.size": 11,
            "axes.labelsize": 11,
            "axes.titlesize": 12,
            "legend.fontsize": 10,
            "legend.frameon": False,
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
        },
    )


def describe_run(
    *,
    notebook: str,
    parameters: Mapping[str, Any],
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """State where the figures of this process come from, for the rows of their manifest.

    What `make` states of its own runs takes precedence.

    Args:
        notebook: name of the notebook, without extension.
        parameters: its parameters; `quick` and `seed` also appear in the rows by themselves.
        inputs: files that all of its figures are computed from.
    """
    _described.clear()
    _described.update(notebook=notebook, parameters=dict(parameters), inputs=list(inputs))


def save_figure(
    fig: Any,
    name: str,
    data: Any,
    *,
    title: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
    caption: str = "",
    directory: str | os.PathLike[str] | None = None,
    seed: int | None = None,
) -> None:
    """Write `name`.png, `name`.pdf and `name`.csv, and the figure's row of `manifest.json`.

    Each file is replaced in one step; several processes may write to one folder at the same time.

    Args:
        fig: a matplotlib figure, or an axes or seaborn grid of one.
        name: lower-case letters, digits, "_" and "-", such as "03_benchmark_dcgan_times".
        data: what the figure shows: a DataFrame, or what `pandas.DataFrame` accepts. A named index
            is written too.
        title: the result that the figure shows, in a sentence, drawn above it.
        inputs: paths of the files the numbers came from. The notebook run's own inputs need not be
            listed.
        caption: what a reader sees, in a sentence.
        directory: where to write. By default, a run of `make` writes the figures that its params
            file lists to `figures/` and others to a folder of the run's name in `OWN_FOLDER`. Any
            other process writes to the folder that the environment variable SPLITDECONV_FIGURES
            names; without it, in a checkout of the repository, to `OWN_FOLDER` at its top, and
            elsewhere to "figures".
        seed: of the random numbers in it; by default the notebook run's `seed` parameter.

    Raises:
        SplitDeconvError: the name is invalid, the data are empty, or an input or matplotlib is
            missing.
    """
    matplotlib = require("matplotlib", "notebooks")
    name, table = _name(name), _table(data, name)
    title, caption = (re.sub(r"(?<=\d)%", " %", text) for text in (title, caption))
    run = _run()
    folder = Path(directory or _folder(name, run))
    parameters = run.get("parameters", {})
    row = {
        "name": name,
        "title": title,
        "caption": caption,
        "notebook": run.get("notebook"),
        "run": run.get("run"),
        "parameters": parameters,
        "quick": bool(parameters.get("quick", False)),
        "seed": parameters.get("seed") if seed is None else seed,
        "inputs": _inputs([*run.get("inputs", ()), *inputs], folder.resolve()),
        "versions": versions(),
        "device": device(),
        "files": {},
    }
    folder.mkdir(parents=True, exist_ok=True)
    # Type 42 embeds TrueType outlines, which printers and text search need, instead of matplotlib's
    # Type 3.
    with matplotlib.rc_context({"pdf.fonttype": 42}), laid_out(fig.figure):
        if title:
            draw_title(fig.figure, title)
        for kind, entries in _METADATA.items():
            with replacing(folder / f"{name}.{kind}") as part:
                # Axes and seaborn grids know their figure; a figure's `figure` is itself.
                options = {"dpi": 200, "bbox_inches": "tight", "metadata": entries}
                fig.figure.savefig(part, format=kind, **options)
    with replacing(folder / f"{name}.csv") as part:
        named = any(level is not None for level in table.index.names)
        table.to_csv(part, index=named, lineterminator="\n")
    names = [f"{name}.{kind}" for kind in ("csv", "pdf", "png")]
    row["files"] = {file: sha256(folder / file) for file in names}
    _update_manifest(folder, row)


def place(name: str) -> Path:
    """The folder that `save_figure` writes a figure of this name to, for what belongs beside it.

    Args:
        name: of the figure.

    Raises:
        SplitDeconvError: the name is invalid.
    """
    return Path(_folder(_name(name), _run()))


def _run() -> dict[str, Any]:
    """What is known of the run that this process is part of: what `make` says, or the notebook."""
    files = _described.get("inputs", [])
    made = json.loads(os.environ.get("SPLITDECONV_RUN", "{}"))
    if made:
        return made | {"inputs": [*made.get("inputs", ()), *files]}
    opened = Path(os.environ.get("JPY_SESSION_NAME", ""))  # JupyterLab names the file that is open
    run = _described | ({"notebook": opened.stem} if opened.stem else {})
    root = _checkout(Path.cwd())
    if run.get("notebook") and root is not None:
        file = root / "notebooks" / f"{run['notebook']}.ipynb"
        file = opened if opened.suffix == ".ipynb" and opened.is_file() else file
        run["inputs"] = [*([file] if file.is_file() else []), *files]
    return run


def _folder(name: str, run: Mapping[str, Any]) -> str | os.PathLike[str]:
    """Where a figure of a run belongs."""
    if name not in run.get("figures", [name]):
        return str(run["others"])
    named = os.environ.get("SPLITDECONV_FIGURES")
    root = None if "SPLITDECONV_RUN" in os.environ else _checkout(Path.cwd())
    return named or ("figures" if root is None else root / OWN_FOLDER)


def _checkout(folder: Path) -> Path | None:
    """The checkout of the repository that a folder is in, if it is in one.

    Recognised by its files, not by this package's location: the package may be installed elsewhere.
    """
    return next((root for root in (folder, *folder.parents) if _is_checkout(root)), None)


def _is_checkout(folder: Path) -> bool:
    return (folder / "params").is_dir() and (folder / "splitdeconv" / "figures.py").is_file()


def _name(name: Any) -> str:
    if isinstance(name, str) and re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        return name
    raise SplitDeconvError(
        "invalid figure name",
        where="name",
        expected='lower-case letters, digits, "_" and "-"',
        got=repr(name),
        fix="give the name alone, without folder and extension",
    )


def _table(data: Any, name: str) -> pd.DataFrame:
    table = pd.DataFrame(data)
    if table.empty:
        raise SplitDeconvError(
            "a figure needs the numbers behind it",
            where=f"data of figure {name!r}",
            expected="at least one row and one column of data",
            got=f"{table.shape[0]} rows, {table.shape[1]} columns",
            fix="pass the table that was plotted",
        )
    return table


def _inputs(paths: Iterable[str | os.PathLike[str]], folder: Path) -> dict[str, str]:
    """SHA-256 of each input.

    Each is under its path relative to the checkout that the figures' folder is in (to what holds
    that folder where it is in none) or, outside of it, under its bare name.
    """
    hashes, root = {}, _checkout(folder) or folder.parent
    for path in map(Path, paths):
        if not path.is_file():
            raise SplitDeconvError(
                "an input of the figure does not exist",
                where="inputs",
                expected="paths of files",
                got=str(path),
                fix="run `make data`, or correct the path",
            )
        full = path.resolve()
        inside = full.is_relative_to(root)
        hashes[full.relative_to(root).as_posix() if inside else full.name] = sha256(full)
    return dict(sorted(hashes.items()))


def _update_manifest(folder: Path, row: dict[str, Any]) -> None:
    """Replace the row of that name, alone among all processes that write to this folder."""
    manifest = folder / "manifest.json"
    with open(folder / ".manifest.lock", "w") as lock:
        # Released when the file is closed, also by a process that dies.
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = json.loads(manifest.read_text()) if manifest.exists() else []
        rows = [*(other for other in rows if other["name"] != row["name"]), row]
        with replacing(manifest) as part:
            part.write_text(json.dumps(sorted(rows, key=lambda r: r["name"]), indent=2) + "\n")
