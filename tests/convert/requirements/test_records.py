"""The key `accepts` of a target file: what it may hold, and each error in its words."""

import pytest

from splitdeconv.convert.requirements.records import Requirements, Span
from splitdeconv.convert.targets import load_target
from splitdeconv.core.kernels import Kernels
from tests.refusals import refused

HEAD = """name: mine
title: A processor
formats: [tflite, onnx]
others: unknown
others_source: nothing is known
"""


@pytest.fixture
def target(tmp_path):
    def load(accepts):
        path = tmp_path / "mine.yaml"
        path.write_text(HEAD + "accepts:\n" + "".join(f"  {line}\n" for line in accepts))
        return load_target(str(path))

    return load


def test_a_target_without_the_key_accepts_everything():
    assert load_target("generic").accepts == Requirements()
    assert load_target("generic").accepts.kernels is None


def test_lengths_whole_kernels_and_spans(target):
    listed = target(["convolution: {kernels: [1, 3, [5, 1]], strides: [1], source: here}"])
    assert listed.accepts.kernels == Kernels((1, 3, (5, 1)))
    span = target(["convolution: {kernels: {first: 2, last: 4}, source: here}"])
    assert span.accepts.kernels == Kernels((2, 3, 4))
    unknown = target(["convolution: {kernels: unknown, dilations: [1], source: here}"])
    assert unknown.accepts.kernels is None
    assert unknown.accepts.convolution.dilations == (1,)


def test_every_part(target):
    accepts = target(
        [
            "concatenation: {channels: 16, source: a}",
            "depth_to_space: {blocks: [2], source: b}",
            "tensors: {lengths: {first: 1, last: 4096}, elements: 65536, source: c}",
            "transposed: {kernels: [[4, 4]], strides: [2], stride_product: [4], source: d}",
        ]
    ).accepts
    assert (accepts.concatenation.channels, accepts.depth_to_space.blocks) == (16, (2,))
    assert accepts.tensors.lengths == Span(1, 4096)
    assert 4096 in accepts.tensors.lengths
    assert 4097 not in accepts.tensors.lengths
    assert accepts.transposed.kernels == ((4, 4),)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("convolution: {kernels: [1, 3]}", "missing key: accepts.convolution.source"),
        ("convolution: {kernel: [1], source: a}", "unknown key: accepts.convolution.kernel"),
        ("convolution: {kernels: 3, source: a}", "invalid value of accepts.convolution.kernels"),
        ("convolution: {kernels: [1.5], source: a}", "a list of lengths or of whole kernels"),
        ("convolution: {kernels: [], source: a}", "accepts.convolution.kernels: the list is empty"),
        ("convolution: {kernels: [[3, 0]], source: a}", "a number is not positive"),
        ("convolution: {strides: [0], source: a}", "accepts.convolution.strides: a number"),
        ("convolution: {channels: 0, source: a}", "accepts.convolution.channels: a number"),
        ("tensors: {lengths: {first: 9, last: 2}, source: a}", "it ends before it begins"),
        ("tensors: {elements: many, source: a}", "invalid value of accepts.tensors.elements"),
        ("depth_to_space: [2]", "invalid value of accepts.depth_to_space"),
        ("pooling: {source: a}", "unknown key: accepts.pooling"),
    ],
)
def test_what_is_refused(target, line, words):
    with refused("accepts") as caught:
        target([line])
    assert words in str(caught.value)
    assert "mine.yaml" in str(caught.value)
