"""Every notebook is thin, clean, listed and run; and the checks that say so can fail."""

import ast
import re
from pathlib import Path

import nbformat
import papermill
import pytest

from splitdeconv import figures
from splitdeconv.errors import SplitDeconvError
from splitdeconv.study import parameters
from tools import check_figures, docs, runs

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES = 15


def problems(notebook):
    """What is wrong with a notebook, given as nbformat's dictionary."""
    try:
        nbformat.validate(notebook, relax_add_props=False)
    except nbformat.ValidationError as error:
        return [f"not a valid notebook: {error.message}"]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = []
    if notebook.nbformat != 4 or notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("format 4 and the kernel python3 are expected")
    if notebook.cells[0].cell_type != "markdown" or not notebook.cells[0].source.startswith("# "):
        found.append("the first cell must be a heading")
    if sum("parameters" in cell.metadata.get("tags", ()) for cell in code) != 1:
        found.append("exactly one cell must be tagged `parameters`")
    for cell in code:
        line = cell.source.partition("\n")[0]
        if cell.outputs or cell.execution_count is not None:
            found.append(f"outputs are kept at: {line}")
        if len(cell.source.splitlines()) > MOST_LINES:
            found.append(f"more than {MOST_LINES} lines at: {line}")
        if _defines(ast.parse(cell.source)):
            found.append(f"a function or class is defined at: {line}")
    return found


def _defines(tree):
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    named = (ast.Assign, ast.AnnAssign, ast.NamedExpr)
    return any(
        isinstance(node, definitions)
        or (isinstance(node, named) and isinstance(node.value, ast.Lambda))
        for node in ast.walk(tree)
    )


def test_every_notebook_is_thin_and_clean():
    assert NOTEBOOKS
    found = {
        path.name: problems(nbformat.read(path, as_version=nbformat.NO_CONVERT))
        for path in NOTEBOOKS
    }
    assert not {name: wrong for name, wrong in found.items() if wrong}


def test_every_notebook_is_listed_and_run():
    names = {path.stem for path in NOTEBOOKS}
    assert set(docs.notebook_table(ROOT)) == names
    assert {run.notebook.stem for run in runs.read_all(ROOT)} == names


def test_the_table_tells_the_budgets():
    for name, row in docs.notebook_table(ROOT).items():
        minutes = [run.minutes for run in runs.read_all(ROOT) if run.notebook.stem == name]
        assert {float(number) for number in re.findall(r"[\d.]+", row["minutes"])} == {
            min(minutes),
            max(minutes),
        }, name


def test_every_notebook_can_be_quick_and_seeded():
    for path in NOTEBOOKS:
        declared = runs.parameters(path)
        assert {"quick", "seed"} <= declared.keys(), path.name
        assert declared["quick"] is False, path.name
        assert isinstance(declared["seed"], int), path.name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_papermill_tells_the_type_and_meaning_of_every_parameter(path):
    told = papermill.inspect_notebook(path)
    assert told.keys() == runs.parameters(path).keys()
    kinds = {"str", "int", "float", "bool", "list[str]", "list[int]", "list[float]"}
    for name, parameter in told.items():
        assert parameter["inferred_type_name"] in kinds, name
        assert parameter["help"], name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_settles_its_parameters_under_its_own_name(path):
    cells = nbformat.read(path, as_version=4).cells
    calls = [call for cell in cells for call in re.findall(r"settle\((.+)\)", cell.source)]
    assert [re.sub(", models=True$", "", call) for call in calls] == [f'globals(), "{path.stem}"']
    takes_models = {f"{number:02}" for number in range(3, 9)} | {"03b", "06b"}
    assert ("models=True" in calls[0]) == (path.stem.partition("_")[0] in takes_models)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_parameters_of_every_run_are_valid(path, monkeypatch):
    monkeypatch.setattr(figures, "_described", {})
    (cell,) = [
        cell
        for cell in nbformat.read(path, as_version=4).cells
        if "parameters" in cell.metadata.get("tags", ())
    ]
    for run in (run for run in runs.read_all(ROOT) if run.notebook == path):
        namespace = {}
        exec(cell.source, namespace)
        namespace |= run.parameters
        parameters.settle(namespace, path.stem)
        for name, value in run.parameters.items():
            assert namespace[name] == value or value == [], name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_refuses_what_it_cannot_use(path, monkeypatch):
    monkeypatch.setattr(figures, "_described", {})
    (cell,) = [
        cell
        for cell in nbformat.read(path, as_version=4).cells
        if "parameters" in cell.metadata.get("tags", ())
    ]
    models = "models=True" in path.read_text()
    for name in runs.parameters(path):
        # One that is no text, number or list of them, and one that is none of the choices.
        chosen = name in {"network", "networks", "processor", "processors", "method", "methods"}
        for wrong in [{"a": 1}, *(["elsewhere"] if chosen else [])]:
            namespace = {}
            exec(cell.source, namespace)
            namespace[name] = wrong
            with pytest.raises(SplitDeconvError) as caught:
                parameters.settle(namespace, path.stem, models=models)
            words = str(caught.value)
            assert name.removesuffix("s") in words.partition("\n")[0]
            assert "expected: " in words
            if wrong == "elsewhere":
                assert re.search("dcgan, sngan|pe_array_16x16, pe_array_32x7|sd_trimmed, ", words)


def test_documents_and_params_files_agree_about_the_figures():
    assert check_figures.undocumented(ROOT) == []


def test_budgets_and_the_quick_selection():
    every = runs.read_all(ROOT)
    assert sum(run.minutes for run in every) <= 40
    assert sum(run.quick_minutes for run in every if run.quick) <= 10
    for notebook in {run.notebook for run in every}:
        # One run of each notebook, so that the quick selection passes through all of them.
        assert sum(run.quick for run in every if run.notebook == notebook) == 1, notebook.name


@pytest.fixture
def notebook():
    cells = [
        nbformat.v4.new_markdown_cell("# A notebook"),
        nbformat.v4.new_code_cell("quick = False\nseed = 0", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("values = sorted([2, 1], key=lambda value: -value)"),
    ]
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python"}}
    )


def test_a_good_notebook_has_no_problems(notebook):
    assert problems(notebook) == []


def spoil_structure(notebook):
    notebook.cells[2]["unknown"] = 1


def spoil_kernel(notebook):
    notebook.metadata.kernelspec.name = "conda-env-mine"


def spoil_heading(notebook):
    notebook.cells[0].source = "A notebook"


def spoil_parameters(notebook):
    notebook.cells[2].metadata = nbformat.NotebookNode(tags=["parameters"])


def spoil_by_running(notebook):
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="2")]


def spoil_by_counting(notebook):
    notebook.cells[2].execution_count = 1


def spoil_by_length(notebook):
    notebook.cells[2].source = "x = 1\n" * (MOST_LINES + 1)


def spoil_by_function(notebook):
    notebook.cells[2].source = "if True:\n    def f():\n        return 1"


def spoil_by_class(notebook):
    notebook.cells[2].source = "class A:\n    pass"


def spoil_by_lambda(notebook):
    notebook.cells[2].source = "f = lambda: 1"


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (spoil_structure, "not a valid notebook"),
        (spoil_kernel, "the kernel python3"),
        (spoil_heading, "must be a heading"),
        (spoil_parameters, "exactly one cell"),
        (spoil_by_running, "outputs are kept at: values"),
        (spoil_by_counting, "outputs are kept at: values"),
        (spoil_by_length, "more than 15 lines at: x = 1"),
        (spoil_by_function, "is defined at: if True:"),
        (spoil_by_class, "is defined at: class A:"),
        (spoil_by_lambda, "is defined at: f = lambda"),
    ],
)
def test_a_spoiled_notebook_is_found_out(notebook, spoil, problem):
    spoil(notebook)
    (found,) = problems(notebook)
    assert problem in found
