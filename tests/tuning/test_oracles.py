"""The oracles: what each answers for a layer, and what it does where a variant fails."""

import os
from dataclasses import replace

import pandas as pd
import pytest

from splitdeconv.convert.variants.variant import NATIVE, Variant
from splitdeconv.core.geometry import Axis
from splitdeconv.dlp import simulate
from splitdeconv.formats.site import Site
from splitdeconv.limits import bounds
from splitdeconv.toolchains import cpu, libtpu, vela
from splitdeconv.tuning.oracle import Cost, Subject, relative
from splitdeconv.tuning.oracles import compilers, keras, oracle, runtimes
from tests.formats.onnx import models
from tests.refusals import refused

SPLIT, ROWS = Variant("split", "concat"), Variant("rows", "concat")
AXIS = Axis(6, 4, 2, 1, 1, 0)
SITE = Site("up", "ConvTranspose", (AXIS, AXIS), 1, 3, 5, "float32")


def subject(tmp_path, contents, **reasons):
    files = {}
    for number, (variant, data) in enumerate(contents.items()):
        files[variant] = tmp_path / f"{number}"
        files[variant].write_bytes(data)
    return Subject(SITE, (NATIVE, SPLIT, ROWS), files, reasons)


def onnx_layer(form):
    x, w, _ = models.arrays(3, (6, 6), (4, 4), 1, (3, 5))
    up = models.single(x, w, strides=[2, 2], pads=[1, 1, 1, 1])
    return (up if form == "native" else models.convert(up, form)).SerializeToString()


def test_a_runtime_times_each_variant_and_a_broken_file_costs_only_itself(tmp_path):
    contents = {NATIVE: onnx_layer("native"), SPLIT: onnx_layer("split"), ROWS: b"no model"}
    costs = oracle("onnxruntime", threads=1).costs(subject(tmp_path, contents))
    assert costs[NATIVE].gain == 1
    assert 0 < costs[SPLIT].low <= costs[SPLIT].gain <= costs[SPLIT].high
    assert costs[ROWS].amount is None
    assert costs[ROWS].reason


def test_the_whole_has_the_memory_that_the_layers_had(monkeypatch):
    given = []

    def timed(original, tuned, **options):
        given.append(options["memory"])
        rows = [{"form": form, "seconds": 1.0} for form in ("original", "converted")]
        return pd.DataFrame(rows).assign(speedup=1.0, low=1.0, high=1.0, skipped=None)

    monkeypatch.setattr(runtimes, "time_files", timed)
    native = onnx_layer("native")
    assert oracle("onnxruntime", threads=1).whole(native, native, []).gain == 1
    # LiteRT needs 10 GiB of address space for a layer of 7 MB whose kernel is 64x64.
    assert given == [bounds.machine_memory() / 2**30]


@pytest.mark.parametrize(
    ("intervals", "kept", "times"),
    [
        ([(0.95, 1.1), (0.5, 2.0)], (0.95, 1.1), 1),
        ([(0.3, 1.1), (1.0, 1.2), (0.9, 0.91)], (1.0, 1.2), 2),
        ([(0.3, 1.1), (0.8, 1.2), (0.5, 2.0), (1.0, 1.0)], (0.8, 1.2), 3),
    ],
)
def test_a_whole_with_a_wide_interval_is_timed_again(monkeypatch, intervals, kept, times):
    left = list(intervals)

    def timed(original, tuned, **_):
        low, high = left.pop(0)
        rows = [{"form": form, "seconds": 1.0} for form in ("original", "converted")]
        return pd.DataFrame(rows).assign(speedup=1.0, low=low, high=high, skipped=None)

    monkeypatch.setattr(runtimes, "time_files", timed)
    native = onnx_layer("native")
    cost = oracle("onnxruntime", threads=1).whole(native, native, [])
    assert (cost.low, cost.high) == kept
    assert len(intervals) - len(left) == times


def test_only_the_fastest_are_timed_for_longer(tmp_path, monkeypatch):
    asked = []

    def measure(name, files, *, turns, **_):
        asked.append((sorted(files), turns))
        seconds = {"native": 5.0, "split concat": 3.0, "rows concat": 9.0}
        rows = [
            {"form": f, "seconds": seconds[f], "speedup": 5 / seconds[f], "low": 1, "high": 2}
            for f in files
        ]
        return pd.DataFrame(rows).assign(skipped=None)

    monkeypatch.setattr(cpu, "measure", measure)
    monkeypatch.setattr(runtimes, "_KEPT", 1)
    contents = dict.fromkeys((NATIVE, SPLIT, ROWS), b"")
    costs = oracle("onnxruntime", threads=1).costs(subject(tmp_path, contents))
    assert [forms for forms, _ in asked] == [
        ["native", "rows concat", "split concat"],
        ["native", "split concat"],
    ]
    assert asked[0][1] < asked[1][1]
    assert costs[ROWS].amount == 9


def test_a_layer_that_cannot_be_cut_out_has_the_reason_in_every_variant(tmp_path):
    reasons = dict.fromkeys((NATIVE, SPLIT, ROWS), "it cannot be cut out: odd")
    whole = Subject(SITE, (NATIVE, SPLIT, ROWS), {}, reasons)
    costs = oracle("onnxruntime").costs(whole)
    assert {cost.reason for cost in costs.values()} == {"it cannot be cut out: odd"}


@pytest.mark.parametrize("name", ["pe_array_32x7", "edge_tpu_like"])
def test_a_processor_is_costed_by_the_model(tmp_path, name):
    sizes = {"in_h": 6, "in_w": 6, "out_h": 12, "out_w": 12, "k_h": 4, "k_w": 4}
    sizes |= {"stride_h": 2, "stride_w": 2, "before_h": 1, "before_w": 1, "end_h": 1, "end_w": 1}
    row = {"name": "up", "kind": "deconv", "c_in": 3, "c_out": 5, "padding": "EXPLICIT"} | sizes
    table = pd.DataFrame([row])
    costs = oracle(name).costs(subject(tmp_path, {}))
    for variant, method in ((NATIVE, "nzp"), (SPLIT, "sd_trimmed"), (ROWS, "rows")):
        assert costs[variant].amount == simulate(table, name, method)["cycles"].iloc[0]
        assert costs[variant].gain == costs[NATIVE].amount / costs[variant].amount


def test_a_volume_cannot_be_costed_by_the_model(tmp_path):
    volume = Site("up", "ConvTranspose", (AXIS,) * 3, 1, 3, 5, "float32")
    costs = oracle("pe_array_32x7").costs(Subject(volume, (NATIVE, SPLIT), {}, {}))
    assert all("two dimensions" in cost.reason for cost in costs.values())


def test_the_compiler_for_ethos_u_tells_cycles_and_what_falls_to_the_cpu(tmp_path, monkeypatch):
    def compiled(data, configuration, **_):
        assert (configuration.accelerator, configuration.memory) == ("ethos-u55-128", "Sram_Only")
        if data == b"cpu":
            placed = pd.DataFrame({"operator": ["Slice"], "placed": ["CPU"]})
            return {"cycles": 7.0}, placed
        return {"cycles": float(data)}, pd.DataFrame({"operator": ["Conv2D"], "placed": ["NPU"]})

    monkeypatch.setattr(vela, "available", lambda: None)
    monkeypatch.setattr(vela, "version", lambda: "5.2.0")
    monkeypatch.setattr(vela, "compile_model", compiled)
    asked = oracle("vela:ethos-u55-128,Sram_Only")
    costs = asked.costs(subject(tmp_path, {NATIVE: b"60", SPLIT: b"20", ROWS: b"cpu"}))
    assert (costs[SPLIT].amount, costs[SPLIT].gain) == (20, 3)
    assert "Slice" in costs[ROWS].reason
    assert asked.whole(b"60", b"40", []).gain == 1.5
    assert asked.target == "ethos_u55"


def test_the_compiler_for_tpus_is_asked_for_one_layer(tmp_path, monkeypatch):
    seen = []

    def measure(cases):
        seen.extend(cases)
        rows = [{"form": c["form"], "cycles": 10.0 * len(c["form"]), "reason": None} for c in cases]
        rows[-1]["reason"] = "it crashed"
        return pd.DataFrame(rows)

    monkeypatch.setattr(libtpu, "available", lambda *_: None)
    monkeypatch.setattr(libtpu, "measure", measure)
    monkeypatch.setattr(libtpu, "charged", lambda table: table["cycles"])
    costs = oracle("libtpu:v5e").costs(subject(tmp_path, {}))
    assert [(c["form"], c["generation"]) for c in seen] == [
        ("native", "v5e"),
        ("split", "v5e"),
        ("rows", "v5e"),
    ]
    assert seen[0]["layers"][0]["k_h"] == 4
    assert costs[SPLIT].gain == 60 / 50
    assert costs[ROWS].reason == "it crashed"


def test_what_libtpu_does_not_estimate_has_no_cost(tmp_path, monkeypatch):
    def measure(cases):
        return pd.DataFrame({"cycles": [8.0, float("nan"), 2.0], "reason": [None] * 3})

    monkeypatch.setattr(libtpu, "available", lambda *_: None)
    monkeypatch.setattr(libtpu, "measure", measure)
    monkeypatch.setattr(libtpu, "charged", lambda table: table["cycles"])
    costs = oracle("libtpu:v5e").costs(subject(tmp_path, {}))
    assert costs[SPLIT] == Cost.missing("libtpu estimates no cycles for a part of it")
    assert costs[ROWS].gain == 4


def test_a_layer_that_keras_does_not_run_natively_is_not_compared(monkeypatch):
    def compiled(site, variant, seed):
        if variant == NATIVE:
            raise ValueError("odd\nand more")
        return lambda: None

    monkeypatch.setattr(keras, "_compiled", compiled)
    costs = oracle("keras").costs(Subject(SITE, (NATIVE, SPLIT, ROWS), {}, {}))
    assert costs[NATIVE].reason == "odd"
    assert costs[SPLIT].reason == "there is no native to compare with"
    assert set(costs) == {NATIVE, SPLIT, ROWS}


def test_an_exception_without_words_is_its_type(monkeypatch):
    def compiled(*_):
        raise MemoryError

    monkeypatch.setattr(keras, "_compiled", compiled)
    costs = oracle("keras").costs(Subject(SITE, (NATIVE, SPLIT), {}, {}))
    assert costs[NATIVE].reason == "MemoryError"


@pytest.mark.parametrize("name", ["pe_array_32x7", "libtpu:v5e", "keras"])
def test_open_sizes_have_no_cost_and_the_reason_says_what_fixes_them(monkeypatch, name):
    monkeypatch.setattr(libtpu, "available", lambda *_: None)
    axes = (AXIS, replace(AXIS, n=None))
    costs = oracle(name).costs(Subject(replace(SITE, axes=axes), (NATIVE, SPLIT), {}, {}))
    assert list(costs) == [NATIVE, SPLIT]
    assert all("--input-shape" in cost.reason for cost in costs.values())


def test_the_compiler_for_tpus_is_not_asked_for_a_volume(monkeypatch):
    monkeypatch.setattr(libtpu, "available", lambda *_: None)
    volume = replace(SITE, axes=(AXIS,) * 3)
    costs = oracle("libtpu:v5e").costs(Subject(volume, (NATIVE, SPLIT), {}, {}))
    reason = "it has 3 spatial axes; this oracle judges at most 2"
    assert costs == dict.fromkeys((NATIVE, SPLIT), Cost.missing(reason))


def test_the_model_needs_no_file_of_the_layer():
    """One that cannot be cut out of its model has predictions all the same."""
    every = (NATIVE, SPLIT)
    alone = oracle("pe_array_32x7").costs(Subject(SITE, every, {}, {}))
    uncut = dict.fromkeys(every, "it cannot be cut out: odd")
    assert oracle("pe_array_32x7").costs(Subject(SITE, every, {}, uncut)) == alone
    assert alone[SPLIT].gain > 0


def test_keras_is_timed_by_its_own_operator_and_every_form(tmp_path):
    costs = oracle("keras").costs(Subject(SITE, (NATIVE, SPLIT, ROWS), {}, {}))
    assert costs[NATIVE].gain == 1
    assert 0 < costs[SPLIT].low <= costs[SPLIT].high
    assert costs[ROWS].amount > 0


@pytest.mark.parametrize(
    ("axis", "rank"), [(Axis(5, 4, 3, 1, 0, 0), 1), (Axis(3, 3, 2, 1, 0, 0), 3), (AXIS, 1)]
)
def test_keras_runs_the_native_operator_in_one_and_three_dimensions(axis, rank):
    site = replace(SITE, axes=(axis,) * rank)
    costs = oracle("keras").costs(Subject(site, (NATIVE, SPLIT), {}, {}))
    assert [cost.reason for cost in costs.values()] == [None, None]


def test_amounts_become_gains_over_native():
    costs = relative({NATIVE: 6.0, SPLIT: 4.0, ROWS: "it hung"})
    assert costs[SPLIT] == Cost(4.0, 1.5, 1.5, 1.5)
    assert costs[ROWS] == Cost.missing("it hung")
    assert relative({NATIVE: "none", SPLIT: 4.0})[SPLIT] == Cost(4.0)


@pytest.mark.parametrize("amount", [0.0, -2.0, float("nan"), float("inf")])
def test_what_is_no_amount_gives_no_gain(amount):
    assert relative({NATIVE: 6.0, SPLIT: amount})[SPLIT].gain is None
    assert relative({NATIVE: amount, SPLIT: 6.0})[SPLIT] == Cost(6.0)


def test_sums_need_every_layer():
    pairs = [(Cost(6.0), Cost(2.0)), (Cost(3.0), Cost(1.0))]
    assert compilers.summed(pairs).gain == 3
    lacking = compilers.summed([*pairs, (Cost.missing("no"), Cost(1.0))])
    assert (lacking.amount, lacking.reason) == (None, "1 of 3 transposed convolutions has no cost")
    assert compilers.summed([]).amount is None


def test_all_cores_are_used_by_default():
    assert oracle("onnxruntime").facts()["threads"] == os.cpu_count()


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("", "unknown oracle"),
        ("vela", "unknown oracle"),
        ("vela:u55", "accelerator"),
        ("vela:ethos-u65-64", "accelerator"),
        ("vela:ethos-u55-64,Sram", "unknown memory mode"),
    ],
)
def test_unknown_oracles_are_refused(name, match):
    with refused(match):
        oracle(name)
