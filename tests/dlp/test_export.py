"""Exports to other simulators, read as those simulators read them."""

import csv
from dataclasses import replace
from math import ceil, prod
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given, strategies as st

from splitdeconv.dlp import cycles as arrays, load_processor, load_technology, simulate
from splitdeconv.dlp.export.convolutions import convolutions, export
from splitdeconv.dlp.export.zigzag import rectangle
from splitdeconv.dlp.lowering import METHODS
from splitdeconv.dlp.workload import workload
from tests.dlp.tables import networks
from tests.refusals import refused

REFERENCE = Path(__file__).parents[2] / "data" / "reference"
# Unequal strides, dilation and groups; a kernel that its stride does not divide; names as
# frameworks give them.
ODD = pd.DataFrame(
    [
        {
            "name": "a/conv,DP",
            "kind": "conv",
            "in_h": 9,
            "in_w": 7,
            "c_in": 4,
            "c_out": 6,
            "k_h": 3,
            "k_w": 2,
        }
        | {"stride_h": 2, "stride_w": 1, "groups": 2, "padding": "SAME"},
        {
            "name": "b",
            "kind": "conv",
            "in_h": 5,
            "in_w": 7,
            "c_in": 6,
            "c_out": 8,
            "k_h": 2,
            "k_w": 3,
        }
        | {"stride_h": 1, "stride_w": 1, "dilation_h": 2, "dilation_w": 3, "padding": "SAME"},
        {
            "name": "up",
            "kind": "deconv",
            "in_h": 5,
            "in_w": 7,
            "c_in": 8,
            "c_out": 6,
            "k_h": 5,
            "k_w": 3,
        }
        | {"stride_h": 2, "stride_w": 3, "groups": 2, "padding": "SAME"},
        {"name": "last", "kind": "dense", "in_h": 1, "in_w": 3, "c_in": 10, "c_out": 20},
    ]
)
FLOWS = {
    flow: getattr(arrays, flow)
    for flow in ("output_stationary", "weight_stationary", "input_stationary")
}


def topology(folder):
    """The rows of a topology file as SCALE-Sim takes them: (name, sizes)."""
    lines = (folder / "topology.csv").read_text().splitlines()[1:]
    assert all(line.endswith(",") for line in lines)  # the last field of each line is dropped
    return [(name, *map(int, sizes)) for name, *sizes in (row[:-1] for row in csv.reader(lines))]


def outputs(size, taps, stride):
    """SCALE-Sim's output length."""
    return ceil((size - taps + stride) / stride)


@pytest.mark.parametrize(("method", "form"), [("nzp", "NZP"), ("sd", "SD"), ("stacked", "SDfused")])
def test_convolutions_are_those_of_the_reference(method, form):
    reference = (
        pd.read_csv(REFERENCE / "scalesim_3.0.0_dcgan.csv")
        .query("form == @form")
        .drop_duplicates("layer")
    )
    rows = convolutions(networks("DCGAN"), method).query("kind == 'deconv'")
    assert rows["times"].tolist() == reference["times_per_layer"].tolist()
    macs = rows[["out_h", "out_w", "taps_h", "taps_w", "c_in", "c_out"]].prod(axis=1)
    assert macs.tolist() == reference["macs"].tolist()


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("method", [method for method in METHODS if method != "native"])
def test_scalesim_s_convolutions_add_up_to_the_layers(method, flow, batch, tmp_path):
    processor = load_processor("pe_array_32x7")
    rows = export(ODD, processor, tmp_path, "scalesim", method, flow, batch)
    cycles = []
    for name, h, w, k_h, k_w, c_in, c_out, stride in topology(tmp_path):
        pixels = outputs(h, k_h, stride) * outputs(w, k_w, stride)
        cycles.append(
            (name, FLOWS[flow](pixels, k_h * k_w, c_in, c_out, processor.rows, processor.cols))
        )
    assert [name for name, _ in cycles] == rows["name"].tolist()
    sums = (rows["times"] * [c for _, c in cycles]).groupby(rows["layer"], sort=False).sum()
    ours = simulate(ODD, processor, method, dataflow=flow, batch=batch)
    assert sums.tolist() == ours["compute_cycles"].tolist()


def test_names_that_scalesim_takes_for_nothing_else(tmp_path):
    names = [name for name, *_ in topology_of(ODD, tmp_path)]
    # "DP" would make a depthwise layer.
    assert names[0] == "c0_a_conv_dp"
    assert len(set(names)) == len(names)


def topology_of(table, folder, **options):
    export(table, "pe_array_16x16", folder, "scalesim", **options)
    return topology(folder)


@pytest.mark.parametrize(
    ("flow", "name"),
    [("output_stationary", "os"), ("weight_stationary", "ws"), ("input_stationary", "is")],
)
def test_scalesim_s_configuration(flow, name, tmp_path):
    processor = replace(
        load_processor("pe_array_32x7"), word_bits=16, input_buffer_kib=64.0, weight_buffer_kib=0.5
    )
    export(ODD, processor, tmp_path, "scalesim", dataflow=flow)
    text = (tmp_path / "scale.cfg").read_text()
    found = dict(line.split(" = ") for line in text.splitlines() if " = " in line)
    assert (found["ArrayHeight"], found["ArrayWidth"], found["Dataflow"]) == ("32", "7", name)
    # Words of two bytes: half as many; never none.
    assert (found["IfmapSramSzkB"], found["FilterSramSzkB"], found["OfmapSramSzkB"]) == (
        "32",
        "1",
        "32",
    )
    assert found["InterfaceBandwidth"] == "CALC"
    assert (tmp_path / "layout.csv").read_text()


def zigzag(folder, table=ODD, processor="pe_array_32x7", **options):
    """(convolutions, workload, accelerator, mapping by name)."""
    rows = export(table, processor, folder, "zigzag", **options)
    parts = [
        yaml.safe_load((folder / f"{n}.yaml").read_text())
        for n in ("workload", "accelerator", "mapping")
    ]
    return rows, *parts[:2], {entry["name"]: entry["spatial_mapping"] for entry in parts[2]}


@pytest.mark.parametrize("method", ["nzp", "sd", "rows"])
def test_zigzag_s_workload_multiplies_as_much(method, tmp_path):
    rows, layers, *_ = zigzag(tmp_path, method=method, batch=2)
    macs = [prod(layer["loop_sizes"]) for layer in layers]
    ours = simulate(ODD, "pe_array_32x7", method, batch=2)
    assert (rows["times"] * macs).groupby(rows["layer"], sort=False).sum().tolist() == ours[
        "macs_dense"
    ].tolist()
    assert [layer["name"] for layer in layers] == rows["name"].tolist()
    strided = dict(zip(rows["layer"], layers, strict=True))
    assert strided["a/conv,DP"]["dimension_relations"] == ["ix=1*ox+1*fx", "iy=2*oy+1*fy"]
    assert strided["b"]["dimension_relations"] == ["ix=1*ox+3*fx", "iy=1*oy+2*fy"]


@pytest.mark.parametrize(
    ("processor", "flow", "rows", "cols"),
    [
        ("pe_array_32x7", "output_stationary", {"OX", "OY"}, {"K"}),
        ("pe_array_32x7", "weight_stationary", {"C"}, {"K"}),
        ("pe_array_32x7", "input_stationary", {"C"}, {"OX", "OY"}),
        ("dot_product_16x16", "dot_product", {"C"}, {"K"}),
    ],
)
def test_zigzag_s_mapping_fits_the_array(processor, flow, rows, cols, tmp_path):
    found, layers, accelerator, mapping = zigzag(tmp_path, processor=processor, dataflow=flow)
    array = load_processor(processor)
    assert accelerator["operational_array"]["sizes"] == [array.rows, array.cols]
    assert set(mapping) == {*found["name"], "default"}
    for layer in layers:
        sizes = dict(zip(layer["loop_dims"], layer["loop_sizes"], strict=True))
        unrolled = {
            d: dict(loop.split(", ") for loop in loops)
            for d, loops in mapping[layer["name"]].items()
        }
        assert set(unrolled["D1"]) <= rows
        assert set(unrolled["D2"]) <= cols
        assert prod(map(int, unrolled["D1"].values())) <= array.rows
        assert prod(map(int, unrolled["D2"].values())) <= array.cols
        assert all(
            int(n) <= sizes[loop] for loops in unrolled.values() for loop, n in loops.items()
        )


@pytest.mark.parametrize("name", ["cacti_40nm", "horowitz_45nm"])
def test_zigzag_s_energies_are_the_technology_s(name, tmp_path):
    processor = replace(
        load_processor("pe_array_16x16"),
        input_buffer_kib=8,
        weight_buffer_kib=32,
        output_buffer_kib=1024,
    )
    accelerator = zigzag(tmp_path, processor=processor, technology=name)[2]
    technology, memories = load_technology(name), accelerator["memories"]
    assert accelerator["operational_array"]["unit_energy"] == technology.mac_pj["int8"]

    def per_bit(memory):
        widths = {port["bandwidth_max"] for port in memories[memory]["ports"]}
        return memories[memory]["r_cost"] / widths.pop() if len(widths) == 1 else None

    sram = dict(technology.sram_pj)
    assert per_bit("register_O") == pytest.approx(technology.register_pj / 8)
    assert per_bit("dram") == pytest.approx(technology.dram_pj / 64)
    for operand, kib in (("I1", 8), ("I2", 32), ("O", 1024)):
        assert per_bit(f"buffer_{operand}") == pytest.approx(sram[kib] / 64)
        assert memories[f"buffer_{operand}"]["size"] == kib * 8192


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 70))
def test_tiles_are_the_fewest(height, width, pixels):
    wide, high = rectangle(height, width, pixels)
    assert wide * high <= pixels
    fits = [(w, h) for w in range(1, width + 1) for h in range(1, height + 1) if w * h <= pixels]
    assert ceil(width / wide) * ceil(height / high) == min(
        ceil(width / w) * ceil(height / h) for w, h in fits
    )


def test_a_written_table_says_how_often_each_runs(tmp_path):
    rows = export(networks("DCGAN"), "pe_array_16x16", tmp_path / "new")
    written = pd.read_csv(tmp_path / "new" / "convolutions.csv")
    pd.testing.assert_frame_equal(written, rows, check_dtype=False)
    assert rows.query("kind == 'deconv'")["times"].tolist() == [4, 4, 4]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        ["topology.csv", "layout.csv", "scale.cfg", "convolutions.csv"]
    )


@pytest.mark.parametrize(
    ("processor", "options", "match"),
    [
        ("pe_array_16x16", {"format": "timeloop"}, "unknown format"),
        ("pe_array_16x16", {"dataflow": "dot_product"}, "unknown dataflow"),
        ("pe_array_16x16", {"method": "magic"}, "unknown method"),
        ("pe_array_16x16", {"batch": 0}, "the batch must be a positive integer"),
        ("pe_array_16x16", {"batch": True}, "the batch must be a positive integer"),
        (
            "pe_array_16x16",
            {"format": "zigzag", "technology": "graphene"},
            "no such technology or file",
        ),
        ("pe_array_9x9", {}, "no such processor or file"),
        ("dot_product_16x16", {}, "SCALE-Sim cannot describe this array"),
    ],
)
def test_what_cannot_be_exported(processor, options, match, tmp_path):
    with refused(match):
        export(ODD, processor, tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "new").touch()
    with refused("the folder cannot be created"):
        export(ODD, "pe_array_16x16", tmp_path / "new")


def test_a_word_that_the_technology_cannot_multiply(tmp_path):
    processor = replace(load_processor("pe_array_16x16"), word_bits=12)
    with refused("does not have this number type"):
        export(ODD, processor, tmp_path, "zigzag")


def test_every_layer_of_a_network_is_exported():
    table = workload(ODD)
    assert list(dict.fromkeys(convolutions(ODD, "paper")["layer"])) == table["name"].tolist()
