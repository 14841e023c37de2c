"""Notebooks and their runs: what a notebook declares, and what a params file asks of it."""

import ast
import json
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

KEYS = {
    "notebook": str,
    "minutes": (int, float),
    "exclusive": bool,
    "quick": bool,
    "inputs": list,
    "figures": list,
    "parameters": dict,
}


@dataclass(frozen=True)
class Run:
    """One params file: a notebook, executed with these parameters.

    Attributes:
        path: the params file; its stem is the run's name.
        notebook: the notebook's file.
        minutes: the time it may take, on 2 cores.
        exclusive: whether it times something, and so must have the machine to itself.
        quick: whether it is part of `make reproduce QUICK=1`.
        inputs: files it reads besides the package and its data.
        figures: names of the figures it makes.
        parameters: the notebook's own, overridden by the params file's.
    """

    path: Path
    notebook: Path
    minutes: float
    exclusive: bool
    quick: bool
    inputs: tuple[Path, ...]
    figures: tuple[str, ...]
    parameters: dict

    @property
    def name(self):
        """What the run, its executed notebook and its messages are called."""
        return self.path.stem


def read(path) -> Run:
    """Read a params file.

    Raises:
        ValueError: it is not one; the message names the file and what is wrong.
    """
    path = Path(path)
    root = path.resolve().parent.parent
    keys = yaml.safe_load(path.read_text())
    _refuse_unless(isinstance(keys, dict), path, f"a mapping with the keys {', '.join(KEYS)} is expected")
    _refuse_unless(keys.keys() <= KEYS.keys(), path, f"unknown keys: {', '.join(sorted(keys.keys() - KEYS.keys()))}")
    _refuse_unless({"notebook", "minutes"} <= keys.keys(), path, "notebook and minutes are needed")
    for key, value in keys.items():
        _refuse_unless(isinstance(value, KEYS[key]), path, f"{key} is {value!r}")
    notebook = root / "notebooks" / f"{keys['notebook']}.ipynb"
    _refuse_unless(notebook.is_file(), path, f"there is no notebooks/{notebook.name}")
    declared = parameters(notebook)
    wanted = keys.get("parameters", {})
    unknown = ", ".join(sorted(wanted.keys() - declared.keys()))
    _refuse_unless(not unknown, path, f"notebooks/{notebook.name} declares no parameter {unknown}")
    _refuse_unless("quick" not in wanted, path, "quick is set by make, not here")
    inputs = []
    for pattern in keys.get("inputs", ()):
        found = sorted(root.glob(pattern))
        _refuse_unless(found, path, f"inputs: nothing is called {pattern}")
        inputs += found
    run = Run(
        path=path,
        notebook=notebook,
        minutes=keys["minutes"],
        exclusive=keys.get("exclusive", False),
        quick=keys.get("quick", False),
        inputs=tuple(inputs),
        figures=tuple(keys.get("figures", ())),
        parameters=declared | wanted,
    )
    try:
        json.dumps(run.parameters)
    except TypeError as error:
        raise ValueError(f"{path}: parameters must be plain values: {error}") from None
    return run


def read_all(root=Path()) -> list[Run]:
    """Every run there is, by name."""
    return [read(path) for path in sorted(Path(root).glob("params/*.yaml"))]


def parameters(notebook) -> dict:
    """The values that a notebook's `parameters` cell assigns.

    Raises:
        ValueError: there is not exactly one such cell, or it holds more than assignments of plain values.
    """
    cells = [
        cell for cell in nbformat.read(notebook, as_version=4).cells if "parameters" in cell.metadata.get("tags", ())
    ]
    _refuse_unless(len(cells) == 1, notebook, f"one cell tagged `parameters` is expected, there are {len(cells)}")
    values = {}
    for statement in ast.parse(cells[0].source).body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        try:
            values[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError):
            line = ast.unparse(statement)
            raise ValueError(f"{notebook}: its parameters cell may only assign plain values, not `{line}`") from None
    return values


def _refuse_unless(condition, path, problem):
    if not condition:
        raise ValueError(f"{path}: {problem}")
