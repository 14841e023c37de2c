"""Bytes of DRAM: what buffers hold and sums need, and what must hold of any traffic."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from splitdeconv.dlp import load_processor
from splitdeconv.dlp.cycles import issued_macs
from splitdeconv.dlp.lowering import METHODS, lower
from splitdeconv.dlp.traffic import ZEROS, buffer_words, dram_bytes
from tests.dlp.tables import layer, networks, of_case, planar, systolic, table
from tests.dlp.traffic.machines import HALF, PROCESSOR, holding
from tests.refusals import refused

FLOWS = {"os": "output_stationary", "ws": "weight_stationary"}
MOVED = ("input", "weight", "output", "interleave")


def total(found):
    return sum(found[name] for name in MOVED)


def test_phases_share_an_input_that_stays_or_a_strip_of_it():
    # An input of 6*6*4 = 144 words, phases of 3x3 taps at most: 25*4*5 = 500 words of real weights.
    one = table(layer("deconv", (6, 6), (5, 5), (2, 2), (12, 12), 4, 5, before=(1, 1)))
    work = lower(one, "sd_trimmed")
    assert work.times.sum() == 4

    def reads(i, w, batch=1, method="sd_trimmed", **fields):
        found = dram_bytes(lower(one, method), one, holding(i, w, **fields), method, batch)
        return found["input"].item(), found["weight"].item()

    assert reads(144, 500) == (144, 500)
    assert reads(144, 500, batch=3) == (3 * 144, 500)
    # The filters of all phases fit: rows slide past them, and only a few need to stay.
    assert reads(4 * 6 * 4, 500, batch=3) == (3 * 144, 500)
    # They do not fit: the image stays, and they pass.
    assert reads(144, 499) == (144, 500)
    assert reads(3 * 144, 499, batch=3) == (3 * 144, 500)
    # The input channels change, and the sums of all images are kept.
    assert reads(144, 499, batch=3) == (3 * 144, 500)
    # There is no room for them: all images pass each half of the filters.
    few = {"output_buffer_kib": 4 * 12 * 12 * 5 * HALF}
    assert reads(144, 499, batch=3, **few) == (2 * 3 * 144, 500)
    assert reads(143, 9 * 4 * 20, method="stacked") == (144, 9 * 4 * 20)


def test_phases_that_read_only_padding_fetch_filters_alone():
    # Of the phases of the rows, one reads the row of two words and two lie in the padding. Filters
    # of 4 taps and 3 channels do not fit as a whole, and the sums of 2 of the 5 pixels are kept, of
    # one channel: the three tiles fetch all filters, and read 2, 2 and 1 words for each channel.
    one = table(layer("deconv", (1, 2), (3, 4), (3, 1), (1, 5), 3, 2, "EXPLICIT", before=(2, 0)))
    work = lower(one, "sd_trimmed")
    for sums in ("array", "buffer", "dram"):
        for i, w in ((2, 4), (6, 11)):
            few = holding(i, w, sums=sums, rows=2, cols=1, output_buffer_kib=4 * HALF)
            found = dram_bytes(work, one, few, "sd_trimmed")
            assert found["input"].item() == (2 + 2 + 1) * 3 * 2
            assert found["weight"].item() == 3 * (3 * 4 * 3 * 2)
            assert found["output"].item() == 5 * 2
    found = dram_bytes(work, one, holding(6, 12), "sd_trimmed")
    assert (found["input"].item(), found["weight"].item()) == (2 * 3, 3 * 4 * 3 * 2)


def test_columns_are_tiled_where_rows_do_not_fit():
    # A map of 255 x 255 and 64 channels, of which three rows are 48,960 words; half of the columns
    # fit, and two strips share two columns.
    row = layer("deconv", (128, 128), (3, 3), (2, 2), (256, 256), 64, 32, before=(0, 0))
    found = dram_bytes(
        lower(table(row), "nzp"), table(row), holding(2**15, 2**15), "nzp", 1, "pass"
    )
    assert found["weight"] == 9 * 64 * 32
    assert found["input"] == 255 * (255 + 2) * 64


def test_a_filter_that_does_not_fit_runs_in_pieces():
    # One channel of a 5x5 filter is 25 words; rows of it are 5.
    one = table(layer("conv", (9, 9), (5, 5), (1, 1), (9, 9), 2, 3))
    work = lower(one, "sd")
    whole, pieces = (dram_bytes(work, one, holding(500, w), "sd") for w in (25, 24))
    assert whole["weight"] == 25 * 2 * 3 == pieces["weight"]
    assert pieces["sums"] > whole["sums"]
    # A word each: nothing is used twice but the sums.
    least = dram_bytes(work, one, holding(1, 1), "sd")
    assert least["input"] + least["weight"] >= 25 * 2 * 3 + 9 * 9 * 2


def test_sums_that_have_no_place_go_to_dram_if_they_may():
    # A map of 8 x 8 and 40 channels, 3x3 filters of which 20 words fit: the input channels change.
    one = table(layer("conv", (8, 8), (3, 3), (1, 1), (8, 8), 40, 3))
    work, sizes = lower(one, "sd"), {"output_buffer_kib": 4 * 4 * HALF, "rows": 1, "cols": 1}
    found = {
        policy: dram_bytes(work, one, holding(400, 20, sums=policy, **sizes), "sd")
        for policy in ("array", "buffer", "dram")
    }
    moved = [total(found[policy]).item() for policy in ("array", "buffer", "dram")]
    assert moved[0] > moved[1] > moved[2]
    outputs = 8 * 8 * 3
    # Filters and inputs once; the sums after each but the last channel there and back, 4 bytes.
    assert found["dram"]["output"] == outputs + 4 * 2 * outputs * 19
    assert found["dram"]["input"] + found["dram"]["weight"] == 40 * (64 + 27)
    assert found["array"]["output"] == found["buffer"]["output"] == outputs
    assert found["array"]["sums"] == 0 < found["buffer"]["sums"]


@pytest.mark.parametrize("flow", ["weight_stationary"])
def test_sums_that_leave_the_array_need_another_place(flow):
    one = table(layer("conv", (8, 8), (3, 3), (1, 1), (8, 8), 4, 3))
    with refused("sums of dataflow weight_stationary leave the array"):
        dram_bytes(lower(one, "sd"), one, replace(PROCESSOR, sums="array"), "sd", dataflow=flow)


@pytest.mark.parametrize("name", ["input", "weight", "output"])
def test_a_buffer_without_a_word_is_refused(name):
    one = table(layer("conv", (8, 8), (3, 3), (1, 1), (8, 8), 4, 3))
    small = replace(PROCESSOR, **{f"{name}_buffer_kib": 0.5 * HALF})
    with refused(f"invalid value of {name}_buffer_kib"):
        dram_bytes(lower(one, "sd"), one, small, "sd")


def machines():
    """Processors whose buffers hold from a few rows to everything."""
    kib = st.sampled_from([0.3, 0.5, 2, 64, 2000])
    fields = {f"{name}_buffer_kib": kib for name in ("input", "weight", "output")}
    fields |= {"word_bits": st.sampled_from([8, 16]), "strided_writes": st.booleans()}
    return st.fixed_dictionaries(fields).map(lambda chosen: replace(PROCESSOR, **chosen))


@settings(max_examples=60)
@given(planar(), machines(), st.sampled_from(METHODS), st.sampled_from(ZEROS), st.integers(1, 5))
def test_traffic_is_never_less_than_compulsory_and_falls_with_every_buffer(
    case, machine, method, zeros, batch
):
    one = of_case(case)
    work = lower(one, method)
    found = dram_bytes(work, one, machine, method, batch, zeros)
    word = machine.word_bits / 8
    row = one.iloc[0]
    # What must move at least once: the input, each real tap that any phase has, and the output.
    taps = [
        sum(np.sum(mask.weights) for mask in {pair[side] for pair in work.axes}) for side in (0, 1)
    ]
    read = [_read(work, side, row[f"in_{name}"]) for side, name in enumerate("hw")]
    assert found["input"] >= batch * read[0] * read[1] * row.c_in * word
    assert found["weight"] >= taps[0] * taps[1] * row.c_in * row.c_out // row.groups * word
    assert found["output"] == batch * row.out_h * row.out_w * row.c_out * word
    assert found["interleave"] >= 0
    for name in ("input", "weight", "output"):
        larger = replace(
            machine, **{f"{name}_buffer_kib": getattr(machine, f"{name}_buffer_kib") * 3}
        )
        assert total(dram_bytes(work, one, larger, method, batch, zeros)) <= total(found)
    more = dram_bytes(work, one, machine, method, batch + 1, zeros)
    assert total(more) >= total(found)


def _read(work, side, inputs):
    """Inputs along an axis that any output reads."""
    read = set()
    for pair in work.axes:
        axis = pair[side]
        starts = np.arange(axis.outputs) * axis.stride + axis.start
        places = starts[:, None] + np.arange(axis.taps) * axis.dilation
        read |= {place // axis.insertion for place in places.ravel() if place % axis.insertion == 0}
    return len(read & set(range(inputs)))


@pytest.mark.parametrize("name", ["pe_array_32x7", "dot_product_16x16"])
@pytest.mark.parametrize("method", ["nzp", "sd", "rows"])
def test_a_batch_moves_no_more_than_its_parts(name, method):
    processor = load_processor(name)
    for network in ("DCGAN", "SNGAN", "GP-GAN"):
        layers = networks(network)
        work = lower(layers, method)
        words = [
            sum(dram_bytes(work, layers, processor, method, batch)[part] for part in MOVED[:2])
            for batch in range(1, 9)
        ]
        for a in range(1, 9):
            for b in range(a, 9 - a):
                assert (words[a + b - 1] <= words[a - 1] + words[b - 1]).all()


@settings(max_examples=40)
@given(
    planar(), st.sampled_from(METHODS), st.sampled_from(sorted(FLOWS.values())), st.integers(1, 3)
)
def test_skipping_reads_no_more(case, method, flow, batch):
    work, array = lower(of_case(case), method), systolic(5, 3)
    dense = issued_macs(work, array, "none", flow, batch)
    for skip in ("W",) if flow == "weight_stationary" else ("A", "W", "WA"):
        kept = issued_macs(work, array, skip, flow, batch) / dense
        for stored in (False, True):
            full, less = (buffer_words(work, array, flow, k, batch, stored) for k in (1.0, kept))
            assert all((less[name] <= full[name]).all() for name in full)


def test_arrays_of_processors_are_each_of_them():
    layers = networks("DCGAN")
    kib, batches = np.array([[2.0], [64.0], [4096.0]]), np.array([[1], [2], [7]])
    many = replace(
        PROCESSOR, input_buffer_kib=kib, weight_buffer_kib=kib[::-1], output_buffer_kib=kib
    )
    for method in METHODS:
        work = lower(layers, method)
        found = dram_bytes(work, layers, many, method, batches)
        for index in range(3):
            sizes = {"input": kib[index], "weight": kib[2 - index], "output": kib[index]}
            one = replace(
                PROCESSOR, **{f"{name}_buffer_kib": size.item() for name, size in sizes.items()}
            )
            single = dram_bytes(work, layers, one, method, batches[index].item())
            for name, part in found.items():
                assert part.shape == (3, len(layers))
                np.testing.assert_array_equal(part[index], single[name])
