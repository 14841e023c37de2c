"""All verbs of the command line as one application."""

from typing import Annotated

import typer

from .. import __version__
from . import convert, plan, simulate
from .flags import Verb, Verbs
from .show import echo

app = typer.Typer(
    cls=Verbs,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Exact split deconvolution: transposed convolutions as small stride-1 convolutions.",
)


def _version(requested: bool) -> None:
    if requested:
        echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="print the version and exit"
        ),
    ] = False,
) -> None: ...


for verb in (*convert.VERBS, *plan.VERBS, *simulate.VERBS):
    app.command(verb.__name__.strip("_"), cls=Verb)(verb)
