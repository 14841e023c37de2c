"""A runtime's two looks at a layer, and its comparison of whole models."""

import onnx
import pandas as pd
import pytest

from splitdeconv.convert.variants.variant import NATIVE
from splitdeconv.toolchains import cpu
from splitdeconv.tuning.choose import choose
from splitdeconv.tuning.oracle import Cost
from splitdeconv.tuning.oracles import oracle, runtimes
from tests.tuning.test_oracles import ROWS, SPLIT, onnx_layer, subject


def looks(monkeypatch, first, second):
    """Two looks of a runtime: seconds, or a reason, by variant."""
    answers = iter([first, second])

    def measure(name, files, **_):
        told = next(answers)
        base = told[next(iter(files))]
        rows = []
        for form in files:
            both = isinstance(told[form], float) and isinstance(base, float)
            gain = base / told[form] if both else None
            row = {"form": form, "speedup": gain, "low": gain, "high": gain}
            timed = isinstance(told[form], float)
            row |= {"seconds": told[form] if timed else None}
            rows.append(row | {"skipped": None if timed else told[form]})
        return pd.DataFrame(rows)

    monkeypatch.setattr(cpu, "measure", measure)
    monkeypatch.setattr(runtimes, "_KEPT", 1)


def test_a_short_look_does_not_decide(tmp_path, monkeypatch):
    """What looked faster than native was slower than the one that longer times then refute."""
    first = {"native": 6.0, "split concat": 3.0, "rows concat": 4.0}
    looks(monkeypatch, first, {"native": 3.0, "split concat": 3.5})
    contents = dict.fromkeys((NATIVE, SPLIT, ROWS), b"")
    costs = oracle("onnxruntime", threads=1).costs(subject(tmp_path, contents))
    assert costs[ROWS] == Cost(4.0, 1.5, None, None)
    made = choose(costs, "told")
    assert (made.variant, made.best) == (NATIVE, SPLIT)
    assert "0.86 times" in made.reason


def test_a_longer_look_that_is_lost_says_nothing_of_native(tmp_path, monkeypatch):
    first = {"native": 6.0, "split concat": 3.0, "rows concat": 4.0}
    looks(monkeypatch, first, dict.fromkeys(first, "took longer than 68 s"))
    contents = dict.fromkeys((NATIVE, SPLIT, ROWS), b"")
    costs = oracle("onnxruntime", threads=1).costs(subject(tmp_path, contents))
    assert costs[NATIVE].amount == 6
    assert choose(costs, "told").variant == NATIVE
    # Without the reason, costs that decide nothing would be kept.
    assert (costs[SPLIT].amount, costs[SPLIT].reason) == (3, "took longer than 68 s")


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_whole_models_are_compared_with_their_data_in_other_files(tmp_path, monkeypatch, name):
    path = tmp_path / "in.onnx"
    onnx.save(
        onnx.load_model_from_string(onnx_layer("native")),
        path,
        save_as_external_data=True,
        location="in.data",
        size_threshold=0,
    )
    monkeypatch.setattr(runtimes, "_SECOND", 3)
    data = path.read_bytes()
    assert b"in.data" in data
    found = oracle(name, threads=1).whole(path, data, [])
    assert found.reason is None
    assert found.gain > 0


def test_an_original_that_does_not_run_is_the_reason_for_no_comparison(monkeypatch):
    looks(monkeypatch, {"original": "it crashed", "converted": 2.0}, {})
    found = oracle("openvino").whole(b"one", b"other", [])
    assert found == Cost.missing("the original as a whole: it crashed")
