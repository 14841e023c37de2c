"""The operators of a rewritten .tflite file: few, known, and of low versions."""

import numpy as np
import pytest

from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.models import (
    Deconv,
    convert,
    deconv_model,
    operators,
    pack,
    unpack,
)

FIVE = Deconv(kernel=(5, 5))
FOUR = Deconv(kernel=(4, 4))


def test_a_site_says_what_the_file_says():
    case = Deconv(
        sizes=(5, 4),
        kernel=(3, 2),
        strides=(2, 3),
        padding="VALID",
        output=(12, 13),
        batch=2,
        kind="int8",
    )
    (site,) = TFLiteModel.parse(deconv_model(case)).sites()
    assert (site.name, site.operator, site.dtype, site.batch, site.problem) == (
        "picture",
        "TRANSPOSE_CONV",
        "int8",
        2,
        None,
    )
    assert (site.groups, site.in_channels, site.out_channels) == (1, case.cin, case.cout)
    assert site.axes == case.axes
    assert [axis.o for axis in site.axes] == [12, 13]


JOINED = ["CONCATENATION"] * 3 + ["RESHAPE"]


@pytest.mark.parametrize(
    ("case", "form", "interleave", "expected"),
    [
        # one window of the four is what SAME itself pads; float32's other PADs XNNPACK fuses with
        # their convolutions
        (FIVE, "split", "concat", [*["PAD", "CONV_2D"] * 3, "CONV_2D", *JOINED]),
        (FOUR, "split", "concat", [*["PAD", "CONV_2D"] * 3, "CONV_2D", *JOINED]),
        (FIVE, "rows", "concat", ["PAD", "CONV_2D", "CONV_2D", "CONCATENATION", "RESHAPE"]),
        (FIVE, "stacked", "depth_to_space", ["CONV_2D", "DEPTH_TO_SPACE"]),
        (FIVE, "stacked", "transpose", ["CONV_2D", "RESHAPE", "TRANSPOSE", "RESHAPE"]),
        (
            FIVE,
            "stacked",
            "concat",
            ["CONV_2D", "STRIDED_SLICE", "STRIDED_SLICE", "CONCATENATION", "RESHAPE"],
        ),
        # a kernel as long as its stride: nothing is padded
        (
            Deconv(kernel=(2, 2)),
            "split",
            "depth_to_space",
            ["CONV_2D"] * 4 + ["CONCATENATION", "DEPTH_TO_SPACE"],
        ),
        # phases with equal windows share one PAD
        (
            Deconv(kernel=(1, 7), strides=(1, 4), padding="VALID"),
            "split",
            "concat",
            [
                "PAD",
                "CONV_2D",
                "CONV_2D",
                "CONV_2D",
                "PAD",
                "CONV_2D",
                "CONCATENATION",
                "RESHAPE",
                "STRIDED_SLICE",
            ],
        ),
        # empty phases share one convolution, on one input channel
        (
            Deconv(kernel=(1, 1)),
            "split",
            "transpose",
            [
                "CONV_2D",
                "STRIDED_SLICE",
                "CONV_2D",
                "CONCATENATION",
                "RESHAPE",
                "TRANSPOSE",
                "RESHAPE",
            ],
        ),
        # an odd output is cropped from the block grid
        (
            Deconv(kernel=(2, 2), output=(9, 7)),
            "stacked",
            "depth_to_space",
            ["CONV_2D", "DEPTH_TO_SPACE", "STRIDED_SLICE"],
        ),
        # stride 1: a convolution with its filter turned round
        (Deconv(kernel=(3, 3), strides=(1, 1)), "split", "concat", ["CONV_2D"]),
    ],
)
def test_the_operators_are_few_and_known(case, form, interleave, expected):
    assert operators(convert(deconv_model(case), form, interleave)) == expected


@pytest.mark.parametrize(
    ("kind", "versions"),
    [
        (
            "float32",
            {
                "PAD": 1,
                "CONV_2D": 1,
                "CONCATENATION": 1,
                "RESHAPE": 1,
                "STRIDED_SLICE": 1,
                "TRANSPOSE": 1,
            },
        ),
        (
            "uint8",
            {
                "PAD": 1,
                "CONV_2D": 1,
                "CONCATENATION": 1,
                "RESHAPE": 1,
                "STRIDED_SLICE": 1,
                "TRANSPOSE": 1,
            },
        ),
        (
            "int8",
            {
                "PAD": 2,
                "CONV_2D": 3,
                "CONCATENATION": 2,
                "RESHAPE": 1,
                "STRIDED_SLICE": 2,
                "TRANSPOSE": 2,
            },
        ),
        (
            "int16x8",
            {
                "PAD": 3,
                "CONV_2D": 4,
                "CONCATENATION": 3,
                "RESHAPE": 1,
                "STRIDED_SLICE": 1,
                "TRANSPOSE": 5,
            },
        ),
    ],
)
def test_versions_are_the_lowest_that_mean_the_same(kind, versions):
    """The rule of tensorflow/lite/tools/versioning/op_version.cc, which converters follow."""
    data = deconv_model(Deconv(kernel=(4, 4), output=(9, 7), kind=kind))
    found = dict(TFLiteModel.parse(convert(data)).operators())
    found |= dict(TFLiteModel.parse(convert(data, "split", "transpose")).operators())
    assert found == versions


def test_conversion_is_deterministic_and_complete():
    for form in ("split", "rows", "stacked"):
        original = deconv_model(FIVE.with_(kind="int8"))
        rewritten = convert(original, form)
        assert rewritten == convert(original, form)
        assert TFLiteModel.parse(rewritten).sites() == []
        tensors = unpack(rewritten).subgraphs[0].tensors
        assert len({t.name for t in tensors}) == len(tensors)
        # what nothing refers to is gone: the old weights, the output shape, the operator's code
        assert not any(t.name in (b"weights", b"shape") for t in tensors)
        assert "TRANSPOSE_CONV" not in {
            name for name, _ in TFLiteModel.parse(rewritten).operators()
        }
        assert len(unpack(rewritten).operatorCodes) == len(
            set(TFLiteModel.parse(rewritten).operators())
        )


def test_names_do_not_collide():
    data = deconv_model(FIVE)
    taken = unpack(convert(data)).subgraphs[0].tensors
    model = unpack(data)
    model.subgraphs[0].tensors += [
        make("Tensor", name=t.name, shape=np.zeros(0, "<i4"), hasRank=True)
        for t in taken
        if b"split" in t.name
    ]
    names = [t.name for t in unpack(convert(pack(model))).subgraphs[0].tensors]
    assert len(set(names)) == len(names)
    assert b"picture/split/phase_0_0_2" in names
