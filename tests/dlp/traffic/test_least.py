"""The least traffic against an exhaustive search over loop nests, and what must hold of any."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from splitdeconv.dlp import load_processor, workload
from splitdeconv.dlp.lowering import METHODS, lower
from splitdeconv.dlp.traffic import ZEROS, dram_bytes
from splitdeconv.dlp.traffic.room import SUMS
from tests.dlp.tables import layer, table
from tests.dlp.traffic.exhaustive import DIMS, Layer, Machine, best, least, walk

PROCESSOR = load_processor("pe_array_16x16")
#: Half a buffer in bytes, as KiB of the whole: what a processor holds is stated in words below.
HALF = 2 / 1024
FLOWS = ("output_stationary", "weight_stationary")
SEED = 20190704
SIZES = ["in_h", "in_w", "k_h", "stride_h", "c_in", "c_out", "out_h", "out_w"]


def drawn(number):
    """A small layer, a method, and a processor whose buffers are tight."""
    random = np.random.default_rng((SEED, number))

    def pick(low, high):
        return int(random.integers(low, high + 1))

    kind = random.choice(["deconv", "deconv", "conv"])
    kernel, stride = (pick(1, 4), pick(1, 4)), (pick(1, 2), pick(1, 3))
    c_in, c_out, batch = pick(1, 4), pick(1, 4), pick(1, 3)
    if kind == "conv":
        sizes = tuple(pick(1, 6) for _ in "hw")
        out = tuple(-(-n // s) for n, s in zip(sizes, stride, strict=True))
        row = layer("conv", sizes, kernel, stride, out, c_in, c_out, "SAME", (pick(1, 2), 1))
    else:
        sizes = pick(1, 4), pick(1, 3)
        out = tuple(n * s for n, s in zip(sizes, stride, strict=True))
        before = tuple(pick(0, max(k - s, 0)) for k, s in zip(kernel, stride, strict=True))
        row = layer("deconv", sizes, kernel, stride, out, c_in, c_out, before=before)
    methods = [m for m in METHODS if m != "native"] if kind == "deconv" else ["sd"]
    method = str(random.choice(methods))
    work = lower(table(row), method)
    taps = int((work.taps_h * work.taps_w).max())
    reach = int(max(np.prod([(s.taps - 1) * s.dilation + 1 for s in pair]) for pair in work.axes))
    machine = Machine(
        inputs=pick(reach, 6 * reach + 8),
        filters=pick(taps, 8 * taps + 4),
        sums=pick(1, 40),
        rows=pick(1, 6),
        cols=pick(1, 4),
        pixels=0,
        policy=str(random.choice(SUMS)),
        flow=str(random.choice(FLOWS)),
        sum_words=pick(1, 4),
    )
    if machine.flow == "output_stationary":
        machine = Machine(**{**vars(machine), "pixels": machine.rows})
    elif machine.policy == "array":
        machine = Machine(**{**vars(machine), "policy": "buffer"})
    return table(row), method, batch, str(random.choice(ZEROS)), machine


def small(one, method, batch, zeros):
    """The layer of a table as the exhaustive search takes it."""
    work = lower(one, method)
    where = zeros if method == "nzp" else "generated"
    sides = work.axes[0]
    phases = [
        (h.start, w.start, h.taps, w.taps)
        for (h, w), times in zip(work.axes, work.times, strict=True)
        for _ in range(times)
    ]
    return Layer(
        batch,
        tuple(side.outputs for side in sides),
        tuple(side.stride for side in sides),
        tuple(side.dilation for side in sides),
        tuple(side.extent for side in sides),
        int(work.c_in[0]),
        int(work.c_out[0]),
        tuple(phases),
        (1, 1) if where in ("stored", "pass") else tuple(side.insertion for side in sides),
        where == "expanded",
    )


def processor_of(machine):
    return replace(
        PROCESSOR,
        rows=machine.rows,
        cols=machine.cols,
        dataflows=(machine.flow,),
        sums=machine.policy,
        accumulator_bits=8 * machine.sum_words,
        input_buffer_kib=machine.inputs * HALF,
        weight_buffer_kib=machine.filters * HALF,
        output_buffer_kib=machine.sums * machine.sum_words * HALF,
    )


def words(one, method, batch, zeros, machine):
    moved = dram_bytes(lower(one, method), one, processor_of(machine), method, batch, zeros)
    outputs = prod(one.loc[0, ["out_h", "out_w", "c_out"]]) * batch
    return float(moved["input"][0] + moved["weight"][0] + moved["output"][0] - outputs)


def check(number):
    one, method, batch, zeros, machine = drawn(number)
    expected = least(small(one, method, batch, zeros), machine)
    assert words(one, method, batch, zeros, machine) == expected, (number, machine, method, zeros)


@pytest.mark.parametrize("part", range(4))
def test_traffic_is_that_of_the_best_nest_of_all(part):
    for number in range(10 * part, 10 * part + 10):
        check(number)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(12))
def test_traffic_is_that_of_the_best_nest_of_all_in_many_layers(part):
    for number in range(100 + 50 * part, 150 + 50 * part):
        check(number)


def test_a_nest_walked_through_word_by_word_moves_what_was_counted():
    for number in range(30):
        one, method, batch, zeros, machine = drawn(number)
        machine = Machine(**{**vars(machine), "policy": "buffer", "sums": 10**6})
        part = small(one, method, batch, zeros)
        moved, tile, order = best(part, machine)
        assert sum(walk(part, tile, order).values()) == moved


def sizes_of(part):
    """Sizes of tiles along every dimension: the smallest tile of each number of tiles.

    Along rows and columns a larger tile may be better, if its edges fall into the padding: all
    sizes of small maps.
    """

    def ends(total, every=0):
        if total <= every:
            return range(1, total + 1)
        counts = {-(-total // size) for size in range(1, total + 1)}
        return sorted({-(-total // count) for count in counts})

    totals = (part.images, *part.outputs, part.c_in, len(part.phases), part.c_out)
    sizes = (ends(total, 64 * (name in "hw")) for name, total in zip(DIMS, totals, strict=True))
    return dict(zip(DIMS, sizes, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("kib", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("network", ["dcgan", "sngan", "artgan", "gpgan", "mde", "fst"])
def test_the_layers_of_the_networks_move_the_least(network, kib):
    layers = workload(network).query("kind == 'deconv'").drop_duplicates(SIZES)
    half, flow = kib * 512, "output_stationary"
    machine = Machine(half, half, half // 4, 32, 7, 32, "buffer", flow)
    for at in range(len(layers)):
        one = layers.iloc[at : at + 1].reset_index(drop=True)
        for method, zeros in (("nzp", "stored"), ("nzp", "generated"), ("sd", "generated")):
            whole = small(one, method, 1, zeros)
            apart = [Layer(**{**vars(whole), "phases": (phase,)}) for phase in whole.phases]
            found = {part: best(part, machine, sizes_of(part))[0] for part in {whole, *apart}}
            expected = min(found[whole], sum(found[part] for part in apart))
            assert words(one, method, 1, zeros, machine) == expected, (at, method, zeros)
