"""How the command line prints: lines, errors, tables, JSON, progress.

Names come from untrusted files: characters that could control a terminal are printed as escapes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SplitDeconvError

if TYPE_CHECKING:
    from ..limits.sandbox import Progress

SCHEMA_VERSION = 1

Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def visible(text: object) -> str:
    """Text with its control characters, and those that reorder or hide text, escaped."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def echo(text: object, err: bool = False) -> None:
    """One line on stdout, or on stderr."""
    typer.echo(visible(text), err=err)


def print_error(error: SplitDeconvError) -> None:
    """An error on stderr, each of its parts on one line."""
    parts = {name: getattr(error, name) for name in ("where", "expected", "got", "fix")}
    shown = {name: None if part is None else visible(part) for name, part in parts.items()}
    typer.echo(f"splitdeconv: {SplitDeconvError(visible(error.problem), **shown)}", err=True)


def print_json(**content: Any) -> None:
    """One object on stdout, with the schema's version."""
    typer.echo(json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=1, allow_nan=False))


def print_table(
    header: Iterable[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ("MMAC",)
) -> None:
    """A table on stdout, or one line per value if the terminal is too narrow for it.

    Args:
        header: the titles of the columns.
        rows: as many cells each.
        right: the titles of the columns to align to the right.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    titles, *lines = ([visible(cell) for cell in row] for row in (tuple(header), *rows))
    console = Console(markup=False, highlight=False, emoji=False)
    # A terminal has a width to fit, and so has a notebook, which cuts off wider lines. A pipe has
    # none.
    if not sys.stdout.isatty():
        console.width = 106 if console.is_jupyter else 120
    elif _least_width(titles, lines) > console.width:
        for line in lines:
            values = (f"{title}: {cell}" for title, cell in zip(titles, line, strict=True))
            console.print("\n".join(values), end="\n\n")
        return
    columns = (
        Column(title, justify="right" if title in right else "left", overflow="fold")
        for title in titles
    )
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for line in lines:
        table.add_row(*line)
    console.print(table)


def _least_width(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """The width that shows every column in full, up to 20 characters of it."""
    widths = (max(map(len, column)) for column in zip(header, *rows, strict=True))
    return sum(min(width, 20) + 2 for width in widths)


@contextmanager
def progress(seconds: float = 1.0) -> Iterator[Progress | None]:
    """Show the current stage on a terminal once it takes long.

    Args:
        seconds: how long to wait.

    Yields:
        The function to call with each stage; None if stderr is not a terminal.
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
