"""Whole networks: the table, its words, SCALE-Sim's sums, and every refusal."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from splitdeconv import dlp
from splitdeconv.dlp import load_processor, load_technology, processors, simulate
from splitdeconv.dlp.evaluate import evaluate
from splitdeconv.dlp.lowering import METHODS, lower
from splitdeconv.dlp.simulate import BOUNDS
from tests.dlp.tables import layer, networks, table
from tests.refusals import refused

SCALESIM = pd.read_csv(Path(__file__).parents[2] / "data/reference/scalesim_3.0.0_dcgan.csv")
DCGAN = networks("DCGAN")
FLOWS = {"os": "output_stationary", "ws": "weight_stationary"}


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("shape", ["16x16", "32x7"])
@pytest.mark.parametrize(("form", "method"), [("NZP", "nzp"), ("SD", "sd"), ("SDfused", "stacked")])
def test_cycles_of_dcgan_are_scalesim_s_sums(form, method, shape, flow):
    rows = SCALESIM.query(
        "form == @form and array_rows_x_cols == @shape and dataflow == @flow"
    ).sort_values("layer")
    found = simulate(DCGAN, f"pe_array_{shape}", method, dataflow=FLOWS[flow])
    cycles = found.loc[found["kind"] == "deconv", "compute_cycles"]
    assert cycles.tolist() == (rows["times_per_layer"] * rows["cycles"]).tolist()
    assert len(cycles) == 3


def test_a_row_for_each_layer_says_what_was_run():
    found = simulate(DCGAN, "dot_product_16x16", "sd", "WA", batch=3, technology="horowitz_45nm")
    assert found["name"].tolist() == ["fc", "deconv1", "deconv2", "deconv3"]
    said = {
        "method": "sd",
        "skip": "WA",
        "processor": "dot_product_16x16",
        "dataflow": "dot_product",
        "batch": 3,
    }
    said |= {"zeros": "generated", "technology": "horowitz_45nm"}
    assert found[list(said)].drop_duplicates().to_dict("records") == [said]
    layers = dlp.workload(DCGAN)
    work = lower(layers, "sd")
    run = (layers, load_processor("dot_product_16x16"), "sd", "WA")
    for name, values in evaluate(work, *run, batch=3, technology="horowitz_45nm").items():
        np.testing.assert_array_equal(found[name], np.broadcast_to(values, len(found)))
    np.testing.assert_array_equal(
        found["operational_intensity"], found["macs_useful"] / found["dram_bytes"]
    )
    np.testing.assert_array_equal(found["achieved"], found["macs_useful"] / found["cycles"])


@pytest.mark.parametrize("processor", processors())
def test_every_method_runs_on_every_processor_that_has_it(processor):
    machine = load_processor(processor)
    for method in METHODS:
        if method == "native" and machine.native is None:
            with refused("the processor has no transposed convolution") as caught:
                simulate(DCGAN, processor, method)
            assert processor in caught.value.where
            continue
        found = simulate(DCGAN, processor, method)
        assert found.select_dtypes("number").notna().all(axis=None)
        assert set(found["bound_by"]) <= set(BOUNDS)
        assert (found["macs_issued"] >= found["macs_real"]).all()


@pytest.mark.parametrize("zeros", ["generated", "stored"])
@pytest.mark.parametrize("processor", ["pe_array_32x7", "dot_product_16x16", "edge_tpu_like"])
def test_without_transposed_convolutions_all_methods_are_the_same(processor, zeros):
    others = networks("GP-GAN").query("kind != 'deconv'")
    assert set(others["kind"]) == {"conv"}
    others = pd.concat([DCGAN[:1], others], ignore_index=True)
    methods = [
        method for method in METHODS if method != "native" or load_processor(processor).native
    ]
    first, *rest = (
        simulate(others, processor, method, zeros=zeros).drop(columns="method")
        for method in methods
    )
    assert first["name"].tolist() == others["name"].tolist()
    for found in rest:
        pd.testing.assert_frame_equal(found, first, check_exact=True)


def test_native_is_zero_insertion_with_zeros_made_on_the_fly():
    native, nzp = (simulate(DCGAN, "edge_tpu_like", method) for method in ("native", "nzp"))
    assert native["method"].unique() == ["native"]
    pd.testing.assert_frame_equal(native.drop(columns="method"), nzp.drop(columns="method"))
    stored = simulate(DCGAN, "edge_tpu_like", "nzp", zeros="stored")
    apart = stored["dram_bytes"] > nzp["dram_bytes"]
    assert apart.tolist() == (DCGAN["kind"] == "deconv").tolist()
    assert (stored["energy_pj"] > nzp["energy_pj"]).tolist() == apart.tolist()


# What binds a layer of 256 pixels, 9 taps and 64 channels in and out on 16 x 16 multipliers, unless
# it is changed.
BOUND = {
    "compute": ({}, {}, "multipliers busy 9[0-9]% of the array's cycles"),
    "bandwidth": (
        {},
        {"dram_gb_s": 0.01},
        r"DRAM takes \d+\.\d\d times as long as the array; \d+% of the bytes are weight",
    ),
    "fill": ({"c_in": 1, "k_h": 1, "k_w": 1}, {"dram_gb_s": 1e4}, "9[0-9]% fill and drain"),
    "utilisation": ({"c_out": 1}, {"dram_gb_s": 1e4}, "multipliers busy 6% .* the rest idle lanes"),
}


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_layer_tells_what_binds_it(bound):
    sizes, fields, words = BOUND[bound]
    one = table(layer("conv", (16, 16), (3, 3), (1, 1), (16, 16), 64, 64)).assign(
        name=bound, **sizes
    )
    found = simulate(
        one.drop(columns="macs"), replace(load_processor("pe_array_16x16"), **fields)
    ).iloc[0]
    assert found["bound_by"] == bound
    assert pd.Series([found["why"]]).str.contains(words).all(), found["why"]
    assert (found["cycles"] == found["dram_cycles"]) == (bound == "bandwidth")


def test_the_bandwidth_s_words_name_what_moves_most():
    # One pixel a channel: the output is a 256th of what comes in; of a wide map with few filters it
    # is the input.
    for name, sizes in {"input": (64, 64, 1), "weight": (1, 64, 64), "output": (64, 1, 64)}.items():
        length, c_in, c_out = sizes
        one = table(layer("conv", (length,) * 2, (1, 1), (1, 1), (length,) * 2, c_in, c_out)).drop(
            columns="macs"
        )
        found = simulate(one, replace(load_processor("pe_array_16x16"), dram_gb_s=0.001))
        assert found["why"].str.endswith(f"bytes are {name}").all()


def test_a_batch_shares_filters():
    one, many = (simulate(DCGAN, "pe_array_16x16", "sd", batch=batch) for batch in (1, 8))
    assert (many["macs_useful"] == 8 * one["macs_useful"]).all()
    # The dense layer's filters, the most of its bytes, are read once for all; its one pixel fills
    # no tile of 16.
    assert many.loc[0, "dram_weight_bytes"] == one.loc[0, "dram_weight_bytes"]
    assert many.loc[0, "latency_us"] < 1.1 * one.loc[0, "latency_us"]
    # Outputs of eight images no longer fit the buffer in which those of one are brought into order.
    moved = [run["dram_bytes"] - run["dram_interleave_bytes"] for run in (one, many)]
    assert (moved[1] <= 8 * moved[0]).all()


def test_processors_and_technologies_may_be_files_of_one_s_own(tmp_path):
    own = yaml.safe_load(
        (Path(dlp.__file__).parent / "processors/pe_array_16x16.yaml").read_text(encoding="utf-8")
    )
    (tmp_path / "own.yaml").write_text(
        yaml.safe_dump(own | {"name": "own", "clock_mhz": 400}), encoding="utf-8"
    )
    found, shipped = simulate(DCGAN, tmp_path / "own.yaml"), simulate(DCGAN, "pe_array_16x16")
    assert found["processor"].unique() == ["own"]
    assert (found["compute_cycles"] == shipped["compute_cycles"]).all()
    assert (found["dram_cycles"] == shipped["dram_cycles"] / 2).all()
    cheap = replace(load_technology("cacti_40nm"), name="cheap", dram_pj=13.0)
    found = simulate(DCGAN, "pe_array_16x16", technology=cheap)
    assert found["technology"].unique() == ["cheap"]
    np.testing.assert_allclose(found["energy_dram_pj"], shipped["energy_dram_pj"] / 100, rtol=1e-14)
    text = (Path(dlp.__file__).parent / "technologies/cacti_40nm.yaml").read_text(encoding="utf-8")
    (tmp_path / "copy.yaml").write_text(text, encoding="utf-8")
    found = simulate(DCGAN, "pe_array_16x16", technology=tmp_path / "copy.yaml")
    pd.testing.assert_frame_equal(found, shipped)


MISTAKES = {
    "no such processor or file": {"processor": "pe_array"},
    "no such technology or file": {"technology": "tsmc_3nm"},
    "does not have this number type": {
        "processor": replace(load_processor("pe_array_16x16"), word_bits=5)
    },
    "unknown method": {"method": "split"},
    "unknown skip": {"skip": "AW"},
    "the processor does not support that skipping mode": {
        "processor": "edge_tpu_like",
        "skip": "W",
    },
    "cannot skip activations": {"skip": "WA", "dataflow": "weight_stationary"},
    "unknown dataflow": {"dataflow": "dot_product"},
    "unknown zeros": {"zeros": "none"},
    "no such network or file": {"network": "dcgam"},
    "not a network": {"network": 5},
    "has no transposed convolution": {"method": "native"},
    r"invalid value of rows\b": {"processor": replace(load_processor("pe_array_16x16"), rows=0)},
    r"invalid value of dram_gb_s\b": {
        "processor": replace(load_processor("pe_array_16x16"), dram_gb_s=math.nan)
    },
    r"invalid value of technology\b": {
        "processor": replace(load_processor("pe_array_16x16"), technology="tsmc_3nm")
    },
}


@pytest.mark.parametrize("problem", MISTAKES)
def test_mistakes_are_refused(problem):
    with refused(problem):
        simulate(**{"network": DCGAN, "processor": "pe_array_16x16"} | MISTAKES[problem])


@pytest.mark.parametrize("batch", [0, -1, 1.0, True, None, "2"])
def test_a_batch_is_a_positive_int(batch):
    with refused("the batch must be a positive integer"):
        simulate(DCGAN, "pe_array_16x16", batch=batch)


@pytest.mark.parametrize("batch", [10**12, 2**70])
def test_a_batch_that_overflows_is_refused(batch):
    # DCGAN's largest layer multiplies 2.1e8 times with inserted zeros: 2^62 is passed at 2.2e10
    # images.
    with refused("the batch is too large"):
        simulate(DCGAN, "pe_array_16x16", "nzp", batch=batch)
    many = simulate(DCGAN, "pe_array_16x16", "nzp", batch=10**10)
    assert (
        many["macs_dense"] == 10**10 * simulate(DCGAN, "pe_array_16x16", "nzp")["macs_dense"]
    ).all()


UNMAPPABLE = {
    "unknown kind of layer": {"kind": "pool"},
    "the groups do not divide the channels": {"groups": 3},
    "value out of range": {"k_h": -1},
    "a value is missing": {"in_w": math.nan},
}


@pytest.mark.parametrize("problem", UNMAPPABLE)
def test_a_layer_that_cannot_be_mapped_is_refused(problem):
    with refused(problem) as caught:
        simulate(DCGAN.drop(columns="macs").assign(**UNMAPPABLE[problem]), "pe_array_16x16")
    assert "row 1 (fc)" in caught.value.where
