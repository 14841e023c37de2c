"""Damaged executed notebooks and caches are made again, or named."""

import json
import re

import pytest

from tools import check_figures

pytestmark = pytest.mark.slow

WHOLE = '{\n "cells": []\n}\n'
FETCH = "-m splitdeconv.pretrained"


@pytest.fixture
def executed(checkout):
    """A checkout with three executed runs; its `again` tells which of them make would run."""
    checkout.touch("data/cache/.fetched")
    checkout.notebook("one", "fine = 1")
    for name in ("one_a", "one_b", "one_c"):
        checkout.write(f"params/{name}.yaml", "notebook: one\nminutes: 1\n")
        checkout.write(f"build/executed/{name}.ipynb", WHOLE)

    def again(*arguments):
        result = checkout.make("--dry-run", *arguments)
        assert result.returncode == 0, result.stderr
        return re.findall(r"build/executed/(\w+)\.ipynb", result.stdout)

    checkout.again = again
    return checkout


@pytest.mark.parametrize(
    "damaged", ["", " ", "\0" * 100, WHOLE[:-3], WHOLE[:5], "{\n}\n" + "\0" * 512]
)
def test_an_executed_notebook_that_was_cut_off_is_made_again(executed, damaged):
    assert executed.again("reproduce") == []
    executed.write("build/executed/one_b.ipynb", damaged)
    assert executed.again("reproduce") == ["one_b"]
    assert executed.again("build/executed/one_b.ipynb") == ["one_b"]
    # Some writers end without a newline.
    executed.write("build/executed/one_b.ipynb", WHOLE.rstrip())
    assert executed.again("reproduce") == []


def test_an_executed_notebook_damaged_inside_is_named(executed, monkeypatch, capsys):
    monkeypatch.chdir(executed.root)
    assert check_figures.damaged() == []
    executed.write("build/executed/one_b.ipynb", WHOLE.replace("[", "\0"))
    (problem,) = check_figures.damaged()
    assert problem.startswith("build/executed/one_b.ipynb is damaged (")
    assert problem.endswith("; remove it and run make again")
    executed.write("params/one_a.yaml", "notebook: one\nminutes: 1\nfigures: [f]\n")
    assert check_figures.main([]) == 1
    assert f"FAILED {problem}" in capsys.readouterr().err


def test_a_cache_that_has_lost_or_changed_a_file_is_fetched_again(checkout):
    weights = checkout.root / "data" / "cache" / "a model" / "weights.bin"
    checkout.write(weights.relative_to(checkout.root), "0123456789")
    assert checkout.make("data").stdout == "weights fetched\n"
    wanted = {"truncated": lambda: weights.write_text("01"), "removed": weights.unlink}
    for how, damage in wanted.items():
        assert FETCH not in checkout.make("--dry-run", "lab").stdout, how
        damage()
        assert FETCH in checkout.make("--dry-run", "lab").stdout, how
        checkout.write(weights.relative_to(checkout.root), "0123456789")
        assert checkout.make("data").returncode == 0
    mark = checkout.root / "data" / "cache" / ".fetched"
    assert [line.split(" 10 ")[0] for line in mark.read_text().splitlines()] == [
        "data/cache/a model/weights.bin"
    ]


def test_a_notebook_is_not_run_again_for_its_cache(executed):
    executed.write("data/cache/weights.bin", "01")
    printed = executed.make("--dry-run", "reproduce").stdout
    assert FETCH in printed
    assert "run_notebook" not in printed


def test_executed_notebooks_as_written_here_are_taken_for_whole(checkout):
    checkout.notebook("one", "print(1)")
    checkout.write("params/one.yaml", "notebook: one\nminutes: 1\n")
    first = checkout.make("build/executed/one.ipynb")
    assert first.returncode == 0, first.stderr
    assert json.loads((checkout.root / "build" / "executed" / "one.ipynb").read_text())["cells"]
    assert "run_notebook" not in checkout.make("--dry-run", "build/executed/one.ipynb").stdout
