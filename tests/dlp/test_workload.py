"""One table of layers from whatever describes a network; files are read elsewhere."""

import subprocess
import sys

import keras
import pandas as pd
import pytest

from splitdeconv.dlp.workload import workload
from splitdeconv.formats.keras.model import to_bytes
from splitdeconv.networks import build, layer_table
from splitdeconv.networks.gap import published_layers
from splitdeconv.networks.table import COLUMNS
from splitdeconv.toolchains.models import tflite as litert
from tests.refusals import refused

CSV = "name,kind,in_h,in_w,c_in,c_out,k_h,k_w,stride_h,stride_w,padding\n"
UP = "up,deconv,4,5,6,7,3,2,2,1,SAME\n"
PUBLISHED = "network,layer,kind,in_h,in_w,c_in,c_out,k_h,k_w,stride,padding,out_h,out_w,mac\n"


@pytest.fixture
def csv(tmp_path):
    def write(text, name="net.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_name_is_its_network_s_table():
    pd.testing.assert_frame_equal(workload("fst", size=64), layer_table("fst", size=64))


# Keras 3.15 hands TensorFlow's variables to np.array, which NumPy 2 dislikes; it concerns only how
# saving copies them
@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
def test_a_keras_model_and_its_file(csv):
    x = keras.Input((6, 5, 3))
    y = keras.layers.Conv2DTranspose(4, (5, 3), (3, 2), "same", output_padding=(2, 1), name="up")(x)
    model = keras.Model(x, keras.layers.Conv2D(7, 3, dilation_rate=(2, 1), name="out")(y))
    table = layer_table(model)
    assert table["kind"].tolist() == ["deconv", "conv"]
    pd.testing.assert_frame_equal(workload(model), table)
    pd.testing.assert_frame_equal(workload(csv(to_bytes(model), "model.keras")), table)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), [("dcgan", {}), ("fst", {"size": 32})], ids=str)
def test_an_exported_network_has_the_table_of_its_model(name, options):
    model = build(name, "native", seed=None, **options)
    found, table = workload(litert.export(model)), layer_table(model)
    # Converters rename layers, and TFLite knows transposed convolutions' padding as SAME or VALID
    # only.
    pd.testing.assert_frame_equal(
        found.drop(columns=["name", "padding"]), table.drop(columns=["name", "padding"])
    )
    assert (
        found["padding"].where(found["kind"] != "deconv", "SAME").tolist()
        == table["padding"].tolist()
    )


def test_a_csv_of_our_columns(csv):
    table = workload(csv(CSV + UP))
    assert list(table.columns) == COLUMNS
    row = table.iloc[0]
    assert (row.out_h, row.out_w, row.macs) == (8, 5, 4 * 5 * 3 * 2 * 6 * 7)


def test_a_table_survives_its_csv(csv):
    table = layer_table("sngan")
    pd.testing.assert_frame_equal(workload(csv(table.to_csv(index=False))), table)
    pd.testing.assert_frame_equal(workload(table), table)


def test_the_published_tables_are_a_csv_of_several_networks(csv):
    published = published_layers()
    path = csv(published.drop(columns="source", errors="ignore").to_csv(index=False))
    for network, rows in published.groupby("network"):
        table = workload(path, network=network)
        times = [10 if "(10x)" in name else 1 for name in rows["layer"]]
        assert table["macs"].sum() == sum(t * m for t, m in zip(times, rows["mac"], strict=True))
    assert "residual 10" in workload(path, network="FST")["name"].tolist()


def test_a_csv_of_one_network_needs_no_name(csv):
    path = csv(PUBLISHED + "A,up (3x),deconv,4,4,2,3,4,4,2,SAME,8,8,1536\n")
    assert workload(path)["name"].tolist() == ["up 1", "up 2", "up 3"]
    assert len(workload(path, network="A")) == 3


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "there are no layers"),
        (CSV, "there are no layers"),
        (CSV + UP + "a,conv,4,5,6\n", "a row has the wrong length"),
        (CSV + UP.strip() + ",1\n", "a row has the wrong length"),
        (CSV.replace("c_in", "k_h") + UP, "duplicate column"),
        (CSV.replace("stride_w", "stride_x") + UP, "unknown column"),
        (CSV + UP.replace("deconv", "deconvolution"), "unknown kind of layer"),
        (CSV + UP.replace(",6,", ",six,"), "value out of range"),
        (CSV + UP.replace("SAME", ""), "the padding is missing"),
        (b"\xff\xfe\x00,", "the table cannot be read"),
        (CSV + 'a,"b\n', "the table cannot be read"),
        (
            PUBLISHED + "A,a,dense,1,1,2,3,1,1,1,,1,1,6\nB,b,dense,1,1,2,3,1,1,1,,1,1,6\n",
            "ambiguous network",
        ),
    ],
)
def test_a_broken_csv_is_one_error(csv, text, match):
    with refused(match) as caught:
        workload(csv(text))
    assert "net.csv" in caught.value.where


def test_a_cell_of_a_csv_is_told_by_row_and_column(csv):
    with refused("value out of range") as caught:
        workload(csv(CSV + UP + UP.replace(",3,2,", ",3,0,")))
    assert caught.value.where.endswith("net.csv, row 2 (up), column k_w")


@pytest.mark.parametrize(
    ("source", "options", "match"),
    [
        ("dcgann", {}, "there is no such network or file"),
        ("missing.tflite", {}, "there is no such network or file"),
        (42, {}, "not a network"),
        ([], {}, "not a network"),
        (pd.DataFrame(), {}, "there are no layers"),
        (
            pd.DataFrame({"name": ["a"], "kind": ["conv"]}),
            {},
            "columns are missing: in_h, in_w, c_in, c_out",
        ),
        (pd.DataFrame([["a", "b"]], columns=["name"] * 2), {}, "duplicate column"),
        (layer_table("dcgan").iloc[:1], {"size": 3}, "unknown option"),
        (b"", {}, "unsupported model format"),
        (b"TFL3TFL3", {}, "not a TFLite model|not a recognised model|damaged"),
        (b"TFL3TFL3", {"network": "a"}, "unknown option"),
        ("dcgan", {"depth": 3}, "option"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_network(source, options, match):
    with refused(match):
        workload(source, **options)


def test_a_table_of_layers_is_among_what_is_expected_of_a_file(csv, tmp_path):
    with refused("there is no such network or file") as caught:
        workload(tmp_path / "layers.tsv")
    assert "an existing .csv, .keras, .onnx, .pt2 or .tflite file" in caught.value.expected
    path = csv(CSV + UP, "layers.tsv")
    with refused("unsupported model format") as caught:
        workload(path)
    assert caught.value.expected == "a .csv, .keras, .onnx, .pt2 or .tflite file"
    assert (caught.value.where, caught.value.got) == (str(path), "text")
    # What is wrong with a model is told as by the other verbs.
    with refused("unsupported model format") as caught:
        workload(b"TFL2 and no more than that")
    assert ".csv" not in caught.value.expected


def test_a_network_that_is_not_in_the_csv(csv):
    with refused("ambiguous network"):
        workload(csv(CSV + UP), network="DCGAN")


def test_no_framework_is_loaded_for_a_table_or_a_file(csv):
    model = csv(
        litert.export(keras.Sequential([keras.Input((4, 5, 3)), keras.layers.Conv2D(2, 3)])),
        "up.tflite",
    )
    script = f"""
import sys
from splitdeconv.dlp.workload import workload
assert len(workload({str(csv(CSV + UP))!r})) == 1
assert len(workload({str(model)!r})) == 1
libraries = {{"tensorflow", "keras", "jax", "onnx", "flatbuffers", "ai_edge_litert"}}
print(sorted(libraries & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_published_table_of_the_package_is_read():
    from importlib.resources import files

    path = files("splitdeconv.networks") / "reference" / "layers.csv"
    table = workload(path, network="DCGAN")
    assert table["name"].tolist() == ["fc", "deconv1", "deconv2", "deconv3"]
    assert table["macs"].tolist() == [1638400, 52428800, 52428800, 4915200]
