"""The documentation site: documents, notebooks, figures and docstrings, without network."""

import json
import os
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

import splitdeconv as sd
from splitdeconv.study.charts.slider import slider
from tools import site, site_gallery, site_pages, site_search

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "https://example.org/us/ours"


def notebook(path, title, *outputs):
    """Write a notebook as they are here: heading, badge, Colab, parameters, code."""
    badge = "[![Open in Colab](https://example.org/badge.svg)](https://example.org/open)"
    cells = [
        nbformat.v4.new_markdown_cell(
            f"# {title}\n\n{badge}\n\n[next](02_second.ipynb), [data](../data/x.csv), $q \\bmod s$"
        ),
        nbformat.v4.new_code_cell("for_colab = 1", id="colab"),
        nbformat.v4.new_code_cell("network = ''", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("6 * 7", outputs=list(outputs)),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"language_info": {"name": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout with a figure and two notebooks: one executed, one of two runs, not executed."""
    root = tmp_path_factory.mktemp("site") / "a checkout"
    # The reference of one module stands for all, which take long; small pictures stand for those of
    # the README.
    shutil.copytree(ROOT / "docs", root / "docs", ignore=shutil.ignore_patterns("*.rst", "*.png"))
    for name in re.findall(r"!\[[^]]+\]\(docs/(\w+\.png)\)", (ROOT / "README.md").read_text()):
        Image.new("RGB", (2, 2)).save(root / "docs" / name)
    (root / "docs" / "api" / "index.rst").write_text(
        "Reference\n=========\n\n.. toctree::\n\n   errors\n"
    )
    shutil.copy(ROOT / "docs" / "api" / "errors.rst", root / "docs" / "api")
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        shutil.copy(ROOT / name, root)
    (root / "pyproject.toml").write_text(f'[project.urls]\nRepository = "{ADDRESS}"\n')
    widget = {site_pages.WIDGET: {"model_id": "1"}, "text/plain": "forty-two"}
    result = nbformat.v4.new_output("execute_result", widget)
    noise = nbformat.v4.new_output("stream", name="stderr", text="a library greets")
    notebook(root / "notebooks" / "01_first.ipynb", "01 First")
    Image.new("RGB", (3, 2)).save(png := BytesIO(), "png")
    data = {"image/png": b64encode(png.getvalue()).decode()}
    faces = dict.fromkeys(("native", "split"), np.zeros((1, 2, 2, 3), "uint8"))
    compared = {"text/html": slider(faces, "Faces").html}
    outputs = [nbformat.v4.new_output("display_data", each) for each in (data, compared)]
    executed = root / "build" / "executed" / "01_first.ipynb"
    notebook(executed, "01 First", result, noise, *outputs)
    notebook(root / "notebooks" / "02_second.ipynb", "02 Second")
    # What the README leads to.
    for name in re.findall(r"\]\(notebooks/(\w+)\.ipynb\)", (ROOT / "README.md").read_text()):
        notebook(root / "notebooks" / f"{name}.ipynb", name)
    table = "# Notebooks\n\n| notebook |\n|---|\n"
    table += "| [01_first](01_first.ipynb), [02_second](02_second.ipynb) |\n"
    (root / "notebooks" / "README.md").write_text(table)
    (root / "params").mkdir()
    for name, which in (
        ("01_first", "01_first"),
        ("02_second_a", "02_second"),
        ("02_second_b", "02_second"),
    ):
        (root / "params" / f"{name}.yaml").write_text(f"notebook: {which}\nminutes: 1\n")
    for kind in ("html", "pdf"):
        (root / "build" / f"report.{kind}").write_text("<html>claims</html>")
    (root / "figures").mkdir()
    Image.new("RGB", (2000, 1000), "steelblue").save(root / "figures" / "01_blue.png")
    row = {
        "name": "01_blue",
        "caption": "A blue figure.",
        "notebook": "01_first",
        "run": "01_first",
    }
    gone = row | {"name": "01_gone", "caption": "A figure that is not there."}
    (root / "figures" / "manifest.json").write_text(json.dumps([row, gone]))
    return root


def build(root):
    """What `make site` runs: its exit code and what it says."""
    command = [sys.executable, "-m", "tools.site"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def built(checkout):
    """The site of that checkout."""
    result = build(checkout)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].endswith("open build/site/index.html")
    return checkout / "build" / "site"


def page(built, name):
    return (built / f"{name}.html").read_text()


def test_the_site_has_its_pages(built):
    names = [
        "index",
        "install",
        "gallery",
        "changelog",
        "contributing",
        "security",
        "command_line",
        "api/errors",
        "notebooks/index",
    ]
    names += [
        "notebooks/01_first",
        "notebooks/02_second",
        "notebooks/02_second_a",
        "notebooks/02_second_b",
    ]
    assert [name for name in names if not (built / f"{name}.html").is_file()] == []
    sections = re.findall(r"^## (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(list((built / "guide").glob("*.html"))) == len(sections)
    assert "splitdeconv convert" in page(built, "command_line")
    assert "invalid padding" in page(built, "api/errors")
    # What a browser asks a page for is there, too.
    for path in built.rglob("*.html"):
        for link in re.findall(r'(?:src|href)="(?!\w+:|#)([^"#?]+)', path.read_text()):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_every_image_says_what_is_seen(built):
    for path in built.rglob("*.html"):
        for image in re.findall(r"<img\b[^>]*>", path.read_text()):
            alt = re.search(r'\salt="([^"]+)"', image)
            assert alt, f"{path.name}: {image[:200]}"
            assert not re.search(r"_images/|\.(png|svg)$", alt[1]), f"{path.name}: {alt[1]}"
    assert 'alt="A figure of the section 01 First."' in page(built, "notebooks/01_first")


def test_the_report_opens_from_the_first_page(built):
    for kind in ("html", "pdf"):
        (link,) = re.findall(rf'<a [^>]*href="([^"]+report\.{kind})"[^>]*>', page(built, "index"))
        assert (built / link).read_text() == "<html>claims</html>"
    assert not re.search(r"<a [^>]*download[^>]*report", page(built, "index"))


def test_native_and_split_are_compared_by_a_slider(built):
    for name in ("index", "notebooks/01_first"):
        assert page(built, name).count('<input type="range"') == 1, name
        assert "Faces: 0 of 12 values differ" in page(built, name), name


def test_the_search_page_has_the_text_of_every_page(built):
    assert f"_static/{site_search.NAME}" in page(built, "search")
    line = (built / "_static" / site_search.NAME).read_text().partition("\n")[0]
    texts = json.loads(line.removeprefix("const pageTexts = ").removesuffix(";"))
    index = (built / "searchindex.js").read_text()
    names = json.loads(re.search(r'"?docnames"?:(\[.*?\])', index)[1])
    assert set(names) == set(texts)
    assert "forty-two" in texts["notebooks/01_first"]


def test_what_is_wide_scrolls_within_its_frame(built):
    styles = (built / "_static" / "styles" / "furo.css").read_text()
    styles += (built / "_static" / "site.css").read_text()
    for wide in (r"\.table-wrapper", r"[}\n]pre", r"\.cell_output"):
        assert re.search(rf"{wide}[^{{}}]*{{[^}}]*overflow(-x)?:\s*auto", styles), wide
    assert 'class="table-wrapper' in page(built, "notebooks/index")


def test_a_notebook_is_shown_as_executed_or_says_that_it_is_not(built):
    executed, bare = page(built, "notebooks/01_first"), page(built, "notebooks/02_second_a")
    assert "Shown as executed by" in executed
    assert "forty-two" in executed
    assert "Shown without outputs" in bare
    assert "forty-two" not in bare
    assert "02 Second: a" in bare
    for text in (executed, bare):
        assert "for_colab" not in text
        assert "a library greets" not in text
        assert 'href="02_second.html"' in text
        assert re.search(
            r'<img class="math" alt="q \\bmod s" style="[^"]+" src="data:image/svg', text
        )
        assert f'href="{ADDRESS}/blob/main/data/x.csv"' in text


def test_the_gallery_shows_what_there_is(built):
    text = page(built, "gallery")
    assert "A blue figure." in text
    assert "A figure that is not there." not in text
    assert 'href="notebooks/01_first.html"' in text
    with Image.open(built / "_images" / "01_blue.png") as thumbnail:
        assert thumbnail.size == (site_gallery.WIDTH, site_gallery.WIDTH // 2)


def test_nothing_is_fetched_from_elsewhere(built, tmp_path):
    assert site.fetched(built) == {}
    remote = (
        '<script async src="https://x.y/a.js">',
        '<link rel="stylesheet" href="//x.y/b.css">',
        '<img src="http://x.y/c">',
    )
    for number, text in enumerate((*remote, "<style>@import url(https://x.y/d.css);</style>")):
        (tmp_path / f"{number}.html").write_text(text)
    (tmp_path / "fine.html").write_text(
        '<a href="https://x.y">x</a><img src="a.png"><link rel="canonical" href="//x.y">'
    )
    assert sorted(site.fetched(tmp_path)) == ["0.html", "1.html", "2.html", "3.html"]


def test_a_broken_reference_fails(built, checkout):
    install = checkout / "docs" / "install.md"
    kept, before = install.read_text(), (built / "index.html").stat().st_mtime_ns
    install.write_text("# Install\n\n[broken](nowhere.md#at-all)\n")
    result = build(checkout)
    install.write_text(kept)
    assert result.returncode == 1
    assert "'nowhere.md#at-all'" in result.stderr
    assert (built / "index.html").stat().st_mtime_ns == before  # the last good site stays


def test_a_page_that_needs_the_network_fails(built, checkout, monkeypatch, capsys):
    def sphinx(arguments):
        Path(arguments[-1]).mkdir()
        Path(arguments[-1], "index.html").write_text('<img src="https://x.y/z.png">')
        return 0

    monkeypatch.setattr(site, "build_main", sphinx)
    assert site.main(checkout) == 1
    assert "FAILED index.html: a browser would fetch" in capsys.readouterr().err
    assert "x.y" not in page(built, "index")


def test_every_public_name_has_its_place_in_the_reference():
    text = "\n".join(path.read_text() for path in (ROOT / "docs" / "api").glob("*.rst"))
    named = re.findall(
        # What needs PyTorch is written by hand: the site is built without it.
        r"^\.\. (?:auto(?:function|class|exception|module)|module):: (\S+?)(?:\(.*)?$",
        text,
        re.MULTILINE,
    )
    documented = {name.rpartition(".")[2] for name in named}
    assert set(sd.__all__) <= documented
    assert {"Report", "Result", "Verification", "Target", "Format", "Model"} <= documented


def test_the_reference_holds_public_names_alone():
    text = "\n".join(path.read_text() for path in (ROOT / "docs" / "api").glob("*.rst"))
    whole = set(re.findall(r"^\.\. automodule:: (\S+)", text, re.MULTILINE))
    assert whole <= {f"splitdeconv.{name}" for name in sd.__all__}
