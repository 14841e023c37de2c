"""The sources of the documentation site: docs/, and pages of README, notebooks and figures."""

import json
import os
import re
import shutil
from pathlib import Path

import nbformat
from typer.main import get_command
from typer.testing import CliRunner

from splitdeconv import cli
from tools import colab, runs, site_gallery, site_images

WIDGET = "application/vnd.jupyter.widget-view+json"
# Documents at the top that are pages of the site, and where.
PAGES = {
    "README.md": "/index.md",
    "CHANGELOG.md": "/changelog.md",
    "CONTRIBUTING.md": "/contributing.md",
    "SECURITY.md": "/security.md",
}
SHOWN = "Shown as executed by `make reproduce`"
QUICK = "Shown as executed by `make reproduce QUICK=1`, with smaller samples"
BARE = "Shown without outputs: it has not been executed here; `make reproduce` does."


def assemble(root, source, address):
    """Write the sources of the site.

    Args:
        root: of the checkout.
        source: a folder, which must not exist.
        address: where the repository is published; what is no page of the site is linked to there.
    """
    root = Path(root)
    shutil.copytree(root / "docs", source)
    for document in PAGES:
        text = relink((root / document).read_text(), Path(), root, address)
        (source / document).write_text(text)
    guide(source / "README.md", source / "guide")
    (source / "notebooks").mkdir()
    pages = [
        page
        for path in notebooks(root)
        for page in notebook(path, root, source / "notebooks", address)
    ]
    table = relink((root / "notebooks" / "README.md").read_text(), Path("notebooks"), root, address)
    (source / "notebooks" / "index.md").write_text(f"{table}\n{toctree(pages)}")
    site_gallery.write(root, source)
    (source / "slider.md").write_text(site_images.first_slider(root))
    (source / "report.md").write_text(report(root / "build", source / "_static"))
    (source / "help.md").write_text(usage())


def report(built, folder) -> str:
    """One line of the first page, which leads to the report; how to make it otherwise.

    Sphinx would make a link to the copied file a download, which does not open.
    """
    files = [built / f"report.{kind}" for kind in ("html", "pdf")]
    if not all(file.is_file() for file in files):
        return "The report on every claim of the paper is made by `make reproduce`.\n"
    folder.mkdir(exist_ok=True)
    for file in files:
        shutil.copy(file, folder)
    page, pdf = (
        f'<a href="{folder.name}/report.{kind}">{text}</a>'
        for kind, text in (("html", "The report"), ("pdf", "PDF"))
    )
    return f"{page} ({pdf}) sets every claim of the paper beside what comes out here.\n"


def notebooks(root) -> list[Path]:
    """Every notebook, by name."""
    return sorted(Path(root).glob("notebooks/*.ipynb"))


def relink(text, folder, root, address) -> str:
    """Turn a document's relative links into links of the site, or to `address`.

    A badge from elsewhere that is a link becomes the words it stands for.
    """
    text = re.sub(r"\[!(\[[^]]+\])\(https?://[^)]*\)\](?=\()", r"\1", text)

    def target(match):
        link, anchor = match["link"], match["anchor"] or ""
        path = os.path.normpath(folder / link)
        if path == "notebooks/README.md":
            return "](/notebooks/index.md)"
        if path in PAGES:
            return f"]({PAGES[path]}{anchor})"
        if path.startswith("notebooks/") and path.endswith(".ipynb"):
            return f"](/{page_of(Path(root) / path, root)})"
        if path.startswith("docs/") and path.endswith((".png", ".svg")):
            return f"](/{Path(path).name})"
        if path.startswith("docs/") and path.endswith(".md"):
            return f"](/{path.removeprefix('docs/')}{anchor})"
        kind = "tree" if (Path(root) / path).is_dir() else "blob"
        return f"]({address}/{kind}/main/{path}{anchor})"

    return re.sub(r"\]\((?!\w+:|#|/)(?P<link>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)", target, text)


def guide(readme, folder):
    """Make a page of each of the README's sections, in their order, and link to these pages."""
    folder.mkdir()
    text = readme.read_text()
    for number, title in enumerate(re.findall(r"^## (.*)$", text, re.MULTILINE)):
        name = re.sub(r"\W+", "-", title.lower()).strip("-")
        text = text.replace(f"](#{name})", f"](/guide/{number:02}-{name}.md)")
    readme.write_text(text)
    for number, section in enumerate(re.split(r"^## ", text, flags=re.MULTILINE)[1:]):
        title, _, text = section.partition("\n")
        name = re.sub(r"\W+", "-", title.lower()).strip("-")
        # The section's heading is the page's; those below it rise as well.
        text = re.sub("^###", "##", text, flags=re.MULTILINE)
        (folder / f"{number:02}-{name}.md").write_text(f"# {title}\n{text}")


def usage() -> str:
    """What `--help` says, verb by verb."""
    page, runner = [], CliRunner(env={"COLUMNS": "104", "TERM": "dumb"})
    for verb in get_command(cli.app).commands:
        shown = runner.invoke(cli.app, [verb, "--help"], prog_name="splitdeconv").output
        text = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        page.append(f"## splitdeconv {verb}\n\n```\n{text}\n```\n")
    return "\n".join(page)


# ---- notebooks ---------------------------------------------------------------------------------


def runs_of(path, root) -> list[runs.Run]:
    """The runs of a notebook."""
    return [run for run in runs.read_all(root) if run.notebook.name == Path(path).name]


def page_of(path, root) -> str:
    """The page of a notebook: itself, its only run, or the list of its runs."""
    return f"notebooks/{Path(path).stem}.{'md' if len(runs_of(path, root)) > 1 else 'ipynb'}"


def notebook(path, root, folder, address) -> list[str]:
    """Write a notebook's page, and one for each of several runs; return the names to list."""
    its_runs = runs_of(path, root)
    names = [run.name for run in its_runs] if len(its_runs) > 1 else [path.stem]
    executed = [Path(root) / "build" / "executed" / f"{run.name}.ipynb" for run in its_runs] or [
        path
    ]
    for name, result in zip(names, executed, strict=True):
        shown = nbformat.read(result if result.is_file() else path, as_version=4)
        title = f": {name.removeprefix(path.stem).strip('_')}" if len(its_runs) > 1 else ""
        rows = [row for row in site_images.manifest(root) if row["run"] == name]
        site_images.describe(shown, rows)
        dress(shown, title, note(result) if its_runs else BARE, root, address)
        nbformat.write(shown, folder / f"{name}.ipynb")
    if len(its_runs) > 1:
        heading = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
        text = f"{heading}\n\n`notebooks/{path.name}`, once for each of the files in `params/`:\n\n"
        (folder / f"{path.stem}.md").write_text(text + toctree(names, hidden=False))
    return [path.stem]


def note(result) -> str:
    """One line on where the outputs of a page come from: day, machine, minutes and seed."""
    if not result.is_file():
        return BARE
    run = json.loads(result.read_text())["metadata"].get("papermill", {})
    known = [QUICK if result.with_suffix(".quick").exists() else SHOWN]
    if run.get("end_time"):
        known.append(f"on {run['end_time'][:10]}")
    known.append(f"on {_machine(result)}" if _machine(result) else "")
    if run.get("duration"):
        known.append(f"in {run['duration'] / 60:.1f} minutes")
    seed = run.get("parameters", {}).get("seed")
    return " ".join(filter(None, known)) + (f", seed {seed}" if seed is not None else "") + "."


def _machine(result) -> str:
    """The machine of a run, as the manifest of its figures names it."""
    rows = site_images.manifest(result.parents[2])
    machines = {row["device"] for row in rows if row["run"] == result.stem and row.get("device")}
    return machines.pop() if len(machines) == 1 else ""


def dress(shown, title, line, root, address):
    """Make a notebook a page: a title, a note, links within the site, no cells for Colab alone."""
    shown.metadata.pop("widgets", None)
    injected = any("injected-parameters" in cell.metadata.get("tags", ()) for cell in shown.cells)
    for cell in shown.cells:
        tags = cell.metadata.setdefault("tags", [])
        if cell.cell_type == "markdown":
            cell.source = relink(cell.source, Path("notebooks"), root, address)
        elif cell.get("id") == colab.ID or (injected and "parameters" in tags):
            tags.append("remove-cell")  # what a run was given follows the notebook's own parameters
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET, None)
    heading, _, rest = shown.cells[0].source.partition("\n")
    shown.cells[0].source = f"{heading}{title}\n\n*{line}*\n{rest}"


def toctree(names, *, hidden=True) -> str:
    """A table of contents of pages beside the one it stands in."""
    return "\n".join(["```{toctree}", *([":hidden:"] if hidden else []), "", *names, "```", ""])
