"""The layers of TFLite files: sizes and windows as the operators say them, and what has no row."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv.convert.rows import layer_rows
from splitdeconv.dlp.layer_table import complete
from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.layers import layers
from splitdeconv.networks.table import COLUMNS
from splitdeconv.pretrained import fetch
from tests.formats.tflite.models import Builder, Deconv, change, deconv_model, edit
from tests.refusals import refused


def conv(padding=0, strides=(1, 1), dilations=(1, 1), kind="Conv2DOptions", **more):
    window = {"strideH": strides[0], "strideW": strides[1]}
    window |= {"dilationHFactor": dilations[0], "dilationWFactor": dilations[1]}
    return make(kind, padding=padding, **window, **more)


def chain(batch=2, dynamic=False):
    """Grouped, dilated, depthwise, transposed convolutions; products per pixel and of the whole."""
    build = Builder()

    def tensor(name, *shape):
        return build.tensor(name, (batch, *shape), "f4", dynamic=dynamic)

    def constant(name, *shape):
        return build.constant(name, np.zeros(shape, "f4"))

    x = tensor("x", 9, 8, 6)
    stages = [
        ("CONV_2D", "grouped", (5, 8, 4), (4, 3, 2, 3), conv(0, (2, 1))),
        ("CONV_2D", "dilated", (1, 6, 5), (5, 3, 2, 4), conv(1, (1, 1), (2, 2))),
        (
            "DEPTHWISE_CONV_2D",
            "depthwise",
            (1, 3, 10),
            (1, 1, 3, 10),
            conv(0, (1, 2), kind="DepthwiseConv2DOptions"),
        ),
        (
            "FULLY_CONNECTED",
            "pixels",
            (1, 3, 7),
            (7, 10),
            make("FullyConnectedOptions", keepNumDims=True),
        ),
        ("BATCH_MATMUL", "matrix", (1, 3, 4), (1, 1, 7, 4), make("BatchMatMulOptions")),
        ("FULLY_CONNECTED", "whole", (2,), (2, 12), make("FullyConnectedOptions")),
    ]
    before = x
    for kind, name, shape, filters, options in stages:
        after = tensor(name, *shape)
        build.operator(kind, [before, constant(f"{name}_w", *filters)], [after], options)
        before = after
    return build.build([x], [before])


@pytest.mark.parametrize(("batch", "dynamic"), [(1, False), (2, False), (1, True)])
def test_sizes_and_windows(batch, dynamic):
    found = complete(layers(chain(batch, dynamic), "up.tflite"), "up.tflite")
    wanted = {
        "name": ["grouped", "dilated", "depthwise", "pixels", "matrix", "whole"],
        "kind": ["conv"] * 3 + ["dense"] * 3,
        "in_h": [9, 5, 1, 1, 1, 1],
        "in_w": [8, 8, 6, 3, 3, 1],
        "c_in": [6, 4, 5, 10, 7, 12],
        "c_out": [4, 5, 10, 7, 4, 2],
        "k_h": [3, 3, 1, 1, 1, 1],
        "k_w": [2, 2, 3, 1, 1, 1],
        "stride_h": [2, 1, 1, 1, 1, 1],
        "stride_w": [1, 1, 2, 1, 1, 1],
        "dilation_h": [1, 2, 1, 1, 1, 1],
        "dilation_w": [1, 2, 1, 1, 1, 1],
        "groups": [2, 1, 5, 1, 1, 1],
        "padding": ["SAME", "VALID", "SAME", "", "", ""],
        "out_h": [5, 1, 1, 1, 1, 1],
        "out_w": [8, 6, 3, 3, 3, 1],
        "macs": [
            5 * 8 * 3 * 2 * 6 * 4 // 2,
            6 * 3 * 2 * 4 * 5,
            3 * 3 * 10,
            3 * 10 * 7,
            3 * 7 * 4,
            24,
        ],
        **dict.fromkeys(("before_h", "before_w", "end_h", "end_w"), [0] * 6),
    }
    pd.testing.assert_frame_equal(found, pd.DataFrame(wanted, columns=COLUMNS))


@pytest.mark.parametrize(
    "case",
    [
        Deconv(sizes=(4, 3), kernel=(5, 2), strides=(2, 3)),
        Deconv(sizes=(4, 3), kernel=(5, 4), strides=(3, 1), padding="VALID", kind="int8"),
    ],
    ids=str,
)
def test_transposed_convolutions(case):
    table = complete(layers(deconv_model(case), "up.tflite"), "up.tflite")
    row = table.iloc[0]
    for side, axis in zip("hw", case.axes, strict=True):
        assert [row[f"{name}_{side}"] for name in ("in", "k", "stride", "out", "before")] == [
            axis.n,
            axis.k,
            axis.s,
            axis.o,
            axis.p,
        ]


def test_one_that_cannot_be_converted_is_described_all_the_same():
    def computed(model, graph):
        model.buffers[graph.tensors[1].buffer].data = None
        graph.inputs = np.array([0, 1], "<i4")

    case = Deconv(sizes=(2, 2), kernel=(2, 2), kind="int8")
    data = deconv_model(case)
    assert layers(edit(data, computed), "up.tflite") == layers(data, "up.tflite")


def test_a_real_network():
    table = complete(layer_rows(fetch("selfie_segmentation")), "selfie")
    last = table.iloc[-1]
    assert (last.kind, last.in_h, last.k_h, last.stride_h, last.out_h, last.c_in, last.c_out) == (
        "deconv",
        128,
        2,
        2,
        256,
        16,
        1,
    )
    assert table["groups"].gt(1).sum() == table["name"].str.startswith("depthwise").sum() > 0


def small(kind, shapes, options=None, *, stored=True, custom=None):
    build = Builder()
    x, w, y = shapes
    first = build.tensor("x", x, "f4")
    second = build.constant("w", np.zeros(w, "f4")) if stored else build.tensor("w", w, "f4")
    last = build.tensor("y", y, "f4")
    build.operator(kind, [first, second], [last], options, custom=custom)
    return build.build([first] if stored else [first, second], [last])


def elsewhere(model, graph):
    """The same operator in a second subgraph, too."""
    model.subgraphs.append(graph)


def of_another_size(model, graph):
    change(graph.tensors[0], shapeSignature=np.array([1, -1, 4, 3], "<i4"))


CONV = ((1, 4, 4, 3), (2, 1, 1, 3), (1, 4, 4, 2))


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (small("CONV_2D", CONV), "CONV_2D"),
        (small("CONV_2D", ((1, 4, 4, 3), (2, 1, 1, 2), (1, 4, 4, 2)), conv()), "CONV_2D"),
        (small("CONV_2D", ((1, 4, 4, 3), (2, 1, 1, 3), (1, 4, 4, 5)), conv()), "CONV_2D"),
        (small("CONV_3D", ((1, 2, 4, 4, 3), (1, 1, 1, 3, 2), (1, 2, 4, 4, 2))), "CONV_3D"),
        (small("BATCH_MATMUL", ((1, 4, 3), (1, 3, 5), (1, 4, 5)), stored=False), "BATCH_MATMUL"),
        (small("FULLY_CONNECTED", ((1, 7), (2, 3), (1, 2))), "input"),
        (small("Mystery", CONV, custom=b"?"), "Mystery"),
        (edit(small("CONV_2D", CONV, conv()), elsewhere), "another subgraph"),
        (edit(small("CONV_2D", CONV, conv()), of_another_size), "None"),
    ],
    ids=range(9),
)
def test_what_has_no_row_is_refused(data, got):
    with refused("the operations of a layer cannot be counted") as caught:
        layers(data, "up.tflite")
    assert caught.value.where.startswith("up.tflite, ")
    assert got in caught.value.got


def test_a_batch_that_is_another_than_the_model_s():
    build = Builder()
    x, tiles, y = (
        build.tensor(n, s, "f4")
        for n, s in (("x", (1, 4, 4, 3)), ("t", (4, 2, 2, 3)), ("y", (4, 2, 2, 2)))
    )
    weights = build.constant("w", np.zeros((2, 1, 1, 3), "f4"))
    build.operator("RESHAPE", [x], [tiles])
    build.operator("CONV_2D", [tiles, weights], [y], conv())
    with refused("operations of a layer cannot be counted") as caught:
        layers(build.build([x], [y]), "up.tflite")
    assert caught.value.got == "a batch of 4"


def test_a_size_is_for_models_that_leave_it_open(tmp_path):
    path = tmp_path / "up.tflite"
    path.write_bytes(chain())
    with refused("the image size of a tflite model is fixed"):
        layer_rows(path, size=(4, 4))
