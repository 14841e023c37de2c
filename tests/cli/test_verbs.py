"""Usage errors in plain words, with the names that were probably meant."""

import subprocess
import sys

import pytest

from splitdeconv.cli.verbs import plain


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "Value error, 'stak' is not one of 'rows', 'stacked', 'paper'.",
            "'stak' is not one of 'rows', 'stacked', 'paper'. Did you mean stacked?",
        ),
        ("'x9' is not one of 'rows', 'paper'.", "'x9' is not one of 'rows', 'paper'."),
        ("Input should be less than or equal to 6", "expected at most 6"),
        ("Input should be greater than or equal to 0.25", "expected at least 0.25"),
        ("invalid axis 'a': expected rows=8,16", "invalid axis 'a': expected rows=8,16"),
    ],
)
def test_what_a_validator_says_becomes_plain(message, words):
    assert plain(message) == words


def test_a_misspelt_choice_is_corrected_on_the_command_line(run):
    code, out, err = run(
        "sweep", "dcgan", "--processor", "x", "--axis", "rows=8", "--skip", "none2"
    )
    assert code == 2
    assert "Did you mean none?" in " ".join((out + err).replace("│", " ").split())
    assert "Value error" not in out + err


def test_a_verb_does_not_wait_for_what_only_others_need():
    code = (
        "import sys\n"
        "from splitdeconv import cli\n"
        "try:\n"
        "    cli.main(['simulate', 'sngan', '--processor', 'pe_array_16x16', '--json'])\n"
        "except SystemExit:\n"
        "    loaded = {'rich', 'matplotlib', 'splitdeconv.convert.api', 'splitdeconv.cli.figure'}\n"
        "    print(sorted(loaded & set(sys.modules)), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"
    assert '"layers"' in done.stdout
