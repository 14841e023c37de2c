"""Commands whose `--help` shows flags as what they are: options without a value.

Typer would print the type of a value, `<bool>`, beside each of them.
"""

from typing import Any

from typer.core import TyperCommand, TyperGroup


class _Flags:
    """Gives flags, that of `--help` included, an empty name of their value."""

    def get_params(self, ctx: Any) -> Any:
        """The parameters of the command."""
        params = super().get_params(ctx)  # type: ignore[misc]  # of the class it is mixed into
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class Verb(_Flags, TyperCommand):
    """A verb."""


class Verbs(_Flags, TyperGroup):
    """The command that has the verbs."""
