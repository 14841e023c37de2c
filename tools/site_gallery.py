"""The gallery of the documentation site: every figure, by notebook, with its files."""

import shutil
from itertools import groupby

import nbformat
from PIL import Image

from tools import site_images

WIDTH = 720  # pixels of a thumbnail: twice what the gallery shows it in, for sharp screens
EMPTY = "There are no figures here yet: `make reproduce` makes them.\n"


def write(root, source):
    """Write figures.md: a section for each notebook, with its figures and links to their files.

    A thumbnail leads to the whole picture, the line below it to the notebook, the PDF and the CSV.

    Args:
        root: of the checkout.
        source: of the site.
    """
    folder, whole = root / "figures", source / "_static" / "figures"
    for place in (source / "thumbnails", whole):
        place.mkdir(parents=True)
    rows = site_images.manifest(root)
    rows = [row for row in rows if (folder / f"{row['name']}.png").is_file()]
    rows = sorted(rows, key=lambda row: (row["notebook"], row["run"]))
    sections = []
    for notebook, its_rows in groupby(rows, key=lambda row: row["notebook"]):
        figures = [_figure(row, folder, source) for row in its_rows]
        heading = _heading(root / "notebooks" / f"{notebook}.ipynb", notebook)
        sections.append(
            "\n".join([f"## {heading}", "", "````{container} gallery", *figures, "````"])
        )
    (source / "figures.md").write_text("\n\n".join(sections) + "\n" if sections else EMPTY)


def _figure(row, folder, source) -> str:
    """A figure of the gallery, and its files where the site finds them."""
    name, picture = row["name"], f"{row['name']}.png"
    with Image.open(folder / picture) as whole:
        small = whole.convert("RGB")
        small.thumbnail((WIDTH, WIDTH))
        small.save(source / "thumbnails" / picture)
    shutil.copy(folder / picture, source / "_static" / "figures")
    links = []
    for kind in ("pdf", "csv"):
        if (folder / f"{name}.{kind}").is_file():
            shutil.copy(folder / f"{name}.{kind}", source / "thumbnails")
            links.append(f"{{download}}`{kind.upper()} </thumbnails/{name}.{kind}>`")
    own = source / "notebooks" / f"{row['run']}.ipynb"
    page = row["run"] if own.is_file() else row["notebook"]
    shown = site_images.in_words(row)
    return (
        f"```{{figure}} /thumbnails/{picture}\n"
        f":target: _static/figures/{picture}\n:alt: {shown}\n\n"
        f"{shown} [{page}](/notebooks/{page}.ipynb) {' '.join(links)}\n```\n"
    )


def _heading(path, name) -> str:
    """The heading of a notebook; its name if it is not there."""
    if not path.is_file():
        return name
    return nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].lstrip("# ")
