"""The input-stationary array against one stepped register by register, with values."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from splitdeconv.dlp.cycles import compute_cycles, fill_cycles, input_stationary, issued_macs
from splitdeconv.dlp.lowering import METHODS, lower
from splitdeconv.dlp.traffic import buffer_words
from tests.dlp.tables import ALL, layer, of_case, planar, systolic, table

SCALESIM = pd.read_csv(
    Path(__file__).parents[2] / "data/reference/scalesim_3.0.0_input_stationary.csv"
)


def values(axes, c_in, c_out, batch, seed):
    """The windows of a convolution, (taps * c_in, pixels), and its filters, (c_out, taps * c_in).

    Real values are not zero, all others are.
    """
    rng, (height, width) = np.random.default_rng(seed), axes
    images = rng.integers(1, 9, (batch, height.inputs, width.inputs, c_in))
    images *= rng.choice([-1, 1], images.shape)

    def read(image, place_h, place_w):
        places = ((place_h, height), (place_w, width))
        if all(0 <= at < axis.extent and at % axis.insertion == 0 for at, axis in places):
            return image[place_h // height.insertion, place_w // width.insertion]
        return np.zeros(c_in, int)

    windows = [
        np.concatenate(
            [
                read(
                    image,
                    y * height.stride + height.start + v * height.dilation,
                    x * width.stride + width.start + u * width.dilation,
                )
                for v, u in product(range(height.taps), range(width.taps))
            ]
        )
        for image, y, x in product(images, range(height.outputs), range(width.outputs))
    ]
    phases = list(product(height.weights, width.weights))
    real = [np.repeat(np.outer(v, u).ravel(), c_in) for v, u in phases]
    filters = np.repeat(real, c_out // len(phases), axis=0) * rng.integers(
        1, 9, (c_out, len(windows[0]))
    )
    return np.array(windows).T, filters


def stepped(inputs, filters, rows, cols):
    """One tile in an array of rows and columns: (cycles, sums of each filter and column).

    Inputs are shifted in from above, a row a cycle, and stay. Weights of one filter after another
    enter each row a cycle later than the one above and move to the right; sums move down.
    """
    held = np.zeros((rows, cols), int)
    held[: inputs.shape[0], : inputs.shape[1]] = inputs
    padded = np.zeros((len(filters), rows), int)
    padded[:, : filters.shape[1]] = filters
    moving, sums = np.zeros((rows, cols), int), np.zeros((rows, cols), int)
    results = np.zeros((len(filters), cols), int)
    cycle, left = 0, len(filters) * cols
    while left:
        entering = [
            padded[cycle - row, row] if 0 <= cycle - row < len(filters) else 0
            for row in range(rows)
        ]
        moving = np.column_stack([entering, moving[:, :-1]])
        sums = np.vstack([np.zeros(cols, int), sums[:-1]]) + held * moving
        for col in range(cols):
            index = cycle - (rows - 1) - col
            if 0 <= index < len(filters):
                results[index, col] = sums[-1, col]
                left -= 1
        cycle += 1
    return rows + cycle, results


def run(windows, filters, skip, rows, cols):
    """All tiles in turn: (cycles, multiplications issued, results)."""
    cycles, issued, results = 0, 0, np.zeros((len(filters), windows.shape[1]), int)
    width = len(filters[0])
    for first in range(0, windows.shape[1], cols):
        tile = windows[:, first : first + cols]
        kept = np.ones(width, bool)
        if "A" in skip:
            kept &= tile.any(1)
        if "W" in skip:
            kept &= filters.any(0)
        chosen = np.flatnonzero(kept)
        issued += len(chosen) * tile.shape[1] * len(filters)
        for start in range(0, len(chosen), rows):
            fold = chosen[start : start + rows]
            taken, sums = stepped(tile[fold], filters[:, fold], rows, cols)
            cycles += taken
            results[:, first : first + cols] += sums[:, : tile.shape[1]]
    # SCALE-Sim counts from 0.
    return max(cycles - 1, 0), issued, results


def small(case):
    axes = case.plan("nzp").axes
    size = np.prod([axis.o * axis.k for axis in axes]) * case.batch
    return size <= 400 and case.cin * case.cout <= 60


@settings(max_examples=80)
@given(
    planar().filter(small),
    st.sampled_from(METHODS),
    st.sampled_from(ALL),
    st.integers(1, 7),
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(0, 999),
)
def test_cycles_multiplications_and_results_are_the_array_s(
    case, method, skip, rows, cols, batch, seed
):
    work, processor = lower(of_case(case), method), systolic(rows, cols)
    how = {"skip": skip, "dataflow": "input_stationary", "batch": batch}
    cycles, issued = compute_cycles(work, processor, **how), issued_macs(work, processor, **how)
    for i, axes in enumerate(work.axes):
        # A tap is skipped for all channels alike; values decide row by row.
        windows, filters = values(axes, int(work.c_in[i]), int(work.c_out[i]), batch, seed)
        taken, multiplied, results = run(windows, filters, skip, rows, cols)
        np.testing.assert_array_equal(results, filters @ windows)
        assert (cycles[i], issued[i]) == (work.groups[i] * taken, work.groups[i] * multiplied)


def test_fill_and_drain_are_what_is_left_of_streaming():
    # 6 pixels in columns of 4 are two tiles, 4 taps of 5 channels in rows of 8 are three folds.
    work = lower(table(layer("conv", (3, 4), (2, 2), (1, 1), (2, 3), 5, 7, "VALID")), "sd")
    how = {"skip": "none", "dataflow": "input_stationary"}
    processor = systolic(8, 4)
    assert compute_cycles(work, processor, **how).tolist() == [6 * (7 + 16 + 4 - 2) - 1]
    assert fill_cycles(work, processor, **how).tolist() == [6 * (16 + 4 - 2) - 1]


def test_one_multiplier_is_neither_filled_nor_drained_before_the_first_input():
    # It still takes a cycle to load each input.
    work = lower(table(layer("conv", (1, 3), (1, 1), (1, 1), (1, 3), 2, 5)), "sd")
    found = compute_cycles(work, systolic(1, 1), dataflow="input_stationary")
    assert found.tolist() == [6 * (5 + 1) - 1]


def test_inserted_zeros_and_extended_filters_leave_rows_out():
    # 4x4 at stride 2: the inserted map has one real pixel in four.
    one = table(layer("deconv", (4, 4), (4, 4), (2, 2), (8, 8), 3, 5, before=(1, 1)))
    nzp, processor = lower(one, "nzp"), systolic(6, 1)
    dense, skipped = (
        compute_cycles(nzp, processor, skip, "input_stationary").item() for skip in ("none", "A")
    )
    # A column of one pixel: 16 taps of 3 channels are 8 folds, of which at most 2 are left.
    assert dense == 64 * 8 * (5 + 12 + 1 - 2) - 1
    assert skipped < dense / 4
    # 3x3 at stride 2 is extended to 4x4, of which 9 taps are real.
    odd = table(layer("deconv", (4, 4), (3, 3), (2, 2), (8, 8), 3, 5))
    split, trimmed = lower(odd, "sd"), lower(odd, "sd_trimmed")
    left = (split.times * compute_cycles(split, processor, "W", "input_stationary")).sum()
    assert (
        left
        == (trimmed.times * compute_cycles(trimmed, processor, dataflow="input_stationary")).sum()
    )


@pytest.mark.parametrize(
    "row",
    list(SCALESIM.itertuples()),
    ids=lambda row: f"{row.network}-{row.method}-{row.array}-{row.name}",
)
def test_cycles_and_accesses_of_buffers_are_scalesim_s(row):
    pixels, taps = row.out_h * row.out_w * row.batch, row.taps_h * row.taps_w
    shape = tuple(map(int, row.array.split("x")))
    assert input_stationary(pixels, taps, row.c_in, row.c_out, *shape) == row.cycles
    sizes = (row.out_h + row.taps_h - 1, row.out_w + row.taps_w - 1)
    kernel, outputs = (row.taps_h, row.taps_w), (row.out_h, row.out_w)
    stated = layer("conv", sizes, kernel, (1, 1), outputs, row.c_in, row.c_out, "VALID")
    work = lower(table(stated), "nzp")
    words = buffer_words(work, systolic(*shape), "input_stationary", batch=row.batch)
    # It counts each sum that is written, not that all but the last are read again.
    counted = (words["input"], words["weight"], words["output"] + words["sums"] / 2)
    assert [value.item() for value in counted] == [
        row.input_reads,
        row.weight_reads,
        row.output_writes,
    ]
