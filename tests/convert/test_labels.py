"""Labels of layers: the most specific part of a name, unique, and found by a pattern."""

import re

import pytest

from splitdeconv.convert.decide import decide_all
from splitdeconv.convert.labels import finds, labels
from tests.formats.sites import site

FUSED = [
    "net/up_a/relu/Relu;net/up_a/batchnorm/mul_1;net/up_a/conv2d_transpose_7/conv_transpose;1",
    "net/up_b/relu/Relu;net/up_b/batchnorm/mul_1;net/up_b/conv2d_transpose_8/conv_transpose;1",
    "net/up_c/conv3d_transpose_9/conv_transpose;net/up_c/batchnorm/Rsqrt1",
    "Net/torch.nn.modules.conv.ConvTranspose2d_last;",
]


def test_a_fused_operator_is_called_by_its_transposed_convolution():
    assert labels(FUSED) == [
        "...2d_transpose_7/conv_transpose",
        "...2d_transpose_8/conv_transpose",
        "...3d_transpose_9/conv_transpose",
        "...les.conv.ConvTranspose2d_last",
    ]
    assert labels(["a/decoder/add;b;3"]) == ["a/decoder/add"]
    assert labels(["", ";", "1"]) == ["", ";", "1"]


@pytest.mark.parametrize(
    "names",
    [
        FUSED,
        ["x/conv_transpose;1", "x/conv_transpose;2"],
        [f"/branch_{i}/the/same/long/path/in/every/branch/of/it/ConvTranspose" for i in range(3)],
        [f"/{letter}{'/inner' * 20}/ConvTranspose" for letter in "pqr"],
        ["up", "up", "down", "up #1"],
        ["ConvTranspose"] * 4,
        ["long/" * 12 + "up"] * 2,
    ],
    ids=str,
)
def test_no_two_layers_have_one_label_and_each_is_found_by_its_own(names):
    shown = labels(names)
    assert len(set(shown)) == len(names)
    for index, label in enumerate(shown):
        found = finds(re.compile(f"^{re.escape(label)}$"), names)
        alike = [other == names[index] for other in names]  # of one name all are meant
        assert found[index]
        assert not any(
            f for i, f in enumerate(found) if i != index and not alike[i] and names[i] != label
        ), label


def test_layers_are_chosen_by_name_and_by_label():
    sites = [site(name=name) for name in FUSED]
    for pattern, chosen in (
        ("^...2d_transpose_8/conv_transpose$", [1]),
        (r"^net/up_a/relu/Relu;.*;1$", [0]),
        ("batchnorm", [0, 1, 2]),
        ("^1$", []),
    ):
        verdicts = [decision.verdict for decision in decide_all(sites, "generic", layers=pattern)]
        assert [i for i, verdict in enumerate(verdicts) if verdict == "convert"] == chosen
