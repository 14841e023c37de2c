"""The tables that values are taken from: figures/, and which of them are there."""

import json
from functools import cached_property
from pathlib import Path

import pandas as pd

from tools import runs


class NotMadeError(Exception):
    """A table that has not been made; the message says how to make it."""


class Tables:
    """The CSVs of figures/ in a checkout.

    Args:
        root: of the checkout.
    """

    def __init__(self, root: Path = Path()) -> None:
        self.root = Path(root)

    @cached_property
    def runs(self) -> dict[str, runs.Run]:
        """Every run, by name."""
        return {run.name: run for run in runs.read_all(self.root)}

    @cached_property
    def made_by(self) -> dict[str, str]:
        """The figures that the runs promise, each with its run's name."""
        return {name: run.name for run in self.runs.values() for name in run.figures}

    @cached_property
    def manifest(self) -> dict[str, dict]:
        """The rows of figures/manifest.json, by figure."""
        path = self.root / "figures" / "manifest.json"
        rows = json.loads(path.read_text()) if path.is_file() else []
        return {row["name"]: row for row in rows}

    def file(self, name: str, kind: str = "csv") -> Path:
        """A figure's file.

        Raises:
            NotMadeError: it is not there.
        """
        path = self.root / "figures" / f"{name}.{kind}"
        if not path.is_file():
            run = self.made_by.get(name)
            how = f"`make build/executed/{run}.ipynb` makes it" if run else "no run makes it"
            raise NotMadeError(f"figure {name} is left out: {how}")
        return path

    def table(self, name: str) -> pd.DataFrame:
        """A figure's table.

        Raises:
            NotMadeError: it is not there.
        """
        return pd.read_csv(self.file(name))

    def caption(self, name: str) -> str:
        """What the manifest says of a figure.

        Raises:
            NotMadeError: it has no row there.
        """
        self.file(name)
        if name not in self.manifest:
            raise NotMadeError(f"figure {name} is left out: it has no row in manifest.json")
        return self.manifest[name]["caption"]

    def mode(self, run: str) -> str:
        """Whether a run's figures come from a quick run ("quick") or a full one ("full")."""
        figures = self.runs[run].figures if run else ()
        rows = [self.manifest.get(name, {}) for name in figures]
        return "quick" if any(row.get("quick") for row in rows) else "full"
