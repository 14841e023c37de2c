"""The README's copy of the report's table, made of the recorded numbers of a full reproduction."""

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from tools.report.table import Row, counts

HEADING = "## Which claims of the paper hold"
_SECTION = re.compile(rf"^{HEADING}\n.*?(?=^## )", re.MULTILINE | re.DOTALL)


def section(rows: Iterable[Row]) -> str:
    """The section as Markdown, heading included."""
    rows = list(rows)
    found = ", ".join(f"{count} {name}" for name, count in counts(rows).items())
    text = (
        f"The report compares {len(rows)} claims of [the paper](https://arxiv.org/abs/1907.01773), "
        f"its repository and a peer with what comes out here: {found}. `make reproduce` computes "
        "the table again, for `build/report.html` and `build/report.pdf`, with sources, "
        "tolerances, an article and an artifact appendix; it fails if a number has moved. The "
        "paper's full text was not available: what is neither in its abstract nor in the authors' "
        "repository is quoted from memory."
    )
    lines = [
        HEADING,
        "",
        *textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False),
        "",
        "| claim | published | ours | verdict | why | notebook |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        link = f"[{row.notebook}](notebooks/{row.notebook}.ipynb)" if row.notebook else "–"
        cells = (row.claim.claim, row.published, row.ours, row.verdict, row.why, link)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", ""])


def update(path: Path, rows: Iterable[Row]) -> None:
    """Write the section into a README, in the place of the one that is there.

    Raises:
        ValueError: there is none.
    """
    text = path.read_text(encoding="utf-8")
    if not _SECTION.search(text):
        raise ValueError(f"{path} has no section {HEADING!r}")
    path.write_text(_SECTION.sub(lambda _: section(rows), text), encoding="utf-8")


def kept(path: Path) -> str:
    """The section that a README has, or nothing."""
    found = _SECTION.search(path.read_text(encoding="utf-8"))
    return found[0] if found else ""
