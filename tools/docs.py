"""What the documents say: the table of notebooks, and the figures that are named."""

import re
from pathlib import Path


def documents(root=Path()) -> list[Path]:
    """What readers read: the Markdown at the top, and the README of every folder."""
    patterns = ("*.md", "[!.]*/README.md", "data/*/README.md")
    return sorted(path for pattern in patterns for path in Path(root).glob(pattern))


def notebook_table(root=Path()) -> dict[str, dict[str, str]]:
    """The rows of notebooks/README.md's table, by notebook: dictionaries by column heading.

    Raises:
        ValueError: there is no table with the columns notebook, inputs, figures, minutes.
    """
    path = Path(root) / "notebooks" / "README.md"
    lines = [
        line.strip().strip("|").split("|")
        for line in path.read_text().splitlines()
        if line.lstrip().startswith("|")
    ]
    rows = [
        [cell.strip() for cell in line]
        for line in lines
        if not re.fullmatch(r"[\s:|-]*", "|".join(line))
    ]
    header = [heading.lower() for heading in rows[0]] if rows else []
    if not {"notebook", "inputs", "figures", "minutes"} <= set(header):
        raise ValueError(
            f"{path}: a table with the columns notebook, inputs, figures, minutes is expected"
        )
    table = [dict(zip(header, row, strict=True)) for row in rows[1:]]
    return {re.search(r"[\w-]+", row["notebook"])[0]: row for row in table}


def figure_names(row) -> list[str]:
    """The figures that a row of the table names; {network} stands for a run's parameter."""
    return re.findall(r"`([^`]+)`", row["figures"])


def linked_figures(root=Path()) -> dict[str, str]:
    """Figures that the documents show or link to, each with the document that does."""
    shown_in = {}
    for path in documents(root):
        targets = re.findall(
            r"""(?:\]\(|src=["'])(?:\.\./)*figures/([\w-]+)\.\w+""", path.read_text()
        )
        shown_in |= dict.fromkeys(targets, path.relative_to(root).as_posix())
    return shown_in
