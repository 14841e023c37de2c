"""`make lab` as a reader meets it: JupyterLab in a real browser, with pictures.

Run by `make test-lab`, not with the other tests: it takes minutes. Screenshots are left in
build/lab/.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

import splitdeconv as sd
from splitdeconv.pretrained import download
from splitdeconv.study import explorer

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "lab"
BROKEN = "broken"
WIDGET = "application/vnd.jupyter.widget-view+json"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LEFT_OUT = (".git", ".venv", "build", "dist", "figures", "my_figures", "cache", "__pycache__")
LEFT_OUT += ("*.egg-info", ".pytest_cache")
TALLEST = 12000  # pixels
START, LOAD, EXECUTE, ANSWER, STOP = 120, 60, 420, 30, 60  # seconds
# What the notebook in front holds, as it would be saved, and whether its kernel is at rest.
STATE = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    const kernel = panel?.context?.sessionContext?.session?.kernel;
    if (!kernel) return null;
    const notebook = panel.content.model.sharedModel.toJSON();
    return {path: panel.context.path, status: kernel.status, ...notebook};
}"""
DONE = f"""() => {{
    const state = ({STATE})();
    const code = state.cells.filter(cell => cell.cell_type === "code");
    const failed = code.some(cell => cell.outputs.some(output => output.output_type === "error"));
    return state.status === "idle" && (failed || code.every(cell => cell.execution_count !== null));
}}"""
# Scrolls to the top, and tells where the last cell ends, counted from the top of the window.
BOTTOM = """() => {
    document.querySelectorAll(".jp-WindowedPanel-outer").forEach(node => node.scrollTop = 0);
    const cells = [...document.querySelectorAll(".jp-Cell")];
    return Math.max(...cells.map(cell => cell.getBoundingClientRect().bottom));
}"""
# Every picture on display: whether it was decoded to something, and is laid out as something.
PICTURES = """() => [...document.querySelectorAll(".jp-OutputArea img")].map(
    image => [image.complete ? image.naturalWidth : 0, image.getBoundingClientRect().width])"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Where the copy of this checkout is that the browser works in."""
    return tmp_path_factory.mktemp("lab") / "a checkout"


@pytest.fixture(scope="module")
def server(copy):
    """The address of `make lab` in a copy of this checkout: notebooks that run are written to."""
    folder = copy.parent
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    cells = [nbformat.v4.new_code_cell(source) for source in ("fine = 1", "{}['key']", "never = 1")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata=kernel),
        copy / "notebooks" / f"{BROKEN}.ipynb",
    )
    # A home of its own: neither the settings of who runs this nor their open notebooks.
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
    }
    environment |= {
        f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")
    }
    environment |= {
        f"JUPYTERLAB_{name}_DIR": str(folder / name) for name in ("SETTINGS", "WORKSPACES")
    }
    environment |= {
        "IPYTHONDIR": str(folder / "ipython"),
        "SPLITDECONV_DATA": str(download.cache_folder()),
    }
    options = "--no-browser --port=0 --LabApp.expose_app_in_browser=True"
    command = ["make", f"ENVIRONMENT={sys.prefix}", "lab", f"LAB={options}"]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            command,
            cwd=copy,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield address(process, folder)
        finally:
            end(process)


def address(process, folder):
    """Where the server listens, with its token, once it does."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        for path in folder.glob("RUNTIME/jpserver-*.json"):
            try:
                found = json.loads(path.read_text())
            except json.JSONDecodeError:
                continue  # half written
            return found["url"], found["token"]
        time.sleep(0.2)
    raise AssertionError(f"make lab did not start:\n{(folder / 'log').read_text()[-3000:]}")


def end(process):
    """End make, its server and, by the server, its kernels."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP
        try:
            os.killpg(process.pid, number)
            while time.monotonic() < deadline:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(0.2)
        except ProcessLookupError:
            return
    raise AssertionError(f"process group {process.pid} does not end")


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(
            f"there is none of {', '.join(BROWSERS)}: install one, on Debian `apt install chromium`"
        )
    # Chromium refuses its sandbox to root, as containers run tests.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable, args=arguments, timeout=START * 1e3
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, server):
    """A window on the server."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(LOAD * 1e3)
    found = context.new_page()
    url, token = server
    found.goto(f"{url}lab?token={token}")
    yield found
    headers = {"Authorization": f"token {token}"}
    for session in found.request.get(f"{url}api/sessions", headers=headers).json():
        assert found.request.delete(
            f"{url}api/sessions/{session['id']}", headers=headers
        ).ok  # and its kernel
    context.close()


def open_and_run(page, server, name):
    """Open a notebook, choose Run > Run All Cells, wait; what the notebook then holds."""
    page.goto(f"{server[0]}lab/tree/notebooks/{name}.ipynb")
    # The notebook of an earlier session may stand in front for a moment.
    ready = "state => state?.status === 'idle' && state.path === 'notebooks/NAME.ipynb'".replace(
        "NAME", name
    )
    page.wait_for_function(f"({ready})(({STATE})())")
    page.locator("#jp-MainMenu").get_by_text("Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_function(DONE, timeout=EXECUTE * 1e3)
    state = page.evaluate(STATE)
    outputs = [
        output
        for cell in state["cells"]
        if cell["cell_type"] == "code"
        for output in cell["outputs"]
    ]
    errors = [
        f"{output['ename']}: {output['evalue']}"
        for output in outputs
        if output["output_type"] == "error"
    ]
    assert not errors, errors
    return outputs


def shoot(page, name):
    """A picture of the window, one as high as the notebook, and the pictures in it."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    news = page.get_by_role(
        "button", name="No", exact=True
    )  # JupyterLab asks whether to show its own
    if news.count():
        news.click()
        news.wait_for(state="detached", timeout=ANSWER * 1e3)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    # Cells out of sight are not laid out: a window that is surely too high first, then one that
    # fits.
    height = TALLEST
    for _ in range(2):
        page.set_viewport_size({"width": 1400, "height": height})
        page.evaluate(BOTTOM)
        page.wait_for_timeout(2000)
        height = int(page.evaluate(BOTTOM)) + 60
    assert height < TALLEST
    page.screenshot(path=SCREENSHOTS / f"{name}_all.png")
    found = page.evaluate(PICTURES)
    page.set_viewport_size({"width": 1400, "height": 900})
    return found


def figures(outputs):
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize(("name", "least"), [("01_the_split", 4), ("10_convert_your_model", 2)])
def test_a_notebook_runs_from_the_menu_and_shows_its_figures(page, server, copy, name, least):
    count = figures(open_and_run(page, server, name))
    assert count >= least
    # They are the reader's own, and say where they come from.
    rows = json.loads((copy / "my_figures" / "manifest.json").read_text())
    own = [row for row in rows if row["notebook"] == name]
    assert len(own) >= least
    for row in own:
        assert (row["run"], row["parameters"]["seed"]) == (None, row["seed"])
        assert f"notebooks/{name}.ipynb" in row["inputs"]
    assert not (copy / "figures").exists()
    shown = shoot(page, name)
    assert len(shown) == count
    assert all(natural > 100 and width > 100 for natural, width in shown), shown


def test_a_notebook_that_fails_is_found_out(page, server):
    with pytest.raises(AssertionError, match="KeyError: 'key'"):
        open_and_run(page, server, BROKEN)


def test_the_first_notebook_answers_its_widgets(page, server):
    outputs = open_and_run(page, server, "00_start_here")
    widgets = sum(WIDGET in output.get("data", {}) for output in outputs)
    assert (widgets, figures(outputs)) == (1, 2)
    shown = shoot(page, "00_start_here")
    assert len(shown) == 4
    assert all(natural > 100 and width > 100 for natural, width in shown), shown

    says(page, explorer.INITIAL)
    split, cost = (page.locator(".jp-OutputArea .widget-image").nth(index) for index in (0, 1))
    before = split.get_attribute("src"), cost.get_attribute("src")
    kernel = page.locator(".widget-slider", has_text="kernel").locator(".noUi-handle")
    kernel.press("ArrowLeft")
    kernel.press("ArrowLeft")
    says(page, explorer.INITIAL | {"kernel": 3})
    page.locator(".widget-dropdown", has_text="processor").locator("select").select_option(
        "dot_product_16x16"
    )
    moved = {"kernel": 3, "processor": "dot_product_16x16"}
    says(page, explorer.INITIAL | moved)
    after = split.get_attribute("src"), cost.get_attribute("src")
    assert not set(before) & set(after)
    widths = [picture.evaluate("image => image.naturalWidth") for picture in (split, cost)]
    assert widths == [1520, 1520]
    page.screenshot(path=SCREENSHOTS / "00_start_here_moved.png")

    channels = page.locator(".widget-text", has_text="channels in").locator("input")
    channels.fill("0")
    channels.press("Enter")
    page.get_by_text("in_channels must be a positive integer").wait_for(timeout=ANSWER * 1e3)
    split.wait_for(state="hidden", timeout=ANSWER * 1e3)
    cost.wait_for(state="hidden", timeout=ANSWER * 1e3)
    page.screenshot(path=SCREENSHOTS / "00_start_here_refused.png")
    channels.fill("24")
    channels.press("Enter")
    says(page, explorer.INITIAL | moved | {"in_channels": 24})
    split.wait_for(state="visible", timeout=ANSWER * 1e3)
    assert not page.get_by_text("in_channels must be").count()


def says(page, choice):
    """Wait for the widgets to show the numbers of a choice."""
    (row,) = explorer.account(**choice).query("chosen").itertuples()
    counts = sd.plan(
        (choice["size"],) * 2, choice["kernel"], choice["stride"], choice["padding"]
    ).macs(choice["in_channels"], choice["out_channels"])
    wanted = rf"{counts[row.form]:,}; by zero insertion {counts['nzp']:,};.*{row.speedup:.2f} times"
    page.locator(".widget-html", has_text=re.compile(wanted, re.DOTALL)).wait_for(
        timeout=ANSWER * 1e3
    )
