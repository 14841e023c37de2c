"""The search shows lines of context, also on a site that was opened from files."""

import json
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from docutils.core import publish_doctree

from tools import site_search

PAGE = """
Phases
======

Every tap has *one* phase.

::

    plan = 4  # code

.. a comment

.. raw:: html

   <style>td { color: red }</style><table><tr><td class="x">5 &lt; 6</td></tr></table>
"""
# What a browser has, of a page that was opened at an address.
BROWSER = """
const location = new URL(%s);
const document = {
  documentElement: { dataset: { content_root: "./" } },
  createElement: () => ({
    setAttribute(name, value) { this.role = `${name}=${value}`; },
    get outerHTML() { return `<${this.role}>${this.textContent}`; },
  }),
};
const network = () => "network";
const window = { fetch: network };
%s
if (window.fetch === network) console.log("network");
else window.fetch(%s).then((page) => page.text()).then(console.log);
"""


def test_the_text_of_a_page_is_what_its_reader_sees():
    assert site_search.text_of(publish_doctree(PAGE)) == (
        "Phases Every tap has one phase. plan = 4 # code 5 < 6"
    )


@pytest.fixture
def script(tmp_path):
    """The script of a site of two pages."""
    (tmp_path / "_static").mkdir()
    app = SimpleNamespace(outdir=tmp_path, site_texts={})
    for name, text in {"index": "first </script> page", "notebooks/01_a": "größer"}.items():
        site_search.collect(app, publish_doctree(text), name)
    site_search.write(app, None)
    return (tmp_path / "_static" / site_search.NAME).read_text(encoding="utf-8")


def test_the_script_holds_every_page(script):
    line = script.partition("\n")[0]
    texts = json.loads(line.removeprefix("const pageTexts = ").removesuffix(";"))
    assert texts == {"index": "first </script> page", "notebooks/01_a": "größer"}


@pytest.mark.skipif(not shutil.which("node"), reason="runs JavaScript by node")
@pytest.mark.parametrize(
    ("opened", "asked", "answer"),
    [
        ("file:///a%20b/search.html?q=x", "notebooks/01_a.html", "<role=main>größer"),
        ("file:///site/search.html", "./index.html", "<role=main>first </script> page"),
        ("file:///site/search.html", "./nowhere.html", "<role=main>"),
        ("http://localhost/search.html", "./index.html", "network"),
    ],
)
def test_pages_are_answered_from_the_script_where_files_cannot_be_fetched(
    script, opened, asked, answer
):
    program = BROWSER % (json.dumps(opened), script, json.dumps(asked))
    result = subprocess.run(
        ["node", "-"], input=program, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == answer


def test_only_the_search_page_loads_it():
    loaded = []
    app = SimpleNamespace(add_js_file=loaded.append)
    for name in ("index", "search", "notebooks/search"):
        site_search.load(app, name, "page.html", {}, None)
    assert loaded == [site_search.NAME]


def test_nothing_is_written_of_a_build_that_failed(tmp_path):
    site_search.write(SimpleNamespace(outdir=tmp_path, site_texts={"a": "b"}), OSError())
    assert list(tmp_path.iterdir()) == []
