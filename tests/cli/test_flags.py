"""The help shows a value for options that take one, and for no flag."""

import re

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from splitdeconv import cli
from splitdeconv.core.forms import FORMS
from splitdeconv.dlp.lowering import METHODS

VERBS = list(get_command(cli.app).commands)


def lines(*arguments):
    """The lines of a help text that start with an option, by option."""
    environment = {"COLUMNS": "200", "TERM": "dumb"}
    shown = CliRunner().invoke(cli.app, [*arguments, "--help"], env=environment)
    assert shown.exit_code == 0
    found = re.findall(r"^\W*?(--[a-z-]+)(.*)$", shown.output, re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("verb", VERBS)
def test_flags_take_no_value(verb):
    found = lines(verb)
    assert "Show this message and exit" in found["--help"]
    assert not [option for option, rest in found.items() if re.search("<?bool", rest, re.I)]


def test_the_group_has_flags_only():
    assert set(lines()) == {"--version", "--help"}
    assert not any("<" in rest for rest in lines().values())


def test_options_show_their_values():
    found = lines("convert")
    assert "<path>" in found["--inputs"] or "PATH" in found["--inputs"]
    assert "REGEX" in found["--layers"]
    assert "--no-verify" in found["--verify"]


@pytest.mark.parametrize(("verb", "names"), [("plan", FORMS), ("simulate", METHODS)])
def test_every_form_and_method_is_explained(verb, names):
    """Each name is followed by its meaning, or stands in a list that is."""
    environment = {"COLUMNS": "300", "TERM": "dumb"}
    shown = CliRunner().invoke(cli.app, [verb, "--help"], env=environment).output
    explained = " ".join(re.findall(r"[\w ,]+:(?= )", shown))
    assert not [name for name in names if not re.search(rf"\b{name}\b", explained)]
