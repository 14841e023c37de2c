"""Cycles against SCALE-Sim, an array stepped in Python, and what must hold of any array."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from splitdeconv.core.describe import exact_taps
from splitdeconv.dlp import cycles
from splitdeconv.dlp.cycles import compute_cycles, issued_macs, real_macs
from splitdeconv.dlp.lowering import METHODS, lower
from tests.dlp.tables import (
    ALL,
    arrays,
    dot_array,
    layer,
    networks,
    of_case,
    planar,
    systolic,
    table,
)
from tests.refusals import refused

SCALESIM = pd.read_csv(Path(__file__).parents[2] / "data/reference/scalesim_3.0.0_dcgan.csv")
FLOWS = {"os": "output_stationary", "ws": "weight_stationary"}
# Input length and channels of DCGAN's 5x5 s2 layers, and pixels, taps and channels as SCALE-Sim was
# given them.
LAYERS = {"d1": (8, 256, 128), "d2": (16, 128, 64), "d3": (32, 64, 3)}
STATED = {
    "NZP": lambda n, c_in, c_out: (4 * n * n, 25, c_in, c_out),
    "SD": lambda n, c_in, c_out: (n * n, 9, c_in, c_out),
    "SDfused": lambda n, c_in, c_out: (n * n, 9, c_in, 4 * c_out),
    "SDfull": lambda n, c_in, c_out: ((n + 2) ** 2, 9, c_in, c_out),
}
LOWERED = {"NZP": "nzp", "SD": "sd", "SDfused": "stacked"}
RUNS = [("output_stationary", skip) for skip in ALL] + [
    ("weight_stationary", skip) for skip in ("none", "W")
]
RUNS += [("dot_product", skip) for skip in ALL] + [("input_stationary", skip) for skip in ALL]


@pytest.mark.parametrize(
    "row", list(SCALESIM.itertuples()), ids=lambda row: f"{row.form}-{row[3]}-{row[4]}-{row.layer}"
)
def test_closed_forms_are_scalesim_s_cycles(row):
    stated = STATED[row.form](*LAYERS[row.layer[:2]])
    assert np.prod(stated) == row.macs
    shape = map(int, row.array_rows_x_cols.split("x"))
    assert getattr(cycles, FLOWS[row.dataflow])(*stated, *shape) == row.cycles


@pytest.mark.parametrize(
    ("form", "shape", "flow"), list(product(LOWERED, ("16x16", "32x7"), FLOWS)), ids=str
)
def test_lowered_layers_have_scalesim_s_cycles(form, shape, flow):
    rows = SCALESIM.query(
        "form == @form and array_rows_x_cols == @shape and dataflow == @flow"
    ).sort_values("layer")
    assert len(rows) == 3
    work = lower(networks("DCGAN"), LOWERED[form])
    processor = systolic(*map(int, shape.split("x")))
    found = work.per_layer(compute_cycles(work, processor, dataflow=FLOWS[flow]))[1:]
    assert found.tolist() == (rows["times_per_layer"] * rows["cycles"]).tolist()
    assert (
        work.per_layer(issued_macs(work, processor))[1:].tolist()
        == (rows["times_per_layer"] * rows["macs"]).tolist()
    )


def machine(flow, rows, cols):
    return dot_array(rows, cols) if flow == "dot_product" else systolic(rows, cols)


def stepped(axes, c_in, c_out, flow, skip, rows, cols, batch):
    """(cycles, issued) of one convolution, tile by tile and tap by tap."""
    height, width = axes
    outputs = product(range(batch), range(height.outputs), range(width.outputs))
    seen = [np.outer(height.activations[y], width.activations[x]).ravel() for _, y, x in outputs]
    phases = [np.outer(a, b).ravel() for a, b in product(height.weights, width.weights)]
    filters = [phase for phase in phases for _ in range(c_out // len(phases))]
    if "A" not in skip:
        seen = [np.ones_like(pixel) for pixel in seen]
    if "W" not in skip:
        filters = [np.ones_like(channel) for channel in filters]
    across = [filters[i : i + cols] for i in range(0, c_out, cols)]
    total = issued = 0
    if flow == "input_stationary":
        for pixels in (seen[i : i + cols] for i in range(0, len(seen), cols)):
            taps = range(len(phases[0]))
            kept = c_in * sum(
                any(p[tap] for p in pixels) and any(f[tap] for f in filters) for tap in taps
            )
            total += -(-kept // rows) * (c_out + 2 * rows + cols - 2)
            issued += kept * len(pixels) * c_out
        return max(total - 1, 0), issued
    if flow == "weight_stationary":
        for tile in across:
            kept = (
                sum(any(channel[tap] for channel in tile) for tap in range(len(phases[0]))) * c_in
            )
            total += -(-kept // rows) * (len(seen) + 2 * rows + cols - 2)
            issued += kept * len(seen) * len(tile)
        return max(total - 1, 0), issued
    size = rows if flow == "output_stationary" else 1
    down = [seen[i : i + size] for i in range(0, len(seen), size)]
    for pixels, channels in product(down, across):
        taps = sum(
            any(p[tap] for p in pixels) and any(c[tap] for c in channels)
            for tap in range(len(phases[0]))
        )
        issued += taps * c_in * len(pixels) * len(channels)
        total += (
            taps * c_in + rows + cols - 2
            if flow == "output_stationary"
            else taps * -(-c_in // rows)
        )
    if flow == "output_stationary":
        fill = len(down) * len(across) * (rows + cols - 2)
        total -= fill > 0
    return total, issued


def small(case):
    axes = case.plan("nzp").axes
    return np.prod([axis.o * axis.k for axis in axes]) * case.batch <= 1500


@given(planar().filter(small), st.sampled_from(METHODS), st.sampled_from(RUNS), arrays())
def test_cycles_and_issued_are_those_of_an_array_stepped_through(case, method, run, array):
    work, processor = lower(of_case(case), method), machine(run[0], *array)
    run = {"dataflow": run[0], "skip": run[1], "batch": case.batch}
    found, issued = compute_cycles(work, processor, **run), issued_macs(work, processor, **run)
    for i, axes in enumerate(work.axes):
        expected = stepped(
            axes, work.c_in[i], work.c_out[i], run["dataflow"], run["skip"], *array, case.batch
        )
        assert (found[i], issued[i]) == tuple(work.groups[i] * np.array(expected))


@given(planar(), st.sampled_from(METHODS), arrays(), st.integers(1, 6))
def test_what_holds_of_every_array(case, method, array, batch):
    work = lower(of_case(case), method)
    real = real_macs(work, batch)
    for flow in cycles.DATAFLOWS:
        processor = machine(flow, *array)
        skips = [skip for name, skip in RUNS if name == flow]
        runs = {skip: compute_cycles(work, processor, skip, flow, batch) for skip in skips}
        issued = {skip: issued_macs(work, processor, skip, flow, batch) for skip in skips}
        for skip in skips:
            assert (runs[skip] * array[0] * array[1] >= issued[skip]).all()
            assert (issued[skip] >= real).all()
            assert (issued[skip] <= issued["none"]).all()
            assert (runs[skip] <= runs["none"]).all()
        if "WA" in skips:
            assert (runs["WA"] <= np.minimum(runs["W"], runs["A"])).all()
        dense = getattr(cycles, flow)
        pixels, taps = work.out_h * work.out_w * batch, work.taps_h * work.taps_w
        assert (
            runs["none"] == work.groups * dense(pixels, taps, work.c_in, work.c_out, *array)
        ).all()


@given(planar(), st.sampled_from(RUNS), arrays())
def test_weights_bring_sd_nothing_where_the_stride_divides_the_kernel_and_else_trim_it(
    case, run, array
):
    flow, skip = run
    axes = case.plan().axes
    work, processor = lower(of_case(case), "sd"), machine(flow, *array)
    without = skip.replace("W", "") or "none"
    cycles = [compute_cycles(work, processor, s, flow) for s in (skip, without)]
    if all(axis.k % (axis.s // np.gcd(axis.s, axis.d)) == 0 for axis in axes):
        assert (cycles[0] == cycles[1]).all()
    if "W" in skip and all(axis.k >= axis.s for axis in axes):
        trimmed = lower(of_case(case), "sd_trimmed")
        total = (trimmed.times * compute_cycles(trimmed, processor, without, flow)).sum()
        assert total == (work.times * cycles[0]).sum()


@given(planar(), arrays())
def test_on_dot_products_skipped_inserted_zeros_leave_the_taps_of_trimmed_sd(case, array):
    axes, processor = case.plan().axes, dot_array(*array)
    pairs = (
        case.groups
        * -(-case.cin // case.groups // array[0])
        * -(-case.cout // case.groups // array[1])
    )
    nzp, trimmed, extended = (
        (work.times * compute_cycles(work, processor, "A")).sum()
        for work in (lower(of_case(case), method) for method in ("nzp", "sd_trimmed", "sd"))
    )
    assert nzp == pairs * np.prod([exact_taps(axis) for axis in axes])
    # SD computes whole blocks: where the stride does not divide the output, it also meets taps of
    # cropped outputs.
    assert trimmed >= nzp
    if all(axis.o % axis.s == 0 for axis in axes):
        assert trimmed == nzp
    assert extended >= trimmed


def test_zero_extension_costs_dot_products_nearly_its_taps():
    # 3x3 at stride 2 issues (4/3)^2 = 1.78 taps for each real one, less at the border: at 2048 x
    # 2048 the limit shows.
    wide = table(layer("deconv", (2048, 2048), (3, 3), (2, 2), (4096, 4096), 16, 16))
    works = [lower(wide, method) for method in ("sd", "sd_trimmed")]
    extended, trimmed = ((w.times * compute_cycles(w, dot_array(16, 16), "A")).sum() for w in works)
    assert extended / trimmed == pytest.approx(16 / 9, abs=2 / 2048)


@given(planar(), st.sampled_from(RUNS), st.integers(1, 4))
def test_sd_is_zero_insertion_at_stride_one(case, run, batch):
    unit = {
        "strides": (1,) * case.rank,
        "padding": "SAME",
        "output_shape": None,
        "output_padding": None,
    }
    case = replace(case, **unit)
    runs = [lower(of_case(case), method) for method in ("sd", "nzp", "sd_trimmed")]
    found = [
        compute_cycles(work, machine(run[0], 4, 3), run[1], run[0], batch).tolist() for work in runs
    ]
    assert found[0] == found[1] == found[2]


def test_stacked_phases_share_a_tile_of_channels_or_not():
    # 5x5 at stride 2: of the window's 3 taps an axis, even phases have 2 and odd ones 3.
    work = lower(
        table(layer("deconv", (8, 8), (5, 5), (2, 2), (16, 16), 5, 8, before=(1, 1))), "stacked"
    )
    assert (work.taps_h.tolist(), work.c_out.tolist()) == ([3], [32])
    for cols, per_channel in ((8, [4, 6, 6, 9]), (16, [6, 9]), (24, [8, 9]), (32, [9]), (64, [9])):
        # 64 pixels in tiles of 64; a column tile holds one phase, a row's two, all but the last, or
        # all.
        fill = len(per_channel) * (64 + cols - 2) - 1
        assert compute_cycles(work, systolic(64, cols), "W").tolist() == [
            sum(per_channel) * 5 + fill
        ]


@pytest.mark.parametrize("run", RUNS, ids="-".join)
def test_arrays_of_processors_are_each_of_them(run):
    flow, skip = run
    work = lower(networks("DCGAN"), "paper")
    rows, cols = np.array([[16], [32], [5], [16]]), np.array([[16], [7], [9], [9]])
    batch = np.array([1, 3]).reshape(2, 1, 1)
    many = machine(flow, rows, cols)
    for count in (compute_cycles, issued_macs):
        found = count(work, many, skip, flow, batch)
        assert (found.shape, found.dtype) == ((2, 4, len(work)), np.int64)
        for i, k in product(range(2), range(4)):
            one = machine(flow, int(rows[k, 0]), int(cols[k, 0]))
            np.testing.assert_array_equal(
                found[i, k], count(work, one, skip, flow, int(batch[i, 0, 0]))
            )
    assert real_macs(work, batch).shape == (2, 1, len(work))


def test_an_array_of_its_own_for_each_convolution():
    work = lower(networks("SNGAN"), "nzp")
    rows = np.array([16, 8, 4, 2])
    found = compute_cycles(work, systolic(rows, 16), "A")
    assert found.tolist() == [
        compute_cycles(work, systolic(r, 16), "A")[i] for i, r in enumerate(rows)
    ]


def test_the_first_dataflow_is_the_default():
    work, processor = lower(networks("DCGAN"), "sd"), systolic(16, 16)
    stationary = [
        compute_cycles(work, processor, dataflow=flow).tolist()
        for flow in (None, *processor.dataflows)
    ]
    assert stationary[0] == stationary[1] != stationary[2]
    assert stationary[3] not in stationary[:3]


def test_runs_that_a_processor_cannot_make_are_refused():
    work, plain = lower(networks("DCGAN"), "sd"), systolic(16, 16)
    with refused("cannot skip activations: its rows hold taps"):
        compute_cycles(work, plain, "WA", "weight_stationary")
    plain.skipping = ("none", "A")
    for count in (compute_cycles, issued_macs):
        with refused("the processor does not support that skipping mode") as caught:
            count(work, plain, "W")
        assert caught.value.where == "processor systolic"
    with refused("unknown dataflow"):
        compute_cycles(work, plain, "none", "dot_product")
    with refused("unknown skip"):
        compute_cycles(work, plain, "AW")
