"""All verbs of the command line as one application."""

import re
from typing import Annotated, Any

import typer

from .. import __version__
from ..errors import suggestion
from . import convert, export, inspect, plan, processor, simulate, sweep, tune
from .flags import Verb, Verbs
from .show import echo

_CHOICES = re.compile(r"(?P<given>'.*?') is not one of (?P<known>'.*')\.")
_LIMITS = (
    (re.compile("Input should be less than or equal to"), "expected at most"),
    (re.compile("Input should be greater than or equal to"), "expected at least"),
)

app = typer.Typer(
    cls=Verbs,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Exact split deconvolution: transposed convolutions as small stride-1 convolutions.",
)


class _Verb(Verb):
    """A verb whose usage errors are in plain words, whichever validator Typer uses."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, as the base class does."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = plain(error.message)
            raise


def plain(message: str) -> str:
    """What a validator says, without its jargon, and the names that were probably meant."""
    message = message.removeprefix("Value error, ")
    for words, ours in _LIMITS:
        message = words.sub(ours, message)
    if choices := _CHOICES.fullmatch(message):
        known = re.findall("'([^']*)'", choices["known"])
        likely = suggestion(choices["given"].strip("'"), known)
        message += f" {likely[0].upper()}{likely[1:]}" if likely else ""
    return message


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


_MODULES = (inspect, convert, tune, export, plan, processor, simulate, sweep)
for verb in (verb for module in _MODULES for verb in module.VERBS):
    app.command(verb.__name__.strip("_"), cls=_Verb)(verb)
