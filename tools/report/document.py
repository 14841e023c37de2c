"""The report as one structure, for both the page and the PDF; and the PDF, by typst."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from splitdeconv.extras import require
from tools import colab
from tools.report import expected as kept
from tools.report.article import sections
from tools.report.table import HEADINGS, Row, counts, shown, tolerance_of
from tools.report.tables import Tables

TITLE = "Which claims of the split deconvolution paper hold"
TEMPLATE = Path(__file__).with_name("report.typ")
FINDINGS = (
    "In short: the method is exact, on every layer and image tried. The published speedups hold "
    "for most networks, and fall short where kernels are small. The published energy depends on a "
    "baseline that the abstract does not name."
)
VERDICT_RULES = (
    "Reproduced: every number, or both ends of a range, within the tolerance. Partly: some of "
    "them, or a network inside the range. Where the source is memory, the comparison is with a "
    "remembered number: the full text of the paper was not available."
)
UNITS = (
    "Operations: multiply-accumulates of transposed convolutions / the network. Speedups and "
    "energies: transposed convolutions of six networks, over zero insertion."
)
APPENDIX = (
    "Everything runs from a bare clone with `make`, Python 3.11 to 3.13 on Linux x86-64 and a "
    "package registry; two cores are enough. `make reproduce` executes all notebooks and builds "
    "this report; `make reproduce QUICK=1` takes smaller samples. Commands that begin with "
    "`splitdeconv` are in `.venv/bin/` after `make setup`.",
    "The expected values were recorded in an earlier reproduction. If a number moves from "
    "its value by more than the tolerance below, `make reproduce` fails and names it. The "
    "tolerances in the first table compare with the published numbers instead.",
)


def document(rows: list[Row], tables: Tables, expected: kept.Expected) -> dict[str, Any]:
    """Everything that the report shows, as plain data.

    Args:
        rows: the table of claims.
        tables: of the figures.
        expected: the recorded numbers.
    """
    address = colab.address(tables.root)
    found = counts(rows)
    summary = ", ".join(f"{count} {name}" for name, count in found.items())
    return {
        "title": TITLE,
        "summary": f"{len(rows)} claims, of Xu et al. (arXiv 1907.01773), their repository and a "
        f"peer: {summary}. {FINDINGS}",
        "units": f"{VERDICT_RULES} {UNITS} {_origin(tables)}",
        "headings": [name.capitalize() for name in HEADINGS],
        "rows": [_row(row, address) for row in rows],
        "sections": [vars(section) for section in sections(rows, tables)],
        "appendix": {
            "text": list(APPENDIX),
            "headings": ["Claim", "Command", "Expected", "Tolerance", "Hardware"],
            "rows": [_appendix(row, tables, expected) for row in rows],
        },
    }


def pdf(content: dict[str, Any], tables: Tables, folder: Path) -> bytes:
    """The report as PDF. The same content gives the same bytes.

    Args:
        content: of `document`.
        tables: of the figures.
        folder: where the sources are put together; what was there is removed.
    """
    typst = require("typst", "docs")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "data.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    shutil.copy(TEMPLATE, folder)
    for section in content["sections"]:
        if section["figure"]:
            shutil.copy(tables.file(section["figure"], "pdf"), folder)
    compiler = typst.Compiler(folder / TEMPLATE.name, root=folder, ignore_system_fonts=True)
    return compiler.compile(format="pdf", timestamp=0)


def _row(row: Row, address: str) -> dict[str, str]:
    return {
        "claim": row.claim.claim,
        "source": row.claim.source,
        "published": row.published,
        "ours": row.ours,
        "verdict": row.verdict,
        "why": row.why,
        "notebook": row.notebook,
        "command": row.claim.command,
        "address": f"{address}/blob/main/notebooks/{row.notebook}.ipynb" if row.notebook else "",
        "minutes": row.minutes,
        "tolerance": row.tolerance,
    }


def _appendix(row: Row, tables: Tables, expected: kept.Expected) -> dict[str, str]:
    mode = tables.mode(row.claim.run)
    values = kept.reading(kept.of(expected, row.claim.id, mode)).values
    command = row.claim.command
    if row.claim.run and not command:
        command = f"make build/executed/{row.claim.run}.ipynb"
    return {
        "claim": row.claim.claim,
        "command": command,
        "expected": shown(row.claim, values),
        "tolerance": tolerance_of(row.claim.drift) if values else "–",
        "hardware": row.claim.hardware,
    }


def _origin(tables: Tables) -> str:
    """On which devices the figures were made, and how many come from quick runs."""
    rows = tables.manifest.values()
    devices = Counter(row["device"] for row in rows)
    quick = sum(bool(row.get("quick")) for row in rows)
    if not devices:
        return "No figures have been made yet."
    made = f"Figures: {'; '.join(sorted(devices))}"
    if not quick:
        return f"{made}; all from full runs."
    return f"{made}; {quick} of all {len(rows)} of them from quick runs, with smaller samples."
