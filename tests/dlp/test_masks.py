"""Masks and their counts per tile against loops over pixels and channels."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st

from splitdeconv.dlp.lowering import METHODS, lower
from splitdeconv.dlp.masks import AxisMask, channel_tiles, pixel_tiles, tiles_by_taps
from tests.dlp.tables import of_case, planar

sizes = st.integers(1, 6)


@st.composite
def masks(draw):
    """An axis of any kind: padding, strides, dilation, inserted zeros, extended filters."""
    flags = st.lists(st.booleans(), min_size=(taps := draw(sizes)), max_size=taps).map(tuple)
    weights = tuple(draw(st.lists(flags, min_size=1, max_size=4)))
    start, stride, dilation = (
        draw(st.integers(-6, 4)),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
    )
    return AxisMask(
        draw(st.integers(1, 8)),
        stride,
        start,
        dilation,
        draw(sizes),
        draw(st.integers(1, 4)),
        weights,
    )


def reads(axis, output, tap):
    """Whether a tap reads a real input, among the inputs laid out with zeros between them."""
    inputs = [i * axis.insertion for i in range(axis.inputs)]
    return output * axis.stride + axis.start + tap * axis.dilation in inputs


def brute_pixels(height, width, size, batch):
    """(tiles, pixels) that need each tap, pixel by pixel."""
    pixels = [
        (y, x) for _ in range(batch) for y in range(height.outputs) for x in range(width.outputs)
    ]
    counts = []
    for v, u in product(range(height.taps), range(width.taps)):
        needed = [reads(height, y, v) and reads(width, x, u) for y, x in pixels]
        tiles = [needed[i : i + size] for i in range(0, len(needed), size)]
        counts.append((sum(map(any, tiles)), sum(len(tile) for tile in tiles if any(tile))))
    return [list(column) for column in zip(*counts, strict=True)]


@given(masks(), masks(), st.integers(1, 70), st.integers(1, 7))
def test_tiles_of_pixels_are_brute_force_counts(height, width, size, batch):
    counted = pixel_tiles(height, width, size, batch)
    assert [column.tolist() for column in counted] == brute_pixels(height, width, size, batch)


@given(planar(), st.sampled_from(METHODS), st.integers(1, 24))
def test_tiles_of_lowered_layers_are_brute_force_counts(case, method, size):
    # Narrow kernels, dilations, strides per axis, crops and batches: the geometries that every
    # other test draws.
    for height, width in set(lower(of_case(case), method).axes):
        if height.outputs * width.outputs * height.taps * width.taps <= 3000:
            counted = pixel_tiles(height, width, size, case.batch)
            assert [column.tolist() for column in counted] == brute_pixels(
                height, width, size, case.batch
            )


@pytest.mark.parametrize(("size", "batch"), [(7, 3), (16, 5), (64, 1), (65, 4), (200, 9)])
def test_tiles_run_on_into_rows_and_images(size, batch):
    # 5x5 outputs, padded: tiles of 7 end within rows, of 64 hold two images and more, of 200 eight.
    axis = AxisMask(5, 1, -2, 1, 5, 1, ((True,) * 5,))
    counted = pixel_tiles(axis, axis, size, batch)
    assert [column.tolist() for column in counted] == brute_pixels(axis, axis, size, batch)


def test_large_maps_are_counted_in_parts():
    # 513 * 513 = 263,169 outputs in tiles of 2: more tiles than one part holds.
    axis = AxisMask(513, 1, -1, 1, 257, 2, ((True,),))
    pixels = np.outer(axis.activations, axis.activations).ravel()
    counted = pixel_tiles(axis, axis, 2, 1)
    tiles = np.append(pixels, False).reshape(-1, 2).any(1)
    assert not pixels[-1]
    assert counted.tiles.tolist() == [tiles.sum()] == [256 * 256]
    assert counted.pixels.tolist() == [2 * tiles.sum() - tiles[-1]]


def brute_taps(height, width, size, batch, skip):
    """Tiles by how many taps they keep, pixel by pixel and tap by tap."""
    pixels = [
        (y, x) for _ in range(batch) for y in range(height.outputs) for x in range(width.outputs)
    ]
    counts = [0] * (height.taps * width.taps + 1)
    for tile in (pixels[i : i + size] for i in range(0, len(pixels), size)):
        kept = list(product(range(height.taps), range(width.taps)))
        if "A" in skip:
            kept = [
                (v, u)
                for v, u in kept
                if any(reads(height, y, v) and reads(width, x, u) for y, x in tile)
            ]
        if "W" in skip:
            phases = list(product(height.weights, width.weights))
            kept = [(v, u) for v, u in kept if any(rows[v] and cols[u] for rows, cols in phases)]
        counts[len(kept)] += 1
    return counts


@given(masks(), masks(), st.integers(1, 70), st.integers(1, 7), st.sampled_from(["A", "W", "WA"]))
def test_taps_of_tiles_are_brute_force_counts(height, width, size, batch, skip):
    counts = tiles_by_taps(height, width, size, batch, skip)
    assert counts.tolist() == brute_taps(height, width, size, batch, skip)


def test_tiles_in_inserted_zeros_keep_the_taps_of_their_pixels():
    # 3 taps over a 0 b 0 c: the outputs need ab, b, bc, c, c and nothing.
    axis = AxisMask(6, 1, 0, 1, 3, 2, ((True, True, True),))
    flat = AxisMask(1, 1, 0, 1, 1, 1, ((True,),))
    assert tiles_by_taps(flat, axis, 1).tolist() == [1, 3, 2, 0]
    assert tiles_by_taps(flat, axis, 2).tolist() == [0, 1, 0, 2]
    extended = AxisMask(6, 1, 0, 1, 3, 2, ((True, True, False),))
    assert tiles_by_taps(flat, extended, 2, 1, "W").tolist() == [0, 0, 3, 0]


def test_counts_are_shared_and_cannot_be_written():
    axis = AxisMask(3, 1, -1, 1, 3, 1, ((True,) * 3,))
    with pytest.raises(ValueError, match="read-only"):
        tiles_by_taps(axis, axis, 4, 2)[0] = 1
    assert pixel_tiles(axis, axis, 4, 2) is pixel_tiles(axis, axis, 4, 2)
    with pytest.raises(ValueError, match="read-only"):
        pixel_tiles(axis, axis, 4, 2).tiles[0] = 1


@given(masks(), masks(), st.integers(1, 9), st.integers(1, 20))
def test_tiles_of_channels_are_brute_force_counts(height, width, channels, size):
    phases = list(product(height.weights, width.weights))
    owners = [phase for phase in phases for _ in range(channels)]
    tiles = [owners[i : i + size] for i in range(0, len(owners), size)]
    taps = list(product(range(height.taps), range(width.taps)))
    counted = channel_tiles(height, width, channels, size)
    assert (counted.tiles.sum(), counted.channels.sum()) == (len(tiles), len(owners))
    for index, (v, u) in enumerate(taps):
        having = [tile for tile in tiles if any(rows[v] and columns[u] for rows, columns in tile)]
        assert counted.tiles @ counted.masks[:, index] == len(having)
        assert counted.channels @ counted.masks[:, index] == sum(map(len, having))


def test_a_tile_of_channels_across_phases_has_the_taps_of_both():
    # Two phases of 3 channels, of one tap each: tiles of 2 hold the first, both, the second.
    one, two = ((True,),), ((True, False), (False, True))
    rows, columns = AxisMask(1, 1, 0, 1, 1, 1, one), AxisMask(2, 1, 0, 1, 2, 1, two)
    counted = channel_tiles(rows, columns, 3, 2)
    assert counted.masks.tolist() == [[True, False], [True, True], [False, True]]
    assert (counted.tiles.tolist(), counted.channels.tolist()) == ([1, 1, 1], [2, 2, 2])
    assert (counted.tiles @ counted.masks).tolist() == [2, 2]


@given(masks())
def test_one_axis_is_its_definition(axis):
    expected = [[reads(axis, b, m) for m in range(axis.taps)] for b in range(axis.outputs)]
    assert axis.activations.tolist() == expected
    pairs = product(range(axis.outputs), axis.weights, range(axis.taps))
    assert axis.real == sum(expected[b][m] and phase[m] for b, phase, m in pairs)
    assert axis.extent == max(i * axis.insertion for i in range(axis.inputs)) + 1
