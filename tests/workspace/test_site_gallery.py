"""The gallery of the site: sections by notebook, what is seen in words, and links to the files."""

import json
import re

import nbformat
import pytest
from PIL import Image

from tools import site_gallery

ROWS = [
    {
        "name": "a_of_second",
        "title": "Two is more than one",
        "caption": "Second.",
        "notebook": "02_second",
        "run": "02_second_a",
    },
    {"name": "z_of_first", "caption": "First.", "notebook": "01_first", "run": "01_first_gone"},
    {"name": "lost", "caption": "Lost.", "notebook": "01_first", "run": "01_first"},
]


@pytest.fixture
def built(tmp_path):
    """The gallery's page, and the source of the site."""
    source, figures, notebooks = (
        tmp_path / name for name in ("source", "checkout/figures", "checkout/notebooks")
    )
    for folder in (source / "notebooks", figures, notebooks):
        folder.mkdir(parents=True)
    (source / "notebooks" / "02_second_a.ipynb").touch()
    heading = nbformat.v4.new_markdown_cell("# 02 The second\n\nText.")
    nbformat.write(nbformat.v4.new_notebook(cells=[heading]), notebooks / "02_second.ipynb")
    (figures / "manifest.json").write_text(json.dumps(ROWS))
    for row in ROWS[:2]:
        Image.new("RGBA", (1440, 80)).save(figures / f"{row['name']}.png")
    (figures / "a_of_second.csv").write_text("x\n1\n")
    site_gallery.write(tmp_path / "checkout", source)
    return (source / "figures.md").read_text(), source


def test_sections_follow_the_notebooks_and_lead_to_their_runs(built):
    text, _ = built
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["01_first", "02 The second"]
    assert re.findall(r"\]\((.+?)\)", text) == [
        "/notebooks/01_first.ipynb",
        "/notebooks/02_second_a.ipynb",
    ]
    assert "Lost." not in text


def test_what_is_seen_is_said_in_words(built):
    text, _ = built
    assert ":alt: Two is more than one. Second." in text
    assert ":alt: First." in text


def test_pictures_are_shown_small_and_linked_whole(built):
    text, source = built
    assert ":target: _static/figures/a_of_second.png" in text
    with Image.open(source / "thumbnails" / "a_of_second.png") as small:
        assert small.size == (site_gallery.WIDTH, 40)
    with Image.open(source / "_static" / "figures" / "a_of_second.png") as whole:
        assert whole.size == (1440, 80)


def test_files_that_are_there_can_be_downloaded(built):
    text, source = built
    assert "{download}`CSV </thumbnails/a_of_second.csv>`" in text
    assert (source / "thumbnails" / "a_of_second.csv").read_text() == "x\n1\n"
    assert "PDF" not in text
    assert text.count("{download}") == 1


def test_without_figures_it_says_how_to_make_them(tmp_path):
    (tmp_path / "source").mkdir()
    site_gallery.write(tmp_path, tmp_path / "source")
    assert (tmp_path / "source" / "figures.md").read_text() == site_gallery.EMPTY
