"""How the command line prints: lines, errors, tables, JSON, progress.

Names come from untrusted files: characters that could control a terminal are printed as escapes.
"""

import json
import sys
from contextlib import contextmanager
from threading import Timer
from typing import Annotated

import typer

from ..errors import SplitDeconvError

SCHEMA_VERSION = 1

Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def visible(text) -> str:
    """Text with its control characters, and those that reorder or hide text, escaped."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def echo(text, err=False):
    """One line on stdout, or on stderr."""
    typer.echo(visible(text), err=err)


def print_error(error):
    """An error on stderr, each of its parts on one line."""
    parts = {name: getattr(error, name) for name in ("where", "expected", "got", "fix")}
    shown = {name: None if part is None else visible(part) for name, part in parts.items()}
    typer.echo(f"splitdeconv: {SplitDeconvError(visible(error.problem), **shown)}", err=True)


def print_json(**content):
    """One object on stdout, with the schema's version."""
    typer.echo(json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=1, allow_nan=False))


def print_table(header, rows, right=("MMAC",)):
    """A table on stdout, with the columns in `right` aligned to the right; row by row if the
    terminal is too narrow.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    header, *rows = ([visible(cell) for cell in row] for row in (header, *rows))
    console = Console(markup=False, highlight=False, emoji=False)
    # A terminal has a width to fit, and so has a notebook, which cuts off wider lines. A pipe has
    # none.
    if not sys.stdout.isatty():
        console.width = 106 if console.is_jupyter else 120
    elif _least_width(header, rows) > console.width:
        for row in rows:
            console.print(
                "\n".join(f"{title}: {cell}" for title, cell in zip(header, row, strict=True)),
                end="\n\n",
            )
        return
    columns = (
        Column(title, justify="right" if title in right else "left", overflow="fold")
        for title in header
    )
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _least_width(header, rows):
    """The width at which a table breaks no word: short columns in full, wrapped ones at their
    longest word.
    """
    widths = (max(map(len, column)) for column in zip(header, *rows, strict=True))
    return sum(min(width, 20) + 2 for width in widths)


@contextmanager
def progress(seconds=1.0):
    """Show the current stage on a terminal once it takes long; yields the function to call with
    each stage, or None.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.text import Text

    status = Console(stderr=True).status("starting")
    timer = Timer(seconds, status.start)
    timer.start()
    try:
        yield lambda stage: status.update(Text(visible(stage)))
    finally:
        timer.cancel()
        timer.join()
        status.stop()
