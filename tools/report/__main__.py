"""Build the report; exit 1 if a claim's number moved or cannot be read. See the package."""

import argparse
import sys
from pathlib import Path

from splitdeconv.errors import SplitDeconvError
from tools.report import claims, expected as kept, readme
from tools.report.document import document, pdf
from tools.report.page import page
from tools.report.table import Row, counts, recorded, rows
from tools.report.tables import Tables
from tools.report.verdict import LEFT_OUT


def main(arguments: list[str] | None = None, root: Path = Path()) -> int:
    """Do what the command line names; 0 done, 1 something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.report", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="do not miss what QUICK=1 leaves out")
    parser.add_argument("--record", action="store_true", help="expect these numbers from now on")
    parser.add_argument("--readme", action="store_true", help="write the README's copy and stop")
    options = parser.parse_args(arguments)
    tables, every, expected = Tables(root), claims.read(), kept.read()
    if options.readme:
        readme.update(Path(root) / "README.md", recorded(every, tables, expected))
        return 0
    table = rows(every, tables, expected)
    if options.record:
        expected = kept.recording(table, tables, expected)
        kept.write(expected)
        table = rows(every, tables, expected)
    try:
        build(table, tables, expected)
    except (ValueError, SplitDeconvError) as error:
        print(f"FAILED report: {error}", file=sys.stderr)
        return 1
    wrong = problems(table, tables, quick=options.quick)
    for problem in wrong:
        print(f"FAILED claim {problem}", file=sys.stderr)
    found = ", ".join(f"{count} {name}" for name, count in counts(table).items())
    print(f"build/report.html, build/report.pdf: {len(table)} claims, {found}")
    return bool(wrong)


def build(table: list[Row], tables: Tables, expected: kept.Expected) -> None:
    """Write build/report.html and build/report.pdf.

    Raises:
        ValueError: the article names a number that no claim has.
    """
    folder = tables.root / "build"
    folder.mkdir(exist_ok=True)
    content = document(table, tables, expected)
    (folder / "report.html").write_text(page(content, tables), encoding="utf-8")
    (folder / "report.pdf").write_bytes(pdf(content, tables, folder / "report"))


def problems(table: list[Row], tables: Tables, *, quick: bool) -> list[str]:
    """What is wrong with the table: numbers that moved, and what should be there and is not."""
    wrong = [
        f"{row.claim.id}: {problem}, beyond its tolerance; if that is right: "
        "python -m tools.report --record"
        for row in table
        for problem in row.problems
    ]
    for row in table:
        if row.verdict == LEFT_OUT and (tables.runs[row.claim.run].quick or not quick):
            wrong.append(f"{row.claim.id}: {row.why}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
