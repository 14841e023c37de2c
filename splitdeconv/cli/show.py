"""How the command line prints: lines, errors, tables, JSON, progress.

Names come from files that nobody vouches for: whatever could command a terminal is printed as an
escape.
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
    """Text whose control characters, and those that reorder or hide text, are escapes."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def echo(text, err=False):
    """One line on stdout, or on stderr."""
    typer.echo(visible(text), err=err)


def print_error(error):
    """A refusal on stderr, every part of it on one line."""
    parts = {name: getattr(error, name) for name in ("where", "expected", "got", "fix")}
    shown = {name: None if part is None else visible(part) for name, part in parts.items()}
    typer.echo(f"splitdeconv: {SplitDeconvError(visible(error.problem), **shown)}", err=True)


def print_json(**content):
    """One object on stdout, with the schema's version."""
    typer.echo(json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=1, allow_nan=False))


def print_table(header, rows, right=("MMAC",)):
    """A table on stdout, columns named in `right` aligned to the right; row by row where a terminal is too narrow."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    header, *rows = ([visible(cell) for cell in row] for row in (header, *rows))
    console = Console(markup=False, highlight=False, emoji=False)
    # A pipe has no width to fit; a terminal has. So has a notebook: what is wider than its cells is
    # cut off.
    if not sys.stdout.isatty():
        console.width = 106 if console.is_jupyter else 120
    elif _least_width(header, rows) > console.width:
        for row in rows:
            console.print("\n".join(f"{title}: {cell}" for title, cell in zip(header, row, strict=True)), end="\n\n")
        return
    columns = (Column(title, justify="right" if title in right else "left", overflow="fold") for title in header)
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _least_width(header, rows):
    """What a table takes that breaks no word: short columns as they are, wrapped ones with room for their words."""
    widths = (max(map(len, column)) for column in zip(header, *rows, strict=True))
    return sum(min(width, 20) + 2 for width in widths)


@contextmanager
def progress(seconds=1.0):
    """What is being done, on a terminal, once it has taken a while; yields what to call with each stage, or None."""
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
