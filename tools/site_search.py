"""Lines of context in the results of the site's search, also where it is opened from files.

Sphinx' search fetches each page that it has found, to show the lines around the words. Browsers
forbid that to a page that was opened from a file. So one script has the text of every page,
which the search page loads, and which answers there in place of the network.
"""

import html
import json
import re
from pathlib import Path

from docutils import nodes

NAME = "page_texts.js"
_MARKUP = re.compile(r"<(style|script)\b.*?</\1>|<[^>]+>", re.DOTALL)
# What searchtools.js asks for is a page, from which it takes what is in the element of this role.
_SCRIPT = """\
const pageTexts = %s;
if (location.protocol === "file:") {
  const root = new URL(document.documentElement.dataset.content_root, location.href).href;
  window.fetch = async (address) => {
    const name = new URL(address, location.href).href.slice(root.length).replace(/\\.html$/, "");
    const main = document.createElement("div");
    main.setAttribute("role", "main");
    main.textContent = pageTexts[name] || "";
    return { text: async () => main.outerHTML };
  };
}
"""


def text_of(doctree) -> str:
    """The words of a page, as a reader sees them: paragraphs, code, output and its tables."""
    parts = []
    for node in doctree.findall(nodes.Text):
        if isinstance(node.parent, nodes.raw):
            parts.append(html.unescape(_MARKUP.sub(" ", node.astext())))
        elif not isinstance(node.parent, nodes.comment):
            parts.append(node.astext())
    return " ".join(" ".join(parts).split())


def collect(app, doctree, docname):
    """Keep the words of a page that has been put together."""
    app.site_texts[docname] = text_of(doctree)


def write(app, failure):
    """Write the script of all the pages."""
    if failure is None:
        texts = json.dumps(app.site_texts, ensure_ascii=False, sort_keys=True)
        path = Path(app.outdir) / "_static" / NAME
        path.write_text(_SCRIPT % texts, encoding="utf-8")


def load(app, pagename, templatename, context, doctree):
    """Load it on the search page alone."""
    if pagename == "search":
        app.add_js_file(NAME)


def setup(app):
    """What Sphinx calls of an extension."""
    app.site_texts = {}
    app.connect("doctree-resolved", collect)
    app.connect("html-page-context", load)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
