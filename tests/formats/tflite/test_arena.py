"""The planner of activations, against arenas worked out by hand."""

import numpy as np

from splitdeconv.formats.tflite.arena import arena_peak
from tests.formats.tflite.models import Builder, Deconv, convert, deconv_model, pack, unpack


def _chain(*sizes, extra=()):
    """A graph that turns tensors of so many bytes one into the next; `extra` adds (from, to)."""
    builder = Builder()
    tensors = [builder.tensor(f"t{i}", (size,), "u1") for i, size in enumerate(sizes)]
    for i in range(len(sizes) - 1):
        inputs = [tensors[i], *(tensors[a] for a, b in extra if b == i + 1)]
        builder.operator("Anything", inputs, [tensors[i + 1]], custom=b"")
    return builder.build([tensors[0]], [tensors[-1]])


def test_neighbours_live_together_and_others_share_a_place():
    # input 64 and output 64 stay; 640 and 320 live at once; then 320 and 128 do, the 128 where the
    # 640 was
    assert arena_peak(_chain(64, 640, 320, 128, 64)) == 64 + 640 + 320
    # the input is kept to the end, the output is not made before
    assert arena_peak(_chain(1024, 64, 64)) == 1024 + 64 + 64


def test_a_tensor_read_later_keeps_its_place():
    assert arena_peak(_chain(64, 640, 320, 128, 64, extra=[(1, 4)])) == 64 + 640 + 320 + 128


def test_places_begin_on_64_byte_boundaries():
    assert arena_peak(_chain(1, 1, 1)) == 2 * 64 + 1


def test_a_gap_between_others_is_used():
    # t1 and t6 share 1024 bytes, t5 lies behind them; t3, in between, needs neither and takes the
    # place of t1
    assert arena_peak(_chain(64, 1024, 64, 256, 64, 256, 1024, 64)) == 64 + 1024 + 256


def test_constants_need_no_arena_and_subgraphs_add_up():
    one = Deconv(sizes=(4, 4), kernel=(4, 4), cin=4, cout=4)
    data = deconv_model(one)
    # image 4*4*4 floats and picture 8*8*4 floats
    assert arena_peak(data) == 256 + 1024
    model = unpack(data)
    model.subgraphs.append(model.subgraphs[0])
    assert arena_peak(pack(model)) == 2 * (256 + 1024)


def test_splitting_shows():
    case = Deconv(sizes=(4, 4), kernel=(2, 2), cin=4, cout=4)
    # at the end the rows, their concatenation and, for the picture itself, its copy: 1024 + 1024
    # next to the input
    assert arena_peak(convert(deconv_model(case))) == 256 + 1024 + 1024
    assert arena_peak(convert(deconv_model(case), "stacked", "depth_to_space")) == 256 + 1024 + 1024


def test_many_tensors_are_planned_quickly():
    source = np.random.default_rng(0)
    sizes = source.integers(1, 10_000, 3000)
    peak = arena_peak(_chain(*map(int, sizes)))
    together = max(int(sizes[i] + sizes[i + 1]) for i in range(1, len(sizes) - 2))
    # largest first is no optimum, but near it
    assert together <= peak <= 2 * together
