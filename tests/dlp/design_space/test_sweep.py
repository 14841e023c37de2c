"""Sweeps: every point is a simulation, wherever and in whatever pieces it was computed."""

import itertools
import os
import signal
import subprocess
import sys
from dataclasses import replace

import dask
import distributed
import numpy as np
import pytest
import xarray

from splitdeconv.dlp import load_processor, simulate, sweep
from splitdeconv.dlp.design_space.jobs import OF_CHIP, VARIABLES
from tests.dlp.tables import layer, networks, table
from tests.refusals import refused

MODULE = sys.modules["splitdeconv.dlp.design_space.sweep"]
TABLES = {name: networks(name) for name in ("DCGAN", "MDE")}
SMALL = {"small": table(layer("deconv", (3, 4), (5, 4), (2, 3), (6, 12), 7, 5, before=(1, 0)))}
ARRAYS = {"8x32": {"rows": 8, "cols": 32}, "12x5": {"rows": 12, "cols": 5}, "as it is": {}}
AXES = {
    "array": ARRAYS,
    "technology": ("cacti_40nm", "horowitz_45nm"),
    "input_buffer_kib": np.array([4.0, 64.0]),
    "dram_gb_s": [1, 12.8, 400],
    "batch": range(1, 4),
}


def same(ours, theirs):
    """All values, bit by bit."""
    xarray.testing.assert_identical(ours, theirs)


@pytest.mark.parametrize(
    ("name", "dataflow"), [("pe_array_32x7", None), ("dot_product_16x16", "dot_product")]
)
def test_every_point_is_a_simulation(name, dataflow):
    processor, methods, skips = load_processor(name), ("nzp", "sd", "rows"), ("none", "WA")
    options = {"dataflow": dataflow, "zeros": "stored"}
    found = sweep(TABLES, name, AXES, methods=methods, skips=skips, **options)
    assert set(found.data_vars) == set(VARIABLES)
    # A dataset has no order of its own in every xarray; its variables do.
    assert found.cycles.dims == ("network", "method", "skip", "part", *AXES)
    assert dict(found.sizes) == {
        "network": 2,
        "method": 3,
        "skip": 2,
        "part": 2,
        "array": 3,
        "technology": 2,
        "input_buffer_kib": 2,
        "dram_gb_s": 3,
        "batch": 3,
    }
    points = list(
        itertools.product(
            TABLES,
            methods,
            skips,
            *(axis if axis is not ARRAYS else ARRAYS for axis in AXES.values()),
        )
    )
    for at in points[:: 2 * 29]:
        network, method, skip, array, technology, kib, speed, batch = at
        fields = {
            "technology": technology,
            "input_buffer_kib": float(kib),
            "dram_gb_s": speed,
            **ARRAYS[array],
        }
        layers = simulate(
            TABLES[network],
            replace(processor, **fields),
            method,
            skip,
            batch=batch,
            technology=technology,
            **options,
        )
        point = found.sel(dict(zip((d for d in found.cycles.dims if d != "part"), at, strict=True)))
        for part, rows in (("network", layers), ("deconv", layers[layers["kind"] == "deconv"])):
            for variable in VARIABLES.keys() - OF_CHIP.keys():
                # Both add the same float64 numbers, at most 30, in another order: 30 roundings of
                # 2^-53 each.
                np.testing.assert_allclose(
                    point[variable].sel(part=part), rows[variable].sum(), rtol=30 * 2**-53
                )


def test_labels_and_units_are_kept():
    found = sweep(
        SMALL,
        "pe_array_16x16",
        {"array": ARRAYS, "rows_": {"r": {"burst_bytes": np.int64(32), "stripe_pixels": 4}}},
    )
    assert found["array"].values.tolist() == list(ARRAYS)
    assert found["part"].values.tolist() == ["network", "deconv"]
    assert found["method"].values.tolist() == ["nzp", "sd"]
    assert {name: found[name].attrs["units"] for name in VARIABLES} == VARIABLES
    assert found.attrs == {"processor": "pe_array_16x16", "zeros": "generated"}


def test_parts_are_all_layers_and_the_transposed_ones():
    found = sweep({"DCGAN": TABLES["DCGAN"]}, "pe_array_16x16", {"batch": [1, 2]})
    assert (found.cycles.sel(part="deconv") < found.cycles.sel(part="network")).all()
    none = sweep(
        {"conv": networks("FST").query("kind == 'conv'")}, "pe_array_16x16", {"batch": [1, 2]}
    )
    assert (none.cycles.sel(part="deconv") == 0).all()
    assert (none.cycles.sel(part="network") > 0).all()


def test_without_axes_there_is_one_point():
    found = sweep(SMALL, "pe_array_32x7", {}, methods=["sd"])
    layers = simulate(SMALL["small"], "pe_array_32x7", "sd")
    assert found.cycles.dims == ("network", "method", "skip", "part")
    assert found.cycles.values.ravel().tolist() == [layers["cycles"].sum()] * 2


def test_values_that_are_no_numbers_of_an_array_are_swept_too():
    axes = {
        "word_bits": (8, 16),
        "strided_writes": (True, False),
        "machine": {
            "plain": {},
            "dots": {"array": "dot_product", "dataflows": ("dot_product",), "batch": 2},
        },
    }
    found = sweep(TABLES, "pe_array_16x16", axes)
    processor = load_processor("pe_array_16x16")
    other = replace(
        processor,
        word_bits=16,
        strided_writes=False,
        array="dot_product",
        dataflows=("dot_product",),
    )
    at = {"network": "DCGAN", "method": "sd", "skip": "none", "part": "network"}
    at |= {"word_bits": 16, "strided_writes": False}
    for machine, one, batch in (
        ("dots", other, 2),
        ("plain", replace(processor, word_bits=16, strided_writes=False), 1),
    ):
        expected = simulate(TABLES["DCGAN"], one, "sd", batch=batch)["energy_pj"].sum()
        # As above.
        np.testing.assert_allclose(
            found.energy_pj.sel({**at, "machine": machine}), expected, rtol=30 * 2**-53
        )


@pytest.mark.parametrize("chunk", [1, 7, 18, 10**6])
def test_chunks_do_not_change_values(chunk):
    axes = {name: AXES[name] for name in ("array", "dram_gb_s", "batch")}
    whole = sweep(SMALL, "pe_array_32x7", axes, skips=("none", "A"))
    same(sweep(SMALL, "pe_array_32x7", axes, skips=("none", "A"), chunk=chunk), whole)


def test_progress_is_told_of_every_task():
    told = []
    sweep(
        SMALL,
        "pe_array_32x7",
        {"batch": range(1, 8)},
        chunk=3,
        progress=lambda *counts: told.append(counts),
    )
    assert sorted(told) == [(number, 6) for number in range(1, 7)]


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_loses_nothing():
    axes = {"rows": range(8, 24, 2), "dram_gb_s": range(1, 7)}
    expected = sweep(TABLES, "pe_array_16x16", axes, skips=("none", "WA"))
    killed = []

    def kill(done, total):
        if not killed:
            killed.append((total - done, next(iter(pids))))
            os.kill(killed[0][1], signal.SIGKILL)

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:
        pids = {worker.pid for worker in cluster.workers.values()}
        assert os.getpid() not in pids
        found = sweep(
            TABLES,
            "pe_array_16x16",
            axes,
            skips=("none", "WA"),
            scheduler=cluster.scheduler_address,
            chunk=3,
            progress=kill,
        )
        ((left, pid),) = killed
        assert left > 100
        assert pid not in {worker.pid for worker in cluster.workers.values()}
        # A client of one's own serves as well, and stays open.
        with distributed.Client(cluster) as client:
            same(
                sweep(SMALL, "pe_array_16x16", {"batch": [1, 2]}, scheduler=client),
                sweep(SMALL, "pe_array_16x16", {"batch": [1, 2]}),
            )
            assert client.status == "running"

            def cancel(*_):
                client.cancel(
                    [distributed.Future(key, client) for key in list(client.futures)], force=True
                )

            with refused("the cluster was lost"):
                sweep(TABLES, "pe_array_16x16", axes, scheduler=client, chunk=1, progress=cancel)
    same(found, expected)


@pytest.mark.parametrize(
    ("axes", "match"),
    [
        ({"rowz": [1]}, "rowz"),
        ({"rows": [8, 0]}, r"rows\n.*axis rows"),
        ({"rows": [8.5]}, r"rows"),
        ({"word_bits": [7]}, "number type"),
        ({"stripe_pixels": [-1]}, "stripe_pixels"),
        ({"technology": ["nm"]}, "no such technology or file"),
        ({"batch": [0]}, "batch must be a positive integer"),
        ({"batch": []}, "invalid values"),
        ({"batch": [2, 2]}, "a value is given twice"),
        ({"dataflows": [("weight_stationary",)]}, "invalid values"),
        ({"array": {"8x8": 8}}, "an axis does not fit"),
        ({"array": {"8x8": {"rows": 8, "columns": 8}}}, "columns"),
        ({"rows": 8}, "an axis does not fit"),
        ({"rows": "8"}, "an axis does not fit"),
        ({"origins": ["assumed"]}, "unknown axis"),
        ({"nosuch": [1, 2]}, "unknown axis"),
        ({"batch": [1, 10**15]}, "the batch is too large"),
        ([8], "the axes do not fit"),
        ({"skip": ["none"]}, "the name of another dimension"),
        ({"rows": [8], "array": ARRAYS}, "two axes set the same value"),
    ],
)
def test_axes_that_do_not_fit(axes, match):
    with refused(match):
        sweep(SMALL, "pe_array_32x7", axes)


@pytest.mark.parametrize(
    ("processor", "options", "match"),
    [
        ("pe_array", {}, "no such processor or file"),
        ("pe_array_32x7", {"methods": ("sd", "native")}, "no transposed convolution"),
        ("pe_array_32x7", {"methods": ("sd", "magic")}, "unknown method"),
        ("pe_array_32x7", {"methods": ()}, "invalid values"),
        ("tpu_v5e_like", {"skips": ("none", "W")}, "does not support that skipping mode"),
        (
            "pe_array_32x7",
            {"skips": ("A",), "dataflow": "weight_stationary"},
            "cannot skip activations",
        ),
        ("pe_array_32x7", {"dataflow": "dot_product"}, "unknown dataflow"),
        ("pe_array_32x7", {"zeros": "none"}, "unknown zeros"),
        ("pe_array_32x7", {"technology": "nm"}, "no such technology or file"),
        ("pe_array_32x7", {"chunk": 0}, "chunk must be a positive integer"),
    ],
)
def test_what_is_not_allowed_is_refused_before_anything_runs(
    processor, options, match, monkeypatch
):
    monkeypatch.setattr(MODULE, "results", lambda *_: pytest.fail("a block was computed"))
    with refused(match):
        sweep(SMALL, processor, {"batch": [1, 2]}, **options)


def test_an_unknown_network():
    with refused("no such network"):
        sweep(["gan"], "pe_array_32x7", {"batch": [1]})


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere:at:all"])
def test_a_scheduler_that_is_not_there(address):
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        refused("the scheduler cannot be reached"),
    ):
        sweep(SMALL, "pe_array_32x7", {"batch": [1]}, scheduler=address)


def test_without_dask_it_is_told_what_to_install():
    code = "import sys; sys.modules['xarray'] = None\n"
    code += "from splitdeconv.dlp import sweep\nsweep({}, 'pe_array_32x7', {})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'splitdeconv[sweep]'" in done.stderr
