"""Notebooks and their runs: what a notebook declares, and what a params file asks of it."""

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

KEYS = {
    "notebook": str,
    "minutes": (int, float),
    "quick_minutes": (int, float),
    "exclusive": bool,
    "quick": bool,
    "inputs": list,
    "figures": list,
    "parameters": dict,
}
# What the Makefile reads of a params file too, with means of its own.
MAKE_READS = ("notebook", "quick", "exclusive", "inputs", "figures")


@dataclass(frozen=True)
class Run:
    """One params file: a notebook, executed with these parameters.

    Attributes:
        path: the params file; its stem is the run's name.
        notebook: the notebook's file.
        minutes: the time it may take, on 2 cores.
        quick_minutes: the time a quick run may take; by default the same.
        exclusive: whether it times something, and so must have the machine to itself.
        quick: whether it is part of `make reproduce QUICK=1`.
        inputs: files it reads besides the package and its data.
        figures: names of the figures it makes.
        parameters: the notebook's own, overridden by the params file's.
    """

    path: Path
    notebook: Path
    minutes: float
    quick_minutes: float
    exclusive: bool
    quick: bool
    inputs: tuple[Path, ...]
    figures: tuple[str, ...]
    parameters: dict

    @property
    def name(self):
        """What the run, its executed notebook and its messages are called."""
        return self.path.stem

    @property
    def official(self):
        """Whether `make reproduce` runs it and `figures/` may hold its figures."""
        return _official(self.name, [self.notebook.stem])


def read(path) -> Run:
    """Read a params file.

    Raises:
        ValueError: it is not one; the message names the file and what is wrong.
    """
    path = Path(path)
    root = path.resolve().parent.parent
    keys = _keys(path)
    notebook = root / "notebooks" / f"{keys['notebook']}.ipynb"
    _refuse_unless(notebook.is_file(), path, f"there is no notebooks/{notebook.name}")
    declared = parameters(notebook)
    given = keys.get("parameters", {})
    unknown = ", ".join(sorted(given.keys() - declared.keys()))
    _refuse_unless(not unknown, path, f"notebooks/{notebook.name} declares no parameter {unknown}")
    _refuse_unless("quick" not in given, path, "quick is set by make, not here")
    inputs = []
    for pattern in keys.get("inputs", ()):
        _refuse_unless(
            not Path(pattern).is_absolute(), path, f"inputs: {pattern} is not within the repository"
        )
        paths = sorted(root.glob(pattern))
        _refuse_unless(paths, path, f"inputs: nothing is called {pattern}")
        inputs += paths
    run = Run(
        path=path,
        notebook=notebook,
        minutes=keys["minutes"],
        quick_minutes=keys.get("quick_minutes", keys["minutes"]),
        exclusive=keys.get("exclusive", False),
        quick=keys.get("quick", False),
        inputs=tuple(inputs),
        figures=tuple(keys.get("figures", ())),
        parameters=declared | given,
    )
    try:
        json.dumps(run.parameters)
    except TypeError as error:
        raise ValueError(f"{path}: parameters must be plain values: {error}") from None
    return run


def read_all(root=Path()) -> list[Run]:
    """The runs of `make reproduce`, by name: those that are called after their notebooks.

    Files with other names are a user's own, and need not even be valid.
    """
    notebooks = [path.stem for path in Path(root).glob("notebooks/*.ipynb")]
    paths = sorted(Path(root).glob("params/*.yaml"))
    return [read(path) for path in paths if _official(path.stem, notebooks)]


def parameters(notebook) -> dict:
    """The values that a notebook's `parameters` cell assigns.

    Raises:
        ValueError: there is not exactly one such cell, or it holds more than assignments of plain
            values.
    """
    try:
        every = nbformat.read(notebook, as_version=4).cells
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        raise ValueError(f"{notebook}: not a notebook: {error}") from None
    cells = [cell for cell in every if "parameters" in cell.metadata.get("tags", ())]
    _refuse_unless(
        len(cells) == 1,
        notebook,
        f"one cell tagged `parameters` is expected, there are {len(cells)}",
    )
    try:
        statements = ast.parse(cells[0].source).body
    except SyntaxError as error:
        raise ValueError(f"{notebook}: its parameters cell is not Python: {error}") from None
    values = {}
    for statement in statements:
        target = getattr(statement, "target", None)
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
        try:
            values[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError):
            line = ast.unparse(statement)
            raise ValueError(
                f"{notebook}: its parameters cell may only assign plain values, not `{line}`"
            ) from None
    return values


def _official(name, notebooks):
    """Whether a run is called after one of the notebooks: its name, alone or with more behind it.

    The Makefile selects its runs by the same rule.
    """
    return any(name == stem or name.startswith(f"{stem}_") for stem in notebooks)


def _keys(path):
    """What a params file says, each key of its type."""
    try:
        text = path.read_text()
        keys = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: not YAML: {error}") from None
    _refuse_unless(
        isinstance(keys, dict), path, f"a mapping with the keys {', '.join(KEYS)} is expected"
    )
    unknown = ", ".join(sorted(str(key) for key in keys.keys() - KEYS.keys()))
    _refuse_unless(not unknown, path, f"unknown keys: {unknown}")
    _refuse_unless({"notebook", "minutes"} <= keys.keys(), path, "notebook and minutes are needed")
    for key, value in keys.items():
        _refuse_unless(isinstance(value, KEYS[key]), path, f"{key} is {value!r}")
    for key in keys.keys() & {"minutes", "quick_minutes"}:
        _refuse_unless(keys[key] is not True and keys[key] > 0, path, f"{key} is {keys[key]!r}")
    for key in MAKE_READS:
        words, by_make = _words(keys.get(key, [])), _words_by_make(text, key)
        problem = f"for make reads {by_make} there, not {words}"
        problem = f"{key} must stand on one line in plain words, {problem}"
        _refuse_unless(by_make == words, path, problem)
    return keys


def _words(value):
    if isinstance(value, list):
        return value
    return [str(value).lower() if isinstance(value, bool) else value]


def _words_by_make(text, key):
    """What the Makefile's `key` finds in a params file."""
    lines = re.findall(rf"^{key}: *(.*)$", re.sub(r"[ \t]#.*", "", text), re.MULTILINE)
    return re.sub(r'[][,"]', " ", " ".join(lines)).split()


def _refuse_unless(condition, path, problem):
    if not condition:
        raise ValueError(f"{path}: {problem}")
