"""The documentation site by Sphinx: docs/, README, docstrings, notebooks; no network needed.

``python -m tools.site`` builds build/site. What it is built from is put together in
build/site_source first, so that docs/ holds only what is written by hand.
"""

import re
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from tools import colab, site_pages

# What a browser would fetch of its own accord; links are the reader's own to follow.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\ssrc=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b(?![^>]*rel=["']canonical)[^>]*?\shref=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|(?:url\(|@import )\s*["']?(?:https?:)?//[^"'\s)]+""",
    re.IGNORECASE,
)


def main(root=None) -> int:
    """Build the site of a checkout; 0 done, 1 failed."""
    root = Path(root or Path.cwd()).resolve()
    source, built, site = (root / "build" / name for name in ("site_source", "site_built", "site"))
    for folder in (source, built):
        shutil.rmtree(folder, ignore_errors=True)
    site_pages.assemble(root, source, colab.address(root))
    options = ["-W", "--keep-going", "-q", "-b", "html", "-d", f"{built}/.doctrees"]
    if build_main([*options, str(source), str(built)]):
        print(f"FAILED: the pages that Sphinx complains of are in {source}", file=sys.stderr)
        return 1
    remote = fetched(built)
    for page, addresses in remote.items():
        print(f"FAILED {page}: a browser would fetch {', '.join(addresses)}", file=sys.stderr)
    if remote:
        return 1
    shutil.rmtree(built / ".doctrees")
    shutil.rmtree(site, ignore_errors=True)
    built.rename(site)
    pages = len(list(site.rglob("*.html")))
    print(f"{pages} pages; open {(site / 'index.html').relative_to(root)}")
    return 0


def fetched(folder) -> dict[str, list[str]]:
    """The pages and styles of a site that need the network, each with what it would fetch."""
    paths = [path for kind in ("*.html", "*.css") for path in sorted(Path(folder).rglob(kind))]
    by_page = {path: FETCHED.findall(path.read_text()) for path in paths}
    return {
        path.relative_to(folder).as_posix(): addresses
        for path, addresses in by_page.items()
        if addresses
    }


if __name__ == "__main__":
    sys.exit(main())
