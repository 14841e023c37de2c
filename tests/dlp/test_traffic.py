"""Traffic against SCALE-Sim's counters, loops walked through, and what must hold of any."""

from dataclasses import replace
from math import ceil

import numpy as np
from hypothesis import given, settings, strategies as st

from splitdeconv.dlp import load_processor
from splitdeconv.dlp.cycles import issued_macs
from splitdeconv.dlp.lowering import METHODS, lower
from splitdeconv.dlp.traffic import ZEROS, buffer_words, dram_bytes
from tests.dlp.tables import layer, networks, of_case, planar, systolic, table
from tests.refusals import refused

FLOWS = {"os": "output_stationary", "ws": "weight_stationary"}
PROCESSOR = load_processor("pe_array_16x16")
#: Half a buffer in bytes, as KiB of the whole: what a processor holds is stated in words below.
HALF = 2 / 1024


def walked(n, k, s, out, c_in, c_out, batch, i, w):
    """Words of input and weights that two nests of loops read, row by row; the fewer of them.

    The map has no padding.

    `i` and `w` words of input and of weights fit beside what is being filled.
    """
    row, filters = n * c_in, k * k * c_in * c_out
    chunks = ceil(filters / w)

    def rows_read(outputs, held):
        """Rows fetched to compute these output rows in order, if the last `held` are kept."""
        fetched, kept = 0, []
        for y in outputs:
            for needed in range(y * s, y * s + k):
                if needed not in kept:
                    fetched += 1
                    kept.append(needed)
            kept = kept[-held:] if held else []
        return fetched

    holds = i // row
    line = k if holds >= k else 0
    whole = batch * n * row <= i
    passes = 1 if whole else chunks
    by_filters = [
        sum(rows_read(range(out), line) for _ in range(passes) for _ in range(batch)) * row,
        filters,
    ]
    tall = max(h for h in range(1, out + 1) if h == 1 or (h - 1) * s + k <= holds)
    strips = [range(y, min(y + tall, out)) for y in range(0, out, tall)]
    again = 1 if line else chunks
    fetched = sum(rows_read(strip, k) for _ in range(batch) for strip in strips)
    loaded = filters if filters <= w else filters * batch * len(strips)
    return min([by_filters, [fetched * row * again, loaded]], key=sum)


@settings(max_examples=150)
@given(
    *(st.integers(1, 6) for _ in range(4)),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3000),
    st.integers(1, 900),
)
def test_dram_reads_are_those_of_loops_walked_through(out, k, c_in, c_out, s, batch, i, w):
    s = min(s, k)
    n = (out - 1) * s + k
    one = table(layer("conv", (n, n), (k, k), (s, s), (out, out), c_in, c_out, "VALID"))
    processor = replace(PROCESSOR, input_buffer_kib=i * HALF, weight_buffer_kib=w * HALF)
    found = dram_bytes(lower(one, "sd"), one, processor, "sd", batch)
    inputs, weights = walked(n, k, s, out, c_in, c_out, batch, i, w)
    assert found["input"] + found["weight"] == inputs + weights
    assert found["output"] == out * out * c_out * batch
    assert found["interleave"] == 0


def test_an_input_is_kept_between_the_convolutions_of_a_layer_if_it_fits():
    # An input of 6*6*4 = 144 words, phases of 3x3 taps at most: 25*4*5 = 500 words of real weights.
    one = table(layer("deconv", (6, 6), (5, 5), (2, 2), (12, 12), 4, 5, before=(1, 1)))
    work = lower(one, "sd_trimmed")
    assert work.times.sum() == 4

    def reads(i, w, batch=1, method="sd_trimmed"):
        processor = replace(PROCESSOR, input_buffer_kib=i * HALF, weight_buffer_kib=w * HALF)
        found = dram_bytes(lower(one, method), one, processor, method, batch)
        return found["input"].item(), found["weight"].item()

    assert reads(144, 500) == (144, 500)
    assert reads(144, 500, batch=3) == (3 * 144, 500)
    # The filters do not fit together: once per image, unless the whole batch stays.
    assert reads(144, 499, batch=3) == (3 * 144, 3 * 500)
    assert reads(3 * 144, 499, batch=3) == (3 * 144, 500)
    # A word less, and each of the four convolutions reads it again; one that stacks them does not.
    assert reads(143, 500) == (4 * 144, 500)
    assert reads(143, 9 * 4 * 20, method="stacked") == (144, 9 * 4 * 20)


def test_a_kernel_taller_than_its_map_needs_no_more_rows_than_there_are():
    # Two rows of 8 words; the kernel spans seven. Its 7*7*4*5 words of filters pass through a
    # buffer of half as many.
    one = table(layer("conv", (2, 2), (7, 7), (1, 1), (2, 2), 4, 5))
    processor = replace(PROCESSOR, input_buffer_kib=16 * HALF, weight_buffer_kib=490 * HALF)
    found = dram_bytes(lower(one, "sd"), one, processor, "sd", batch=5)
    assert (found["input"].item(), found["weight"].item()) == (2 * 5 * 16, 980)


def test_inserted_zeros_are_written_and_read_where_they_are_stored():
    one = table(layer("deconv", (5, 6), (3, 3), (2, 2), (10, 12), 4, 8))
    large = replace(PROCESSOR, input_buffer_kib=1024.0, weight_buffer_kib=1024.0)
    found = {zeros: dram_bytes(lower(one, "nzp"), one, large, "nzp", 3, zeros) for zeros in ZEROS}
    real, inserted = 3 * 5 * 6 * 4, 3 * 9 * 11 * 4
    assert [found["generated"][name].item() for name in ("input", "interleave")] == [real, 0]
    assert [found["stored"][name].item() for name in ("input", "interleave")] == [
        inserted,
        real + inserted,
    ]
    for method in ("sd", "native"):
        work = lower(one, method)
        generated, stored = (dram_bytes(work, one, large, method, 3, zeros) for zeros in ZEROS)
        assert all(generated[name] == stored[name] for name in generated)


def test_interleaving_pays_for_bursts_or_for_another_pass_or_for_nothing():
    # 128 x 128 outputs of 24 bytes: 393216, more than half of 64 KiB; of a burst of 64, 40 are lost
    # with every pixel.
    one = table(layer("deconv", (64, 64), (4, 4), (2, 2), (128, 128), 8, 24, before=(1, 1)))
    pixels = 128 * 128

    def extra(method, c_out=24, **fields):
        row = one.assign(c_out=c_out)
        return dram_bytes(lower(row, method), row, replace(PROCESSOR, **fields), method)[
            "interleave"
        ].item()

    for method in ("sd", "sd_trimmed", "paper"):
        assert extra(method) == pixels * 40
        assert extra(method, burst_bytes=8) == 0
        # Of 3 bytes a pixel 61 are lost: reading and writing the output once more is cheaper.
        assert extra(method, c_out=3) == 2 * pixels * 3
    for method in ("rows", "stacked", "nzp", "native"):
        assert extra(method) == 0
    for method in ("sd", "rows", "stacked", "paper"):
        assert extra(method, strided_writes=False) == 2 * pixels * 24
        assert extra(method, strided_writes=False, output_buffer_kib=2 * pixels * 24 / 1024) == 0
    assert extra("nzp", strided_writes=False) == 0


def machines():
    """Processors whose buffers hold from a few bytes to everything."""
    kib = st.sampled_from([0.01, 0.05, 0.3, 2, 64, 2000])
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
    assert found["input"] >= batch * row.in_h * row.in_w * row.c_in * word
    assert found["weight"] >= taps[0] * taps[1] * row.c_in * row.c_out // row.groups * word
    assert found["output"] == batch * row.out_h * row.out_w * row.c_out * word
    assert found["interleave"] >= 0
    for name in ("input", "weight", "output"):
        larger = replace(
            machine, **{f"{name}_buffer_kib": getattr(machine, f"{name}_buffer_kib") * 3}
        )
        assert sum(dram_bytes(work, one, larger, method, batch, zeros).values()) <= sum(
            found.values()
        )
    more = dram_bytes(work, one, machine, method, batch + 1, zeros)
    assert sum(more.values()) >= sum(found.values())


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


def test_zeros_are_generated_or_stored():
    layers = networks("DCGAN")
    with refused("unknown zeros"):
        dram_bytes(lower(layers, "nzp"), layers, PROCESSOR, "nzp", zeros="skipped")
