"""Images of the site's pages: what is seen in words, and the slider between two renderings."""

import json
import re
from pathlib import Path

import nbformat

from splitdeconv.study.charts.slider import CLASS
from tools import runs

_MARK = f'class="{CLASS}"'


def manifest(root) -> list[dict]:
    """The rows of a checkout's figures; none before there are figures."""
    path = Path(root) / "figures" / "manifest.json"
    return json.loads(path.read_text()) if path.is_file() else []


def in_words(row) -> str:
    """What a figure shows: its title, which states the result, and its caption."""
    title = row.get("title", "").rstrip(".")
    return " ".join(filter(None, (f"{title}." if title else "", row["caption"]))) or row["name"]


def describe(shown, rows):
    """Give each picture of a notebook its alternative text.

    That of a figure that the cell saves is what the manifest says of it, that of a drawing is its
    own title, and that of any other picture is the heading it stands below.

    Args:
        shown: the executed notebook.
        rows: of the manifest, of its run.
    """
    heading = ""
    for cell in shown.cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
            heading = line.lstrip("# ") if line.startswith("#") else heading
        data = {}
        for output in cell.get("outputs", ()):
            data |= output.get("data", {})
        if not any(kind.startswith("image/") for kind in data):
            continue
        words = [in_words(row) for row in rows if _saves(cell.source, row["name"])]
        words += re.findall("<title>(.+?)</title>", data.get("image/svg+xml", ""))
        alt = " ".join(words) or f"A figure of the section {heading}."
        cell.metadata["mystnb"] = {"image": {"alt": alt}}


def _saves(source, name) -> bool:
    """Whether a cell names a figure, perhaps by an f-string such as f"03_{network}_layers"."""
    patterns = [
        "[a-z0-9_-]+".join(map(re.escape, re.split(r"\{\w+\}", text)))
        for text in re.findall(r'"(\d[\w{}-]+|hero)"', source)
    ]
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def first_slider(root) -> str:
    """The slider of the first run that has one, quick runs first, for the first page."""
    for run in sorted(runs.read_all(root), key=lambda run: not run.quick):
        result = Path(root) / "build" / "executed" / f"{run.name}.ipynb"
        for cell in nbformat.read(result, as_version=4).cells if result.is_file() else ():
            for output in cell.get("outputs", ()):
                page = output.get("data", {}).get("text/html", "")
                if _MARK in page:
                    return f"```{{raw}} html\n{page}\n```\n"
    return ""
