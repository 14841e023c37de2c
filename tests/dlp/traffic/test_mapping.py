"""The loop nests that are printed: run word by word, they move what they say."""

from dataclasses import replace

import pytest

import splitdeconv as sd
from splitdeconv.dlp.lowering import lower
from splitdeconv.dlp.traffic import dram_bytes
from splitdeconv.dlp.traffic.mapping import loop_nests
from tests.dlp.tables import networks
from tests.dlp.traffic.exhaustive import DIMS, Layer, walk
from tests.dlp.traffic.test_least import drawn, processor_of, small
from tests.refusals import refused

NAMES = {
    "images": "b",
    "rows": "h",
    "columns": "w",
    "input channels": "c",
    "phases": "p",
    "output channels": "m",
}


def walked(nest, layer):
    """What a nest fetches, walked through; of one image, and a layer of the nest's phases."""
    tile = dict(
        zip(DIMS, (1, *layer.outputs, layer.c_in, len(layer.phases), layer.c_out), strict=True)
    )
    tile |= {NAMES[loop.over]: loop.size for loop in nest.loops}
    order = [NAMES[loop.over] for loop in nest.loops]
    return walk(layer, tile, (*order, *(name for name in DIMS if name not in order)))


def test_nests_walked_through_move_what_they_say():
    kinds = set()
    for number in range(60):
        one, method, _, zeros, machine = drawn(number)
        layer, work = small(one, method, 1, zeros), lower(one, method)
        (nests,) = loop_nests(work, processor_of(machine), method, 1, zeros)
        if any(nest.pieces or nest.spilled for nest in nests):
            continue
        phases = iter(layer.phases)
        for nest in nests:
            assert nest.images == 1
            some = [next(phases) for _ in range(nest.phases * nest.runs)]
            part = Layer(**{**vars(layer), "phases": tuple(some[: nest.phases])})
            moved = walked(nest, part)
            assert (moved["input"], moved["filters"]) == (nest.inputs, nest.weights), number
            kinds.add(tuple(loop.over for loop in nest.loops))
    assert len(kinds) > 10


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_nests_add_up_to_the_traffic(batch):
    layers, processor = networks("SNGAN"), sd.dlp.load_processor("pe_array_32x7")
    for method in ("nzp", "sd", "rows"):
        work = lower(layers, method)
        found = dram_bytes(work, layers, processor, method, batch)
        for index, nests in enumerate(loop_nests(work, processor, method, batch)):
            assert sum(nest.runs * nest.inputs for nest in nests) == found["input"][index]
            assert sum(nest.runs * nest.weights for nest in nests) == found["weight"][index]
            for nest in nests:
                assert nest.input_words <= 32 * 1024 >= nest.weight_words
                assert nest.sums <= 8 * 1024


def test_nests_that_run_several_times_say_that_their_words_are_of_one_run():
    # Half of the output buffer keeps 16*16 sums of 13 channels: 5 tiles of 64, all inputs in each.
    sizes = {f"{name}_buffer_kib": 28 for name in ("input", "weight", "output")}
    small = replace(sd.dlp.load_processor("pe_array_16x16"), **sizes)
    (nest,) = sd.dlp.mapping("dcgan", small)["deconv2"]
    first, *_, last = str(nest).splitlines()
    assert first == "4 runs, each of 1 image"
    assert last.strip() == "DRAM of a run: 163,840 words of input, 73,728 of filters"
    assert (5 * 16 * 16 * 128, 9 * 128 * 64) == (163_840, 73_728)


def test_a_mapping_is_printed_as_an_architect_writes_it():
    nests = sd.dlp.mapping("fst", "pe_array_32x7", "nzp", zeros="stored")
    assert str(nests["deconv2"][0]).splitlines() == [
        "1 image",
        "  for columns in 2 tiles of 128",
        "    for rows in 256 tiles of 1, inputs slide",
        "      tile: 24,768 words of input, 18,432 of filters",
        "      DRAM: 4,194,240 words of input, 18,432 of filters",
    ]
    rows = sd.dlp.simulate("fst", "pe_array_32x7", "nzp", zeros="stored").set_index("name")
    assert rows.loc["deconv2", "mapping"] == "columns 2x128 > rows 256x1~"
    with refused("unknown dataflow"):
        sd.dlp.mapping("fst", "pe_array_32x7", dataflow="row_stationary")
