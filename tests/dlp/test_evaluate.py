"""The chain on arrays: what adds up, what bounds what, many processors at once."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from splitdeconv.dlp import load_processor, load_technology, processors
from splitdeconv.dlp.checks import PARTS
from splitdeconv.dlp.cycles import compute_cycles
from splitdeconv.dlp.evaluate import evaluate
from splitdeconv.dlp.lowering import METHODS, lower
from splitdeconv.dlp.traffic import ZEROS
from tests.dlp.tables import layer, networks, of_case, planar, table
from tests.refusals import refused

DCGAN = networks("DCGAN")
PROCESSOR = load_processor("pe_array_16x16")


def of(case):
    """A layer with the count of useful multiplications that a network's table has."""
    one = of_case(case)
    lengths = ("in_h", "in_w", "k_h", "k_w", "c_in", "c_out")
    return one.assign(macs=one[list(lengths)].prod(axis=1) // one["groups"])


def runs():
    """Any processor, gated or not, in one of its dataflows, and what it may skip."""
    found = []
    for name in processors():
        processor = load_processor(name)
        for flow in processor.dataflows:
            skips = [
                s for s in processor.skipping if not (flow == "weight_stationary" and "A" in s)
            ]
            found += [(processor, flow, skip) for skip in skips]
    return st.tuples(st.sampled_from(found), st.booleans()).map(
        lambda chosen: (replace(chosen[0][0], zero_gating=chosen[1]), *chosen[0][1:])
    )


@settings(max_examples=120)
@given(
    planar(),
    runs(),
    st.sampled_from(METHODS),
    st.sampled_from(ZEROS),
    st.integers(1, 4),
    st.floats(0.01, 100),
)
def test_what_holds_of_every_layer(case, run, method, zeros, batch, speed):
    processor, flow, skip = run
    processor = replace(processor, dram_gb_s=processor.dram_gb_s * speed)
    one = of(case)
    work = lower(one, method)
    found = evaluate(work, one, processor, method, skip, flow, batch, zeros)
    # Multiplications: all are skipped or issued, of those issued some are gated and the others paid
    # for.
    assert found["macs_dense"] == found["macs_skipped"] + found["macs_issued"]
    assert found["macs_dense"] >= found["macs_issued"] >= found["macs_real"]
    active = found["macs_issued"] - found["macs_gated"]
    assert active == (found["macs_real"] if processor.zero_gating else found["macs_issued"])
    assert found["macs_skipped"] == 0 or skip != "none"
    # Time: double buffering hides the shorter of the two.
    assert (
        found["compute_cycles"]
        == (work.times * compute_cycles(work, processor, skip, flow, batch)).sum()
    )
    assert found["cycles"] == max(found["compute_cycles"], found["dram_cycles"])
    assert found["cycles"] * processor.peak >= found["macs_issued"]
    assert 0 <= found["fill_cycles"] <= found["compute_cycles"]
    # A crop may leave outputs that no input reaches, so that nothing real is multiplied.
    assert 0 <= found["utilisation"] <= 1
    assert (found["utilisation"] > 0) == (found["macs_issued"] > 0)
    seconds = found["dram_bytes"] / (processor.dram_gb_s * 1e9)
    # Roundings of a handful of double operations, here and below.
    assert found["dram_cycles"] / (processor.clock_mhz * 1e6) == pytest.approx(seconds, rel=1e-14)
    assert found["latency_us"] * 1e-6 >= seconds * (1 - 1e-14)
    # Traffic and energy are the sums of their parts.
    moved = sum(found[f"dram_{name}_bytes"] for name in ("input", "weight", "output", "interleave"))
    assert found["dram_bytes"] == pytest.approx(moved, rel=1e-14)
    assert found["buffer_bytes"] > found["dram_bytes"]
    parts = [found[f"energy_{name}_pj"].item() for name in PARTS]
    assert all(
        part > 0 or (name in ("mac", "register") and active == 0)
        for name, part in zip(PARTS, parts, strict=True)
    )
    assert found["energy_pj"] == pytest.approx(sum(parts), rel=1e-14)
    assert found["energy_low_pj"] < found["energy_pj"] < found["energy_high_pj"]
    words = processor.number_type or f"int{processor.word_bits}"
    mac = load_technology(processor.technology).mac_pj[words]
    assert found["energy_mac_pj"] == pytest.approx(active * mac, rel=1e-14)


@settings(max_examples=40)
@given(planar(), runs(), st.sampled_from(METHODS), st.floats(1, 1e3))
def test_bandwidth_and_gating_only_help(case, run, method, factor):
    processor, flow, skip = run
    one = of(case)
    work = lower(one, method)

    def found(**fields):
        return evaluate(work, one, replace(processor, **fields), method, skip, flow)

    slow, fast = found(), found(dram_gb_s=processor.dram_gb_s * factor)
    assert fast["cycles"] <= slow["cycles"]
    assert fast["energy_pj"] <= slow["energy_pj"]
    assert fast["dram_bytes"] == slow["dram_bytes"]
    gated, paid = found(zero_gating=True), found(zero_gating=False)
    assert gated["energy_pj"] <= paid["energy_pj"]
    assert gated["cycles"] == paid["cycles"]


@settings(max_examples=40)
@given(planar(), st.sampled_from([4.0, 16.0]), st.sampled_from(METHODS), st.integers(1, 3))
def test_larger_buffers_are_never_slower(case, kib, method, batch):
    one = of(case)
    work = lower(one, method)
    # Slow enough that DRAM decides.
    small = replace(
        PROCESSOR,
        dram_gb_s=0.01,
        **{f"{n}_buffer_kib": kib / 256 for n in ("input", "weight", "output")},
    )
    before = evaluate(work, one, small, method, batch=batch)["cycles"]
    for name in ("input", "weight", "output"):
        after = evaluate(
            work, one, replace(small, **{f"{name}_buffer_kib": kib}), method, batch=batch
        )["cycles"]
        assert after <= before


def test_every_byte_of_dram_passes_a_buffer():
    # With one tap of one channel each operand is read once by the array: as much again as DRAM
    # moves.
    one = table(layer("conv", (8, 8), (1, 1), (1, 1), (8, 8), 1, 1)).assign(macs=64)
    found = evaluate(lower(one, "sd"), one, replace(PROCESSOR, rows=64, cols=1), "sd")
    assert found["buffer_bytes"] == 2 * (64 + 1 + 64) == 2 * found["dram_bytes"]
    # Outputs that are brought into order in a pass of their own pass the buffer in it, too.
    two = table(layer("deconv", (64, 64), (2, 2), (2, 2), (128, 128), 4, 24)).assign(
        macs=64 * 64 * 4 * 4 * 24
    )
    plain, again = (
        evaluate(
            lower(two, "sd"), two, replace(PROCESSOR, burst_bytes=1, strided_writes=strided), "sd"
        )
        for strided in (True, False)
    )
    extra = 2 * 128 * 128 * 24
    assert again["dram_interleave_bytes"] - plain["dram_interleave_bytes"] == extra
    assert again["buffer_bytes"] - plain["buffer_bytes"] == extra


def test_sums_of_a_weight_stationary_array_pass_the_buffer_at_their_width():
    # 9 taps of 16 channels are 9 folds of 16 rows: 8 of them leave sums of 4 bytes, written and
    # read.
    one = table(layer("conv", (8, 8), (3, 3), (1, 1), (8, 8), 16, 16)).assign(macs=64 * 9 * 256)
    flows = ("output_stationary", "weight_stationary")
    os, ws = (
        evaluate(lower(one, "sd"), one, PROCESSOR, "sd", dataflow=flow)["buffer_bytes"].item()
        for flow in flows
    )
    # 64 pixels are 4 tiles of 16, each of which an output-stationary array reads all weights for.
    assert ws - os == 2 * 64 * 16 * 8 * 4 - 3 * 9 * 256


def test_input_stationary_inputs_pass_the_buffer_once():
    # 64 pixels in 4 column tiles read all filters again, but each input stays for all channels.
    one = table(layer("conv", (8, 8), (3, 3), (1, 1), (8, 8), 16, 48)).assign(macs=64 * 9 * 768)
    ws, held = (
        evaluate(lower(one, "sd"), one, PROCESSOR, "sd", dataflow=flow)["buffer_bytes"].item()
        for flow in ("weight_stationary", "input_stationary")
    )
    assert ws - held == 2 * (64 * 9 * 16) - 3 * (9 * 16 * 48)


def test_arrays_of_processors_are_each_of_them():
    fields = {
        "rows": np.array([[16], [32], [8]]),
        "cols": np.array([[16], [7], [40]]),
        "input_buffer_kib": np.array([[64.0], [1.0], [4096.0]]),
        "weight_buffer_kib": np.array([[1.0], [64.0], [4096.0]]),
        "dram_gb_s": np.array([[12.8], [0.1], [400.0]]),
    }
    batches = np.array([[1], [2], [5]])
    many = SimpleNamespace(**vars(PROCESSOR) | fields, peak=fields["rows"] * fields["cols"])
    for method, skip in (("nzp", "A"), ("sd", "WA"), ("stacked", "none")):
        work = lower(DCGAN, method)
        found = evaluate(work, DCGAN, many, method, skip, batch=batches)
        for index in range(3):
            one = replace(
                PROCESSOR, **{name: values[index].item() for name, values in fields.items()}
            )
            single = evaluate(work, DCGAN, one, method, skip, batch=batches[index].item())
            assert set(found) == set(single)
            for name, values in found.items():
                expected = np.broadcast_to(single[name], len(DCGAN))
                np.testing.assert_array_equal(
                    np.broadcast_to(values, (3, len(DCGAN)))[index], expected, err_msg=name
                )


def test_what_parts_refuse_is_refused():
    work = lower(DCGAN, "sd")
    with refused("unknown zeros"):
        evaluate(work, DCGAN, PROCESSOR, "sd", zeros="none")
    with refused("no such technology or file"):
        evaluate(work, DCGAN, PROCESSOR, "sd", technology="tsmc_3nm")
    with refused("does not have this number type"):
        evaluate(work, DCGAN, replace(PROCESSOR, word_bits=12), "sd")
    with refused("the processor does not support that skipping mode"):
        evaluate(work, DCGAN, load_processor("eyeriss_like"), "sd", "A")
