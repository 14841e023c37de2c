"""Which runs are executed again because a figure is not theirs, and which are left alone."""

import json

import matplotlib.pyplot as plt
import pytest

from splitdeconv.figures import save_figure
from tools import heal


@pytest.fixture
def reproduced(checkout, monkeypatch):
    """A checkout after a full reproduction of two runs, one of them quick."""
    monkeypatch.chdir(checkout.root)
    monkeypatch.setenv("SPLITDECONV_FIGURES", "figures")
    checkout.notebook("bench")
    for name, quick in (("bench", "true"), ("bench_two", "false")):
        figure = f"{name}_times"
        text = f"notebook: bench\nminutes: 1\nquick: {quick}\nfigures: [{figure}]\n"
        checkout.write(f"params/{name}.yaml", text)
        checkout.write(f"build/executed/{name}.ipynb", "{}")
        save(monkeypatch, figure, run=name)
    return checkout


def save(monkeypatch, figure, **run):
    """Save a figure as a run would that says this of itself."""
    origin = {"notebook": "bench", "parameters": {"seed": 5}, "inputs": ["params/bench.yaml"]}
    monkeypatch.setenv("SPLITDECONV_RUN", json.dumps(origin | run))
    fig = plt.figure(figsize=(1, 1))
    save_figure(fig, figure, {"seconds": [1.5]})
    plt.close(fig)


def left(root):
    """The executed notebooks that are still there."""
    return sorted(path.stem for path in (root / "build" / "executed").glob("*.ipynb"))


def test_what_is_right_is_left_alone(reproduced, capsys):
    assert heal.main([]) == 0
    assert capsys.readouterr() == ("", "")
    assert left(reproduced.root) == ["bench", "bench_two"]


def test_a_figure_of_another_run_is_made_again(reproduced, monkeypatch, capsys):
    save(monkeypatch, "bench_two_times", run="mine")
    assert heal.main(["--quick"]) == 0  # a run that QUICK=1 leaves out
    assert left(reproduced.root) == ["bench", "bench_two"]
    heal.main([])
    assert capsys.readouterr().out == (
        "bench_two is executed again: figure bench_two_times: "
        "it was made by mine, not by bench_two\n"
    )
    assert left(reproduced.root) == ["bench"]
    heal.main([])  # what make executes anyway is not looked at
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", ["{", "{}", "[1]", "[{}]"])
def test_a_damaged_manifest_is_made_anew(reproduced, capsys, content):
    reproduced.write("figures/manifest.json", content)
    heal.main([])
    printed = capsys.readouterr().out.splitlines()
    problem = "is executed again: figures/manifest.json was damaged"
    assert printed == [f"bench {problem}", f"bench_two {problem}"]
    assert not (reproduced.root / "figures" / "manifest.json").exists()


def test_a_quick_figure_is_made_again_where_make_takes_it_for_a_full_one(
    reproduced, monkeypatch, capsys
):
    save(monkeypatch, "bench_times", run="bench", parameters={"seed": 5, "quick": True})
    reproduced.touch("build/executed/bench.quick")
    heal.main([])
    assert capsys.readouterr().out == ""  # make sees the mark
    (reproduced.root / "build" / "executed" / "bench.quick").unlink()
    heal.main([])
    assert "bench_times: it comes from a quick run" in capsys.readouterr().out
    assert left(reproduced.root) == ["bench_two"]


def test_params_files_that_promise_nothing_are_left_to_the_check(checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout.root)
    assert heal.main([]) == 0
    assert "no params file promises a figure" in capsys.readouterr().err
