"""The sources of the site: where links lead, and what a notebook's page shows."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from tools import colab, site_pages

ADDRESS = "https://example.org/us/ours"


@pytest.fixture
def root(tmp_path):
    """A checkout with a notebook of one run and one of two."""
    for folder in ("notebooks", "params", "data", "docs", "figures"):
        (tmp_path / folder).mkdir()
    for name in ("01_first", "02_second"):
        parameters = nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["parameters"]})
        cells = [nbformat.v4.new_markdown_cell(f"# {name}\n\nwords"), parameters]
        nbformat.write(
            nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / f"{name}.ipynb"
        )
    for run, notebook in (
        ("01_first", "01_first"),
        ("02_second_a", "02_second"),
        ("02_second_b", "02_second"),
    ):
        (tmp_path / "params" / f"{run}.yaml").write_text(f"notebook: {notebook}\nminutes: 1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "link", "page"),
    [
        ("", "CHANGELOG.md#version-1", "/changelog.md#version-1"),
        ("notebooks", "../README.md", "/index.md"),
        ("notebooks", "README.md", "/notebooks/index.md"),
        ("", "notebooks/01_first.ipynb", "/notebooks/01_first.ipynb"),
        ("", "notebooks/02_second.ipynb", "/notebooks/02_second.md"),
        ("", "docs/hero.png", "/hero.png"),
        ("", "docs/split.svg", "/split.svg"),
        ("", "docs/api/index.md#names", "/api/index.md#names"),
        ("", "LICENSE", f"{ADDRESS}/blob/main/LICENSE"),
        ("notebooks", "../data/README.md#sources", f"{ADDRESS}/blob/main/data/README.md#sources"),
        ("notebooks", "../data", f"{ADDRESS}/tree/main/data"),
        ("", "https://arxiv.org/abs/1907.01773", "https://arxiv.org/abs/1907.01773"),
        ("", "#below", "#below"),
    ],
)
def test_links_lead_to_pages_or_to_the_repository(root, folder, link, page):
    assert (
        site_pages.relink(f"see [x]({link}).", Path(folder), root, ADDRESS) == f"see [x]({page})."
    )


def test_the_report_is_linked_where_there_is_one(tmp_path):
    (built := tmp_path / "build").mkdir()
    assert "make reproduce" in site_pages.report(built, tmp_path / "_static")
    for kind in ("html", "pdf"):
        (built / f"report.{kind}").write_text(kind)
    line = site_pages.report(built, tmp_path / "_static")
    for kind in ("html", "pdf"):
        assert f'<a href="_static/report.{kind}">' in line
        assert (tmp_path / "_static" / f"report.{kind}").read_text() == kind


def test_badges_from_elsewhere_are_words(root):
    text = "[![Open in Colab](https://x.y/badge.svg)](https://x.y/open) ![own](docs/a.svg)"
    assert site_pages.relink(text, Path(), root, ADDRESS) == (
        "[Open in Colab](https://x.y/open) ![own](/a.svg)"
    )


def test_the_sections_of_the_readme_are_pages_in_their_order(tmp_path):
    (tmp_path / "README.md").write_text(
        "# us\n\nsee [x](#zebra-first) and [y](#deeper)\n\n"
        "## Zebra first\n\none\n\n### deeper\n\n## A last: `x`\n\ntwo\n"
    )
    site_pages.guide(tmp_path / "README.md", tmp_path / "guide")
    pages = {path.name: path.read_text() for path in sorted((tmp_path / "guide").iterdir())}
    assert pages == {
        "00-zebra-first.md": "# Zebra first\n\none\n\n## deeper\n\n",
        "01-a-last-x.md": "# A last: `x`\n\ntwo\n",
    }
    first = (tmp_path / "README.md").read_text().split("## ")[0]
    assert first == "# us\n\nsee [x](/guide/00-zebra-first.md) and [y](#deeper)\n\n"


def test_the_help_of_every_verb_is_shown_without_trailing_blanks():
    text = site_pages.usage()
    assert {"inspect", "convert", "verify", "bench"} <= set(
        re.findall(r"^## splitdeconv (\w+)$", text, re.MULTILINE)
    )
    assert not re.search(r"[ \t]$", text, re.MULTILINE)


def test_a_page_says_how_its_notebook_was_executed(tmp_path):
    (executed := tmp_path / "build" / "executed").mkdir(parents=True)
    result = executed / "01_first.ipynb"
    assert site_pages.note(result) == site_pages.BARE
    shown = nbformat.v4.new_notebook()
    nbformat.write(shown, result)
    assert site_pages.note(result) == f"{site_pages.SHOWN}."
    shown.metadata["papermill"] = {
        "end_time": "2026-05-04T03:02:01.5+00:00",
        "duration": 90,
        "parameters": {"seed": 7},
    }
    nbformat.write(shown, result)
    rows = [{"run": "01_first", "device": "a chip"}, {"run": "02_other", "device": "another"}]
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "manifest.json").write_text(json.dumps(rows))
    told = "on 2026-05-04 on a chip in 1.5 minutes, seed 7."
    assert site_pages.note(result) == f"{site_pages.SHOWN} {told}"
    result.with_suffix(".quick").touch()
    assert site_pages.note(result) == f"{site_pages.QUICK} {told}"


def given(tags=()):
    """A notebook as executed: heading, badge, a cell for Colab, parameters, cells with `tags`."""
    badge = "[![Open in Colab](https://example.org/badge.svg)](https://example.org/open)"
    cells = [
        nbformat.v4.new_markdown_cell(f"# Title\n\n{badge}\n"),
        nbformat.v4.new_code_cell("for_colab = 1", id=colab.ID),
        nbformat.v4.new_code_cell("network = ''", metadata={"tags": ["parameters"]}),
        *(nbformat.v4.new_code_cell("network = 'fst'", metadata={"tags": [tag]}) for tag in tags),
    ]
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"widgets": {"state": "of a kernel that is gone"}}
    )


@pytest.mark.parametrize(("tags", "removed"), [((), [1]), (("injected-parameters",), [1, 2])])
def test_a_page_keeps_what_its_reader_needs(root, tags, removed):
    notebook = given(tags)
    site_pages.dress(notebook, ": fst", "A note.", root, ADDRESS)
    hidden = [
        n for n, cell in enumerate(notebook.cells) if "remove-cell" in cell.metadata.get("tags", ())
    ]
    assert hidden == removed
    assert (
        notebook.cells[0].source
        == "# Title: fst\n\n*A note.*\n\n[Open in Colab](https://example.org/open)\n"
    )
    assert "widgets" not in notebook.metadata


def test_the_runs_of_a_notebook_are_listed_and_those_of_one_are_not(root, tmp_path):
    (folder := tmp_path / "pages").mkdir()
    assert site_pages.notebook(root / "notebooks" / "01_first.ipynb", root, folder, ADDRESS) == [
        "01_first"
    ]
    assert site_pages.notebook(root / "notebooks" / "02_second.ipynb", root, folder, ADDRESS) == [
        "02_second"
    ]
    assert sorted(path.name for path in folder.iterdir()) == [
        "01_first.ipynb",
        "02_second.md",
        "02_second_a.ipynb",
        "02_second_b.ipynb",
    ]
    listed = (folder / "02_second.md").read_text()
    assert listed.endswith("```{toctree}\n\n02_second_a\n02_second_b\n```\n")
    assert site_pages.toctree(["a"]) == "```{toctree}\n:hidden:\n\na\n```\n"
