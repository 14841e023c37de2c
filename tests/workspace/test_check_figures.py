"""The check at the end of `make reproduce`, on folders where it must pass and must not."""

import json
import re

import matplotlib.pyplot as plt
import pytest
from PIL import Image, ImageDraw, ImageFilter

from splitdeconv.figures import save_figure
from splitdeconv.provenance import sha256
from tools import check_figures, docs


@pytest.fixture
def reproduced(checkout, monkeypatch):
    """A checkout after a full reproduction: two runs, a figure each, one in README.md."""
    monkeypatch.chdir(checkout.root)
    checkout.notebook(
        "bench", parameters="quick = False\nseed = 0\nnetwork = ''", figures="`bench_{network}`"
    )
    checkout.write("README.md", "![times](figures/bench_dcgan.png)\n")
    fig = plt.figure(figsize=(1, 1))
    for network, quick in (("dcgan", "true"), ("fst", "false")):
        text = f"notebook: bench\nminutes: 1\nquick: {quick}\nfigures: [bench_{network}]\n"
        checkout.write(
            f"params/bench_{network}.yaml", f"{text}parameters: {{network: {network}}}\n"
        )
        run = {
            "notebook": "bench",
            "run": f"bench_{network}",
            "parameters": {"network": network, "seed": 0},
        }
        run["inputs"] = [str(checkout.root / "notebooks" / "bench.ipynb")]
        monkeypatch.setenv("SPLITDECONV_RUN", json.dumps(run))
        save_figure(fig, f"bench_{network}", {"seconds": [1.5]})
    plt.close(fig)
    return checkout


def problems(capsys, *arguments):
    """What the check prints, and that its exit code says the same."""
    code = check_figures.main(arguments)
    printed = capsys.readouterr()
    found = re.findall(r"^FAILED (.+)$", printed.err, re.MULTILINE)
    assert bool(code) == bool(found)
    return found or printed.out


def change_row(root, name, **changes):
    path = root / "figures" / "manifest.json"
    rows = [row | changes if row["name"] == name else row for row in json.loads(path.read_text())]
    path.write_text(
        json.dumps([{key: value for key, value in row.items() if value != "gone"} for row in rows])
    )


def row_files(root, name="bench_dcgan"):
    return {path.name: sha256(path) for path in sorted((root / "figures").glob(f"{name}.*"))}


def test_complete_figures_pass(reproduced, capsys):
    assert problems(capsys).startswith(
        "2 figures in figures/, each as PDF, PNG and CSV, with its origin"
    )
    assert problems(capsys, "--quick").startswith("1 figures in figures/")


@pytest.mark.parametrize("kind", ["pdf", "png", "csv"])
def test_a_missing_or_changed_file_fails(reproduced, capsys, kind):
    path = reproduced.root / "figures" / f"bench_fst.{kind}"
    path.write_bytes(path.read_bytes() + b" ")
    assert problems(capsys) == [
        f"figure bench_fst: {path.name} is not the file that its manifest row describes"
    ]
    path.unlink()
    assert problems(capsys) == [f"figure bench_fst: {path.name} is missing"]
    # The figure of a run that QUICK=1 leaves out need not be there after a quick reproduction.
    assert problems(capsys, "--quick").startswith("1 figures")


def test_a_missing_row_or_manifest_fails(reproduced, capsys):
    path = reproduced.root / "figures" / "manifest.json"
    path.write_text(
        json.dumps([row for row in json.loads(path.read_text()) if row["name"] != "bench_dcgan"])
    )
    assert problems(capsys) == ["figure bench_dcgan: it has no row in manifest.json"]
    path.unlink()
    assert len(problems(capsys)) == 2


@pytest.mark.parametrize("key", ["parameters", "inputs", "versions", "device", "seed", "notebook"])
def test_a_row_without_its_origin_fails(reproduced, capsys, key):
    change_row(reproduced.root, "bench_dcgan", **{key: "gone"})
    assert problems(capsys) == [f"figure bench_dcgan: its manifest row lacks {key}"]


def test_a_figure_of_another_run_or_of_a_quick_one_fails(reproduced, capsys):
    change_row(reproduced.root, "bench_dcgan", run="bench_fst", quick=True)
    assert problems(capsys) == [
        "figure bench_dcgan: it was made by bench_fst, not by bench_dcgan",
        "figure bench_dcgan: it comes from a quick run",
    ]
    change_row(reproduced.root, "bench_dcgan", run="bench_dcgan")
    assert problems(capsys, "--quick").startswith("1 figures")


def test_a_figure_that_no_run_makes_must_not_be_shown(reproduced, capsys):
    reproduced.write("README.md", '[pdf](figures/other.pdf) <img src="figures/third.png">\n')
    assert problems(capsys) == [
        "figure other: shown in README.md, but no run makes it",
        "figure third: shown in README.md, but no run makes it",
    ]


def test_a_figure_kept_in_docs_looks_like_the_one_that_was_made(reproduced, capsys):
    made, kept = (reproduced.root / folder / "bench_dcgan.png" for folder in ("figures", "docs"))
    kept.parent.mkdir()
    wrong = [
        "figure bench_dcgan: docs/bench_dcgan.png is not what figures/bench_dcgan.png shows; "
        "if that is right, copy it"
    ]
    picture = Image.new("RGB", (1920, 960), "white")
    ImageDraw.Draw(picture).rectangle((500, 300, 900, 600), fill="steelblue")

    def found(there):
        picture.save(made)
        change_row(reproduced.root, "bench_dcgan", files=row_files(reproduced.root))
        there.save(kept)
        return problems(capsys, "--quick")

    assert found(picture).startswith("1 figures")
    # As another version of a library may draw it: softer, one pixel aside.
    assert found(picture.filter(ImageFilter.BoxBlur(1))).startswith("1 figures")
    assert found(
        picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 1))
    ).startswith("1 figures")
    other = picture.copy()
    ImageDraw.Draw(other).rectangle((880, 580, 920, 620), fill="steelblue")
    assert found(other) == wrong
    assert found(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == wrong
    kept.write_text("no picture")
    assert problems(capsys, "--quick") == wrong
    kept.rename(kept.with_name("stray.png"))
    assert problems(capsys) == ["figure stray: kept as docs/stray.png, but no run makes it"]


def test_the_table_and_the_params_files_must_agree(reproduced, capsys):
    table = reproduced.root / "notebooks" / "README.md"
    text = table.read_text()
    table.write_text(
        text.replace("`bench_{network}`", "`bench_{network}`, `bench_{network}_images`")
    )
    assert problems(capsys) == [
        "figure bench_{network}_images: named in notebooks/README.md, but no run of bench makes it"
    ]
    table.write_text(text.replace("`bench_{network}`", "`bench_dcgan`"))
    assert problems(capsys) == [
        "figure bench_fst: made by bench_fst, but not named in notebooks/README.md"
    ]


def test_two_runs_must_not_make_the_same_figure(reproduced, capsys):
    path = reproduced.root / "params" / "bench_fst.yaml"
    path.write_text(path.read_text().replace("[bench_fst]", "[bench_dcgan]"))
    assert problems(capsys) == ["figure bench_dcgan is made by two runs, bench_dcgan and bench_fst"]


def test_no_figures_at_all_fail(checkout, capsys, monkeypatch):
    monkeypatch.chdir(checkout.root)
    assert problems(capsys) == ["no params file promises a figure"]


def test_a_table_without_its_columns_is_refused(checkout):
    checkout.write("notebooks/README.md", "| notebook | minutes |\n|---|---|\n| one | 1 |\n")
    with pytest.raises(ValueError, match="columns notebook, inputs, figures, minutes is expected"):
        docs.notebook_table(checkout.root)
