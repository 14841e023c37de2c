"""What `save_figure` leaves on disk, byte by byte, and what it refuses."""

import hashlib
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from splitdeconv import SplitDeconvError, figures as module
from splitdeconv.figures import COLOURS, describe_run, save_figure

DATA = pd.DataFrame({"form": ["split", "nzp"], "macs": [1.25, 4.0]})


@pytest.fixture
def figure():
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.bar(DATA["form"], DATA["macs"], color=[COLOURS[form] for form in DATA["form"]])
    ax.set(xlabel="form", ylabel="MACs, relative to useful")
    yield fig
    plt.close(fig)


def rows(folder):
    return {row["name"]: row for row in json.loads((folder / "manifest.json").read_text())}


def content(folder):
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")
    }


def test_same_figure_same_bytes(figure, tmp_path):
    for folder in ("first", "second"):
        save_figure(
            figure, "macs", DATA, directory=tmp_path / folder, caption="MACs by form.", seed=3
        )
    first, second = content(tmp_path / "first"), content(tmp_path / "second")
    assert set(first) == {"macs.png", "macs.pdf", "macs.csv", "manifest.json"}
    assert first == second


def test_the_title_stands_above_everything(figure, tmp_path):
    figure.legend(["a legend"], loc="upper center", bbox_to_anchor=(0.5, 1.2))
    figure.canvas.draw()
    top = figure.get_tightbbox().y1
    title = "Splitting needs 1.25 times the useful work, zero insertion 4.00 times"
    for _ in range(2):  # saved again, it is not drawn twice
        save_figure(figure, "macs", DATA, title=title, directory=tmp_path)
    (text,) = (text for text in figure.texts if text.get_gid() == "title")
    assert text.get_text().replace("\n", " ") == title
    assert text.get_window_extent().y0 / figure.dpi > top
    assert text.get_window_extent().width <= 1.05 * figure.get_tightbbox().width * figure.dpi
    assert rows(tmp_path)["macs"]["title"] == title


def test_another_figure_other_bytes(figure, tmp_path):
    save_figure(figure, "macs", DATA, directory=tmp_path / "first")
    figure.axes[0].set_xlabel("another label")
    save_figure(figure, "macs", DATA, directory=tmp_path / "second")
    first, second = content(tmp_path / "first"), content(tmp_path / "second")
    assert first["macs.csv"] == second["macs.csv"]
    assert first["macs.png"] != second["macs.png"]
    assert first["macs.pdf"] != second["macs.pdf"]


def test_nothing_written_is_dated_or_signed(figure, tmp_path):
    save_figure(figure, "macs", DATA, directory=tmp_path)
    pdf, png = (tmp_path / "macs.pdf").read_bytes(), (tmp_path / "macs.png").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert png.startswith(b"\x89PNG")
    for key in (b"CreationDate", b"ModDate", b"Producer", b"Creator", b"/Type3"):
        assert key not in pdf
    assert b"tEXt" not in png
    assert b"tIME" not in png


def test_csv_holds_the_numbers(figure, tmp_path):
    save_figure(figure, "plain", DATA, directory=tmp_path)
    save_figure(figure, "indexed", DATA.set_index("form"), directory=tmp_path)
    save_figure(figure, "mapping", {"x": np.array([0.1, 1 / 3])}, directory=tmp_path)
    assert (tmp_path / "plain.csv").read_text() == "form,macs\nsplit,1.25\nnzp,4.0\n"
    assert (tmp_path / "indexed.csv").read_text() == (tmp_path / "plain.csv").read_text()
    header, *values = (tmp_path / "mapping.csv").read_text().splitlines()
    assert (header, [float(value) for value in values]) == ("x", [0.1, 1 / 3])


def test_axes_stand_for_their_figure(figure, tmp_path):
    save_figure(figure, "figure", DATA, directory=tmp_path)
    save_figure(figure.axes[0], "axes", DATA, directory=tmp_path)
    assert (tmp_path / "figure.png").read_bytes() == (tmp_path / "axes.png").read_bytes()


def test_manifest_row_tells_the_origin(figure, tmp_path, monkeypatch):
    table, weights = tmp_path / "data" / "table.csv", tmp_path / "weights.bin"
    table.parent.mkdir()
    table.write_bytes(b"a,b\n1,2\n")
    weights.write_bytes(b"\x00\x01")
    run = {
        "notebook": "03_benchmark",
        "run": "03_benchmark_dcgan",
        "parameters": {"network": "dcgan", "quick": True, "seed": 7},
        "inputs": [str(table)],
    }
    monkeypatch.setenv("SPLITDECONV_RUN", json.dumps(run))
    monkeypatch.setenv("SPLITDECONV_FIGURES", str(tmp_path / "figures"))
    save_figure(figure, "macs", DATA, caption="MACs by form.", inputs=[weights])
    row = rows(tmp_path / "figures")["macs"]
    assert {key: row[key] for key in ("notebook", "run", "parameters")} == {
        key: run[key] for key in run if key != "inputs"
    }
    assert (row["caption"], row["quick"], row["seed"]) == ("MACs by form.", True, 7)
    # Paths are relative to the folder that holds figures/, so that no machine's path is in the
    # manifest.
    assert row["inputs"] == {
        "data/table.csv": hashlib.sha256(b"a,b\n1,2\n").hexdigest(),
        "weights.bin": hashlib.sha256(b"\x00\x01").hexdigest(),
    }
    for name, digest in row["files"].items():
        assert hashlib.sha256((tmp_path / "figures" / name).read_bytes()).hexdigest() == digest
    assert sorted(row["files"]) == ["macs.csv", "macs.pdf", "macs.png"]
    assert row["versions"]["numpy"] == np.__version__
    assert row["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert row["device"].endswith("logical cores")
    assert str(tmp_path) not in (tmp_path / "figures" / "manifest.json").read_text()


def test_outside_a_run(figure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/01_the_split.ipynb")
    save_figure(figure, "macs", DATA, seed=5)
    row = rows(tmp_path / "figures")["macs"]
    assert (row["notebook"], row["run"], row["parameters"], row["quick"], row["seed"]) == (
        "01_the_split",
        None,
        {},
        False,
        5,
    )


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A checkout's top folder, as far as its marks go, and nothing told about where figures go."""
    monkeypatch.setattr(module, "_described", {})
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    for name in ("SPLITDECONV_FIGURES", "SPLITDECONV_RUN"):
        monkeypatch.delenv(name, raising=False)
    for folder in ("params", "splitdeconv", "notebooks/deep", "figures"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "splitdeconv" / "figures.py").touch()
    return tmp_path


@pytest.mark.parametrize("here", [".", "notebooks", "notebooks/deep", "figures"])
def test_a_readers_own_run_in_a_checkout_writes_to_a_folder_of_its_own(
    figure, workspace, monkeypatch, here
):
    monkeypatch.chdir(workspace / here)
    save_figure(figure, "macs", DATA)
    assert set(content(workspace / "my_figures")) == {
        "macs.png",
        "macs.pdf",
        "macs.csv",
        "manifest.json",
    }
    assert content(workspace / "figures") == {}


def test_whoever_names_a_folder_gets_that_one(figure, workspace, monkeypatch):
    monkeypatch.chdir(workspace / "notebooks")
    save_figure(figure, "macs", DATA, directory="given")
    monkeypatch.setenv("SPLITDECONV_FIGURES", "named")
    save_figure(figure, "macs", DATA)
    assert [path.name for path in sorted(workspace.glob("**/macs.csv"))] == ["macs.csv", "macs.csv"]
    assert {path.parent.name for path in workspace.glob("**/macs.csv")} == {"given", "named"}


def test_a_readers_own_figure_tells_its_notebook_parameters_and_model(
    figure, workspace, monkeypatch
):
    notebook, model = workspace / "notebooks" / "04_array.ipynb", workspace / "own.onnx"
    notebook.write_bytes(b"{}")
    model.write_bytes(b"weights")
    monkeypatch.chdir(workspace / "notebooks")
    parameters = {"networks": ["own.onnx"], "quick": True, "seed": 11}
    describe_run(notebook="04_array", parameters=parameters, inputs=[model])
    save_figure(figure, "macs", DATA)
    row = rows(workspace / "my_figures")["macs"]
    assert (row["notebook"], row["run"], row["parameters"]) == ("04_array", None, parameters)
    assert (row["quick"], row["seed"]) == (True, 11)
    assert row["inputs"] == {
        "notebooks/04_array.ipynb": hashlib.sha256(b"{}").hexdigest(),
        "own.onnx": hashlib.sha256(b"weights").hexdigest(),
    }
    # A copy of the notebook, open in JupyterLab under a name of its own, is what ran.
    copy = workspace / "notebooks" / "mine.ipynb"
    copy.write_bytes(b"[]")
    monkeypatch.setenv("JPY_SESSION_NAME", str(copy))
    save_figure(figure, "macs", DATA)
    row = rows(workspace / "my_figures")["macs"]
    assert (row["notebook"], row["parameters"]) == ("mine", parameters)
    assert row["inputs"]["notebooks/mine.ipynb"] == hashlib.sha256(b"[]").hexdigest()


def test_a_run_of_make_writes_to_figures_only_what_it_lists(figure, workspace, monkeypatch):
    monkeypatch.chdir(workspace / "notebooks")
    run = {"notebook": "04_array", "run": "mine", "parameters": {}, "figures": ["listed"]}
    run["others"] = str(workspace / "my_figures" / "mine")
    monkeypatch.setenv("SPLITDECONV_RUN", json.dumps(run))
    monkeypatch.setenv("SPLITDECONV_FIGURES", str(workspace / "figures"))
    model = workspace / "own.tflite"
    model.write_bytes(b"weights")
    describe_run(notebook="another", parameters={"seed": 1}, inputs=[model])
    for name in ("listed", "unlisted"):
        save_figure(figure, name, DATA)
    assert set(rows(workspace / "figures")) == {"listed"}
    assert set(rows(workspace / "my_figures" / "mine")) == {"unlisted"}
    row = rows(workspace / "my_figures" / "mine")["unlisted"]
    assert (row["notebook"], row["run"], row["parameters"]) == ("04_array", "mine", {})
    assert set(row["inputs"]) == {"own.tflite"}  # relative to the checkout, however deep


def test_saving_again_replaces_the_row(figure, tmp_path):
    for caption in ("old", "new"):
        save_figure(figure, "macs", DATA, directory=tmp_path, caption=caption)
    save_figure(figure, "a_first", DATA, directory=tmp_path)
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert [(row["name"], row["caption"]) for row in written] == [("a_first", ""), ("macs", "new")]
    assert pd.read_json(tmp_path / "manifest.json")["name"].tolist() == ["a_first", "macs"]


def write_several(folder, writer):
    fig, ax = plt.subplots(figsize=(1, 1))
    ax.plot([0, 1])
    for index in range(4):
        save_figure(fig, f"w{writer}_{index}", {"y": [0, 1]}, directory=folder)
    plt.close(fig)


@pytest.mark.slow
def test_concurrent_writers_keep_every_row(tmp_path):
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(write_several, tmp_path, writer) for writer in range(3)]:
            done.result()
    assert sorted(rows(tmp_path)) == sorted(
        f"w{writer}_{index}" for writer in range(3) for index in range(4)
    )
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*.part"))


class Unwritable(mpl.figure.Figure):
    """A figure whose drawing fails halfway."""

    def savefig(self, path, **options):
        path.write_bytes(b"half a picture")
        raise RuntimeError("cannot draw")


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError, match="cannot draw"):
        save_figure(Unwritable(), "macs", DATA, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["", "Macs", "a b", "../macs", "figures/macs", "macs.png", "_macs", None]
)
def test_bad_name_is_refused(figure, tmp_path, name):
    with pytest.raises(SplitDeconvError, match="invalid figure name"):
        save_figure(figure, name, DATA, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_data_is_refused(figure, tmp_path):
    with pytest.raises(
        SplitDeconvError, match=r"numbers behind it[\s\S]*'macs'[\s\S]*0 rows, 2 columns"
    ):
        save_figure(figure, "macs", DATA[:0], directory=tmp_path)


def test_missing_input_is_refused(figure, tmp_path):
    with pytest.raises(
        SplitDeconvError, match=r"input of the figure does not exist[\s\S]*absent\.csv"
    ):
        save_figure(figure, "macs", DATA, directory=tmp_path, inputs=[tmp_path / "absent.csv"])
    assert list(tmp_path.iterdir()) == []
