"""The command line: the library's verbs.

Exit code 0: done; 1: refused, failed or unreadable, with the reason on stderr; 2: wrong usage. What `--json` prints
carries its schema's version, which grows whenever a key changes its meaning or goes.
"""

import os
import sys
from typing import Annotated

import typer

from .. import __version__
from ..errors import SplitDeconvError
from . import convert, plan, simulate

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Exact split deconvolution: transposed convolutions as small stride-1 convolutions.",
)


def _version(wanted: bool):
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and exit")
    ] = False,
): ...


for verb in (*convert.VERBS, *plan.VERBS, *simulate.VERBS):
    app.command(verb.__name__.strip("_"))(verb)


def main(arguments: list[str] | None = None):
    """Run the command line and exit.

    Args:
        arguments: those of the command line; the process' own if None.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # as quiet as TensorFlow lets itself be made
    try:
        app(arguments)
    except SplitDeconvError as error:
        typer.echo(f"splitdeconv: {error}", err=True)
        sys.exit(1)
