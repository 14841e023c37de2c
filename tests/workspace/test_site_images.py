"""Pictures of the site in words, and the slider of its first page."""

import json

import nbformat
import numpy as np
import pytest

from splitdeconv.study.charts.slider import slider
from tools import site_images

ROWS = [
    {"name": "03_fst_layers", "title": "FST: 0.9 to 1.4 times", "caption": "By layer."},
    {"name": "03_fst_images", "title": "", "caption": "Photographs."},
    {"name": "09_eyes", "title": "", "caption": "Eyes."},
    {"name": "hero", "title": "The gain.", "caption": "Idea and gain."},
]


def drawn(source):
    picture = nbformat.v4.new_output("display_data", {"image/png": "aaaa"})
    return nbformat.v4.new_code_cell(source, outputs=[picture])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('save_figure(fig, f"03_{network}_layers", t)', "FST: 0.9 to 1.4 times. By layer."),
        ('save_figure(\n    fig, f"03_{network}_images", t)', "Photographs."),
        ('for name in ("09_eyes", "03_fst_images"):\n    save(name)', "Photographs. Eyes."),
        ('save_figure(fig, "hero", t)', "The gain. Idea and gain."),
        ('save_figure(fig, "03_fst", t)', "A figure of the section Speed."),
        ("fig = draw()", "A figure of the section Speed."),
    ],
)
def test_every_picture_has_words(source, words):
    headings = nbformat.v4.new_markdown_cell("# All\n\n## Speed\n\nwords")
    shown = nbformat.v4.new_notebook(cells=[headings, drawn(source)])
    site_images.describe(shown, ROWS)
    assert shown.cells[1].metadata["mystnb"] == {"image": {"alt": words}}


def test_a_drawing_tells_its_own_title():
    svg = "<svg>\n<title>A filter in 4 parts</title>\n</svg>"
    drawing = nbformat.v4.new_output("execute_result", {"image/svg+xml": svg})
    cell = nbformat.v4.new_code_cell("SVG(animation)", outputs=[drawing])
    site_images.describe(nbformat.v4.new_notebook(cells=[cell]), ROWS)
    assert cell.metadata["mystnb"] == {"image": {"alt": "A filter in 4 parts"}}


def test_cells_without_pictures_stay_as_they_are():
    shown = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('f("09_eyes")')])
    site_images.describe(shown, ROWS)
    assert shown.cells[0].metadata == {}


def test_without_title_and_caption_the_name_is_said():
    assert site_images.in_words({"name": "x", "caption": ""}) == "x"


@pytest.fixture
def root(tmp_path):
    """A checkout of three executed runs; the second and the third have sliders."""
    for folder in ("params", "build/executed", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    parameters = nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["parameters"]})
    bare = nbformat.v4.new_notebook(cells=[parameters])
    for number, run in enumerate(("01_one", "02_two", "03_three")):
        nbformat.write(bare, tmp_path / "notebooks" / f"{run}.ipynb")
        quick = str(number == 2).lower()
        text = f"notebook: {run}\nminutes: 1\nquick: {quick}\n"
        (tmp_path / "params" / f"{run}.yaml").write_text(text)
        images = dict.fromkeys(("native", "split"), np.zeros((1, 2, 2, 3), "uint8"))
        page = slider(images, run).html if number else "<table></table>"
        output = nbformat.v4.new_output("execute_result", {"text/html": page})
        cell = nbformat.v4.new_code_cell("", outputs=[output])
        path = tmp_path / "build" / "executed" / f"{run}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[parameters, cell]), path)
    return tmp_path


def test_the_first_page_has_the_slider_of_a_quick_run_where_there_is_one(root):
    page = site_images.first_slider(root)
    assert page.startswith("```{raw} html\n<figure")
    assert "03_three" in page
    (root / "build" / "executed" / "03_three.ipynb").unlink()
    assert "02_two" in site_images.first_slider(root)
    (root / "build" / "executed" / "02_two.ipynb").unlink()
    assert site_images.first_slider(root) == ""


def test_the_manifest_may_be_missing(tmp_path):
    assert site_images.manifest(tmp_path) == []
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "manifest.json").write_text(json.dumps(ROWS))
    assert site_images.manifest(tmp_path) == ROWS
