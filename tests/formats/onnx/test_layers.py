"""The layers of ONNX models: sizes, padding and products of the nodes, and nodes without a row."""

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper

from splitdeconv.convert.rows import layer_rows
from splitdeconv.dlp.layer_table import complete
from splitdeconv.formats.onnx.layers import layers
from splitdeconv.networks import layer_table
from splitdeconv.networks.table import COLUMNS
from splitdeconv.pretrained import fetch
from tests.formats.onnx.models import model, node, single, value
from tests.refusals import refused

SIDES = ("h", "w")


def of_table(table):
    """Each row as a node with its own input; weights are inputs too, so no numbers are needed."""
    nodes, inputs, outputs = [], [], []
    for index, row in enumerate(table.itertuples(index=False)):
        x, w, y = (f"{name}{index}" for name in "xwy")
        size, kernel, strides, dilations, crops, ends = (
            [getattr(row, f"{key}_{side}") for side in SIDES]
            for key in ("in", "k", "stride", "dilation", "before", "end")
        )
        window = {"strides": strides, "dilations": dilations, "group": row.groups}
        if row.kind == "dense":
            nodes += [node("ConstantOfShape", [f"s{index}"], w), node("MatMul", [x, w], y)]
            inputs.append(value(x, "f4", [1, *(n for n in size if n > 1), row.c_in]))
            outputs.append(value(y, "f4", None))
            lengths = onnx.numpy_helper.from_array(np.array([row.c_in, row.c_out]))
            nodes.insert(-2, node("Constant", [], f"s{index}", value=lengths))
            continue
        filters = [row.c_out, row.c_in // row.groups, *kernel]
        if row.kind == "deconv":
            filters = [row.c_in, row.c_out // row.groups, *kernel]
            nodes.append(node("ConvTranspose", [x, w], y, pads=[*crops, *ends], **window))
        else:
            padding = {"SAME": "SAME_UPPER"}.get(row.padding, row.padding)
            nodes.append(node("Conv", [x, w], y, auto_pad=padding, **window))
        inputs += [value(x, "f4", [1, row.c_in, *size]), value(w, "f4", filters)]
        outputs.append(value(y, "f4", None))
    return model(nodes, inputs, outputs)


@pytest.mark.parametrize("name", ["dcgan", "gpgan", "mde", "fst", "fcn8s"])
def test_a_network_has_the_table_of_its_model(name):
    table = layer_table(name)
    found = complete(layers(of_table(table).SerializeToString(), "up.onnx"), "up.onnx")
    pd.testing.assert_frame_equal(
        found.drop(columns=["name", "padding"]), table.drop(columns=["name", "padding"])
    )
    # A window of one pixel is padded in either way; transposed convolutions are said by numbers
    # alone.
    named = (table["kind"] == "conv") & (table["k_h"] > 1)
    assert found.loc[named, "padding"].tolist() == table.loc[named, "padding"].tolist()


def chain(batch):
    """Dense, Reshape, a grouped and dilated convolution, a transposed one; no sizes in between."""
    rng = np.random.default_rng(0)
    weights = {
        "a": rng.standard_normal((5, 6 * 4 * 3)).astype("f4"),
        "to": np.array([-1, 6, 4, 3]),
        "b": rng.standard_normal((9, 2, 3, 2)).astype("f4"),
        "c": rng.standard_normal((9, 7, 2, 3)).astype("f4"),
    }
    nodes = [
        node("Gemm", ["z", "a"], "fc"),
        node("Reshape", ["fc", "to"], "map"),
        node(
            "Conv",
            ["map", "b"],
            "down",
            group=3,
            strides=[2, 1],
            pads=[1, 0, 0, 2],
            dilations=[1, 2],
        ),
        node(
            "ConvTranspose",
            ["down", "c"],
            "up",
            strides=[2, 3],
            pads=[0, 1, 1, 0],
            output_padding=[1, 0],
        ),
    ]
    return model(nodes, [value("z", "f4", [batch, 5])], [value("up", "f4", [None] * 4)], weights)


@pytest.mark.parametrize("batch", [1, "n", 4])
def test_sizes_follow_from_the_input(batch):
    found = complete(layers(chain(batch).SerializeToString(), "up.onnx"), "up.onnx")
    wanted = {
        "name": ["fc", "down", "up"],
        "kind": ["dense", "conv", "deconv"],
        "in_h": [1, 4, 2],
        "in_w": [1, 3, 3],
        "c_in": [5, 6, 9],
        "c_out": [72, 9, 7],
        "k_h": [1, 3, 2],
        "k_w": [1, 2, 3],
        "stride_h": [1, 2, 2],
        "stride_w": [1, 1, 3],
        "dilation_h": [1, 1, 1],
        "dilation_w": [1, 2, 1],
        "groups": [1, 3, 1],
        "padding": ["", "EXPLICIT", "EXPLICIT"],
        "out_h": [1, 2, 4],
        "out_w": [1, 3, 8],
        "macs": [360, 2 * 3 * 3 * 2 * 6 * 9 // 3, 2 * 3 * 2 * 3 * 9 * 7],
        "before_h": [0, 1, 0],
        "before_w": [0, 0, 1],
        "end_h": [0, 0, 0],
        "end_w": [0, 2, 0],
    }
    pd.testing.assert_frame_equal(found, pd.DataFrame(wanted, columns=COLUMNS))


def test_sizes_are_those_that_the_runtime_makes():
    import onnxruntime

    session = onnxruntime.InferenceSession(
        chain(1).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(None, {"z": np.zeros((1, 5), "f4")})
    assert y.shape == (1, 7, 4, 8)


@pytest.mark.parametrize(
    ("mode", "before", "end"), [("SAME_UPPER", (1, 0), (2, 1)), ("SAME_LOWER", (2, 1), (1, 0))]
)
def test_automatic_padding(mode, before, end):
    w = np.zeros((2, 3, 5, 2), "f4")
    up = node("Conv", ["x", "w"], "y", auto_pad=mode, strides=[2, 1])
    source = model([up], [value("x", "f4", [1, 3, 6, 7])], [value("y", "f4", [None] * 4)], {"w": w})
    (row,) = layers(source.SerializeToString(), "up.onnx")
    assert (row["before_h"], row["before_w"], row["end_h"], row["end_w"]) == (*before, *end)
    assert (row["out_h"], row["out_w"]) == (3, 7)


def test_one_axis_and_quantized_sums():
    w = np.zeros((2, 3, 5), "i1")
    scale, zero = np.float32(1), np.int8(0)
    weights = {"w": w, "s": np.array(scale), "o": np.array(zero)}
    nodes = [
        node("QLinearConv", ["x", "s", "o", "w", "s", "o", "s", "o"], "y"),
        node("ConvInteger", ["x", "w"], "z", pads=[2, 2]),
    ]
    outputs = [value("y", "i1", [None] * 3), value("z", "i4", [None] * 3)]
    found = complete(
        layers(
            model(nodes, [value("x", "i1", [1, 3, 9])], outputs, weights).SerializeToString(), "a"
        ),
        "a",
    )
    assert found[["in_h", "in_w", "k_h", "k_w", "out_h", "out_w"]].to_numpy().tolist() == [
        [1, 9, 1, 5, 1, 5],
        [1, 9, 1, 5, 1, 9],
    ]
    assert found["padding"].tolist() == ["VALID", "SAME"]


def test_weights_behind_other_operators_and_constants():
    weights = {"q": np.zeros((4, 6), "i1"), "s": np.array(np.float32(0.5))}
    nodes = [
        node("DequantizeLinear", ["q", "s"], "w"),
        node("Transpose", ["w"], "t"),
        node("MatMul", ["x", "t"], "y"),
        node("MatMul", ["t", "w"], "constant"),
    ]
    outputs = [value("y", "f4", None), value("constant", "f4", None)]
    (row,) = layers(
        model(nodes, [value("x", "f4", [2, 7, 6])], outputs, weights).SerializeToString(), "up.onnx"
    )
    assert (row["name"], row["c_in"], row["c_out"], row["in_h"], row["in_w"]) == ("y", 6, 4, 1, 7)


def test_functions_are_looked_through():
    body = [helper.make_node("Conv", ["a", "b"], ["c"], name="inside")]
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("mine", "Block", ["a", "b"], ["c"], body, opsets)
    nodes = [node("Block", ["x", "w"], "y", domain="mine")]
    inputs = [value("x", "f4", [1, 3, 6, 7])]
    weights = {"w": np.zeros((2, 3, 3, 3), "f4")}
    source = model(
        nodes,
        inputs,
        [value("y", "f4", [None] * 4)],
        weights,
        functions=[function],
        domains=["mine"],
    )
    (row,) = layers(source.SerializeToString(), "up.onnx")
    assert (row["c_in"], row["c_out"], row["out_h"], row["out_w"]) == (3, 2, 4, 5)


def test_a_real_detector_of_open_size():
    path = fetch("ppocr_detector")
    table = complete(layer_rows(path, size=(288, 416)), "detector")
    assert table["kind"].value_counts().to_dict() == {"conv": 62, "deconv": 2}
    assert table.iloc[-1][["in_h", "in_w", "out_h", "out_w"]].tolist() == [144, 208, 288, 416]
    with refused("the operations of a layer cannot be counted") as caught:
        layer_rows(path)
    assert "size=" in caught.value.fix


X, W = np.zeros((1, 3, 6, 7), "f4"), np.zeros((3, 2, 3, 3), "f4")


def pair(kind, shapes, *, stored=(), **attributes):
    """One operator of two inputs, of which some are stored."""
    names = "ab"
    weights = {n: np.zeros(s, "f4") for n, s in zip(names, shapes, strict=True) if n in stored}
    inputs = [value(n, "f4", s) for n, s in zip(names, shapes, strict=True) if n not in stored]
    domains = [attributes["domain"]] if "domain" in attributes else []
    return model(
        [node(kind, "ab", "y", **attributes)],
        inputs,
        [value("y", "f4", None)],
        weights,
        domains=domains,
    )


def loop():
    inner = [node("Conv", ["x", "w"], "inner")]
    branch = helper.make_graph(inner, "branch", [], [value("inner", "f4", None)])
    nodes = [node("If", ["flag"], "y", then_branch=branch, else_branch=branch)]
    inputs = [
        value("flag", "bool", []),
        value("x", "f4", [1, 3, 6, 7]),
        value("w", "f4", [2, 3, 3, 3]),
    ]
    return model(nodes, inputs, [value("y", "f4", None)])


@pytest.mark.parametrize(
    ("source", "got"),
    [
        (pair("MatMul", [(1, 3, 4), (1, 4, 5)]), "MatMul"),
        (pair("MatMul", [(3, 4), (4, 5)]), "MatMul"),
        (pair("Gemm", [(3, 4), (3, 5)], stored="b", transA=1), "Gemm"),
        (pair("Conv", [(1, 3, 4, 5, 6), (2, 3, 1, 1, 1)], stored="b"), "Conv"),
        (pair("Conv", [(1, 3, 4, 5), (2, 2, 1, 1)], stored="b"), "Conv"),
        (pair("Conv", [(1, 3, None, 5), (2, 3, 1, 1)], stored="b"), "None"),
        (pair("Einsum", [(3, 4), (4, 5)], stored="b", equation="ij,jk->ik"), "Einsum"),
        (
            pair(
                "Attention", [(1, 4, 6), (6, 18)], stored="b", domain="com.microsoft", num_heads=2
            ),
            "com.microsoft",
        ),
        (pair("Mystery", [(3, 4), (4, 5)], domain="somebody"), "somebody.Mystery"),
        (loop(), "operators inside If"),
        (single(X, W, strides=[2, 2], output_padding=[2, 2]), "output padding"),
        (single(X, W, shape=[1, 3, "h", 7]), "geometry|known"),
    ],
    ids=range(12),
)
def test_what_has_no_row_is_refused(source, got):
    with refused("the operations of a layer cannot be counted") as caught:
        layers(source.SerializeToString(), "up.onnx")
    assert caught.value.where.startswith("up.onnx, ")
    assert any(word in caught.value.got for word in got.split("|"))


def test_a_batch_that_is_another_than_the_model_s():
    weights = {"to": np.array([6, 3, 2, 7]), "w": np.zeros((2, 3, 1, 1), "f4")}
    nodes = [node("Reshape", ["x", "to"], "tiles"), node("Conv", ["tiles", "w"], "y")]
    source = model(nodes, [value("x", "f4", [2, 3, 6, 7])], [value("y", "f4", [None] * 4)], weights)
    with refused("operations of a layer cannot be counted") as caught:
        layers(source.SerializeToString(), "up.onnx")
    assert caught.value.got == "a batch of 6"


@pytest.mark.parametrize("size", [3, (3,), (0, 4), ("a", 4), (3, 4, 5)])
def test_a_size_is_a_pair(size):
    with refused("invalid image size: expected two lengths"):
        layers(single(X, W).SerializeToString(), "up.onnx", size)
