"""Params files and parameters cells say what is run, or what is wrong with them."""

import re

import pytest

from tools import runs

WRONG = {
    "notebook: one\n": "notebook and minutes are needed",
    "- one\n": "a mapping with the keys notebook, minutes",
    "notebook: one\nminutes: 1\nminute: 2\n": "unknown keys: minute",
    "notebook: one\nminutes: soon\n": "minutes is 'soon'",
    "notebook: one\nminutes: true\n": "minutes is True",
    "notebook: one\nminutes: -1\n": "minutes is -1",
    "notebook: one\nminutes: 1\nquick_minutes: 0\n": "quick_minutes is 0",
    "notebook: one\nminutes: 1\n1: 2\nb: 3\n": "unknown keys: 1, b",
    "notebook: [one\n": "not YAML: ",
    "notebook: one\nminutes: 2026-13-01\n": "not YAML: month must be in 1..12",
    "notebook: one\nminutes: 1\ninputs: [3]\n": "make reads ['3'] there, not [3]",
    "notebook: one\nminutes: 1\ninputs: [/data/a.csv]\n": (
        "inputs: /data/a.csv is not within the repository"
    ),
    "notebook: one\nminutes: 1\nfigures:\n  - a\n": (
        "figures must stand on one line in plain words, for make reads []"
    ),
    "notebook: one\nminutes: 1\nfigures: [a,\n  b]\n": "make reads ['a'] there, not ['a', 'b']",
    "notebook: one\nminutes: 1\nfigures: [a b]\n": "make reads ['a', 'b'] there, not ['a b']",
    "notebook: one\nminutes: 1\nquick: yes\n": "make reads ['yes'] there, not ['true']",
    "notebook: 'one'\nminutes: 1\n": """make reads ["'one'"] there, not ['one']""",
    "notebook: two\nminutes: 1\n": "there is no notebooks/two.ipynb",
    "notebook: one\nminutes: 1\nparameters: {sed: 1}\n": "declares no parameter sed",
    "notebook: one\nminutes: 1\nparameters: {quick: true}\n": "quick is set by make, not here",
    "notebook: one\nminutes: 1\nparameters: {seed: 2026-01-01}\n": (
        "parameters must be plain values"
    ),
    "notebook: one\nminutes: 1\ninputs: [data/*.csv]\n": "nothing is called data/*.csv",
}


@pytest.mark.parametrize(("text", "problem"), WRONG.items())
def test_wrong_params_file_is_refused(checkout, text, problem):
    checkout.notebook("one")
    checkout.write("params/one.yaml", text)
    with pytest.raises(ValueError, match=re.escape("one.yaml: ") + f".*{re.escape(problem)}"):
        runs.read(checkout.root / "params" / "one.yaml")


def test_runs_called_after_their_notebooks_are_those_of_make_reproduce(checkout):
    for name in ("one", "one_more"):
        checkout.notebook(name)
    for name in ("one", "one_a", "one_more_b", "oneself", "mine", "a_one"):
        checkout.write(f"params/{name}.yaml", "notebook: one\nminutes: 1\n")
    checkout.write("params/broken.yaml", "[")  # a user's own, which is read only if asked for
    names = [run.name for run in runs.read_all(checkout.root)]
    assert names == ["one", "one_a", "one_more_b"]
    own = runs.read(checkout.root / "params" / "mine.yaml")
    assert not own.official
    assert runs.read(checkout.root / "params" / "one_a.yaml").official


def test_parameters_are_plain_values_in_one_cell(checkout):
    checkout.notebook(
        "plain", parameters="quick = False  # small\nsizes: list = [1, -2]\nnames = {'a': None}"
    )
    checkout.notebook("computed", parameters="seed = 1 + int('2')")
    checkout.notebook("twice")
    path = checkout.root / "notebooks" / "twice.ipynb"
    path.write_text(
        path.read_text().replace('"metadata": {}', '"metadata": {"tags": ["parameters"]}')
    )
    folder = checkout.root / "notebooks"
    assert runs.parameters(folder / "plain.ipynb") == {
        "quick": False,
        "sizes": [1, -2],
        "names": {"a": None},
    }
    with pytest.raises(
        ValueError, match=r"may only assign plain values, not `seed = 1 \+ int\('2'\)`"
    ):
        runs.parameters(folder / "computed.ipynb")
    with pytest.raises(ValueError, match="one cell tagged `parameters` is expected, there are 2"):
        runs.parameters(path)
    checkout.notebook("broken", parameters="seed = (")
    with pytest.raises(
        ValueError, match=r"broken\.ipynb: its parameters cell is not Python: '\(' was never closed"
    ):
        runs.parameters(folder / "broken.ipynb")
    for text in ("seed = 0", "[]", "{}"):
        checkout.write("notebooks/broken.ipynb", text)
        with pytest.raises(ValueError, match=r"broken\.ipynb: not a notebook: "):
            runs.parameters(folder / "broken.ipynb")
