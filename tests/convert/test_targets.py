"""Target files: each is sound, every statement has a source, and a user's own is checked."""

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from splitdeconv.convert import targets
from splitdeconv.convert.decide import decide
from splitdeconv.convert.targets import Operator, Preference, Refused, Target, load_target
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.core.plan import auto_form
from tests.formats.sites import site
from tests.refusals import refused

ETHOS = ["ethos_u55", "ethos_u65", "ethos_u85"]
TPUS = ["tpu_v2", "tpu_v3", "tpu_v4", "tpu_v5e", "tpu_v5p", "tpu_v6e"]
LIMITED = {"artpec9", "ascend", "cmsis_nn", "dpu", "rknn", "tidl"}
SHIPPED = {"edge_tpu", *ETHOS, "generic", "onnxruntime", "openvino", "tflite_gpu", *TPUS, "xnnpack"}
NAMES = targets.names()
# What each interleave and form emits, by format.
EMITTED = {
    "tflite": {"CONV_2D", "PAD", "CONCATENATION", "RESHAPE", "STRIDED_SLICE"}
    | {"DEPTH_TO_SPACE", "TRANSPOSE"},
    "onnx": {"Conv", "Concat", "Reshape", "Slice", "DepthToSpace", "Transpose"},
}


def test_the_targets():
    assert set(NAMES) >= SHIPPED | LIMITED
    assert sorted(NAMES) == NAMES


def test_the_target_that_the_documents_show(tmp_path):
    """It is a valid file, and its rule decides a layer of the types and strides that it names."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "structure.md").read_text()
    path = tmp_path / "my_npu.yaml"
    path.write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    target = load_target(str(path))
    assert target.name == path.stem
    for dtype, stride in (("int8", 2), ("float16", 4)):
        decision = decide(site((9, 6), 5, stride, cin=24, cout=10, dtype=dtype), target)
        assert (decision.verdict, decision.form) == ("convert", "split")
        assert decision.reason == f"{target.prefer[0].reason} ({target.prefer[0].source})"
    beyond = decide(site((9, 6), 5, 5, cin=24, cout=10, dtype="int8"), target)
    assert "no comparable layer was measured on my_npu" in beyond.reason


def test_rules_may_name_every_form_of_a_file():
    named = get_type_hints(Preference)["form"]
    assert {form for part in get_args(named) for form in get_args(part)} == set(FILE_FORMS)


@pytest.mark.parametrize("name", NAMES)
def test_a_target_says_where_everything_comes_from(name):
    target = load_target(name)
    assert (target.name, load_target(name)) == (name, target)
    assert target.title
    limits = [getattr(target.accepts, part.name) for part in fields(target.accepts)]
    entries = [*target.operators.values(), *target.refused.values(), *target.prefer, *target.leave]
    entries += [limit for limit in limits if limit is not None]
    sources = [entry.source for entry in entries] + [target.others_source]
    assert all(len(source) > 8 for source in sources)
    # An unquoted " #" begins a comment: a list of threads would lose its end.
    assert not [
        source
        for source in [
            *sources,
            *(getattr(target, f"{name}_source") for name in ("static", "types", "tensors")),
        ]
        if str(source).endswith(",")
    ]
    assert all(rule.form or rule.interleave for rule in target.prefer)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "generic"])
def test_a_named_target_takes_what_its_preferred_interleave_emits(name):
    target = load_target(name)
    preferred = next((rule.interleave for rule in target.prefer if rule.interleave), "concat")
    operator = {
        "concat": {"CONCATENATION", "Concat", "RESHAPE", "Reshape"},
        "depth_to_space": {"DEPTH_TO_SPACE", "DepthToSpace"},
        "transpose": {"TRANSPOSE", "Transpose"},
    }[preferred]
    emitted = set().union(*(EMITTED[kind] for kind in EMITTED if target.reads(kind)))
    convolution = "CONV_2D" if target.reads("tflite") else "Conv"
    for one in (emitted & operator) | {convolution}:
        versions = target.operators[one].versions if one in target.operators else "unknown"
        assert not target.objections([(one, 1 if versions == "unknown" else versions[0])])


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "xnnpack"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strides": 3, "kernel": 9, "cin": 48, "cout": 1}, "stride 3, kernel 9"),
        ({"size": (40,), "kernel": 4, "cin": 128, "cout": 64}, "axes: 1"),
        ({"size": (8, 9, 10), "kernel": 2, "cin": 64, "cout": 32}, "axes: 3"),
        ({"size": (None, 32), "cin": 128, "cout": 64}, "elements of the map: unknown"),
        ({"cin": 128, "cout": 64, "dtype": "float64"}, "float64"),
        ({"cin": 128, "cout": 64, "batch": 24}, "batch 24"),
        ({"cin": 128, "cout": 64, "kernel": (3, 5)}, "kernels that differ by axis"),
        ({"cin": 128, "cout": 64, "groups": 4}, "groups: 4"),
    ],
    ids=str,
)
def test_a_cpu_target_leaves_what_it_was_not_measured_on(name, changes, words):
    decision = decide(site(**{"size": (16, 16)} | changes), load_target(name))
    assert decision.verdict == "leave"
    assert decision.reason.startswith(f"no comparable layer was measured on {name}")
    assert words in decision.reason
    assert "native" not in decision.reason
    asked = decide(site(**{"size": (16, 16)} | changes), load_target(name), form="split")
    assert (asked.verdict, asked.reason) == ("convert", "form split was requested")


@pytest.mark.parametrize("name", ETHOS)
@pytest.mark.parametrize("strides", [3, 4, 64])
def test_an_npu_converts_by_the_default_what_it_was_not_measured_on_and_claims_nothing(
    name, strides
):
    one = site((10, 10), 9, strides, cin=300, cout=150, dtype="uint8")
    # As in a .tflite file.
    one = replace(one, interleaves=("depth_to_space", "batch_to_space", "concat"))
    decision = decide(one, load_target(name))
    assert (decision.verdict, decision.interleave) == ("convert", "concat")
    assert decision.form == auto_form(one.axes, 150)
    rule = f"form {decision.form} by the library's default rule: no comparable layer was"
    assert rule in decision.reason
    assert "times" not in decision.reason


def test_only_named_targets_leave_anything():
    generic = load_target("generic")
    assert not generic.leave
    assert all(map(generic.reads, ("tflite", "onnx", "keras", "any other")))


def test_objections():
    target = Target(
        name="t",
        title="T",
        formats=("tflite",),
        others="refused",
        others_source="the list",
        operators={"CONV_2D": Operator("the list", (1, 5)), "PAD": Operator("the list")},
        refused={"DEPTH_TO_SPACE": Refused("it aborts", "a thread")},
    )
    uses = [("CONV_2D", 6), ("PAD", 9), ("TANH", 1), ("DEPTH_TO_SPACE", 1), ("CONV_2D", 1)]
    assert target.objections(uses) == [
        ("CONV_2D", "version 6; supported are 1 to 5 (the list)"),
        ("DEPTH_TO_SPACE", "it aborts (a thread)"),
        ("TANH", "not among the supported operators (the list)"),
    ]


def test_objections_to_types():
    """An operator's own types come before the target's; unknown types raise no objection."""
    target = Target(
        name="t",
        title="T",
        formats=("tflite",),
        others="unknown",
        others_source="the list",
        tensors=("int8", "int16"),
        tensors_source="its manual",
        operators={
            "ARG_MAX": Operator("page 7", tensors=("int8", "int64")),
            "QUANTIZE": Operator("x", fix="do this"),
        },
        refused={"TANH": Refused("it aborts", "a thread", "use RELU")},
    )
    uses = [("ARG_MAX", 1, {"int64"}), ("PAD", 1, {"int16"}), ("ADD", 1), ("TANH", 1, {"float32"})]
    assert target.objections(uses) == [("TANH", "it aborts (a thread); use RELU")]
    assert target.objections(
        [("ARG_MAX", 1, {"int16"}), ("QUANTIZE", 1, {"int8", "uint8", "float32"})]
    ) == [
        ("ARG_MAX", "tensors of int16; supported are int8, int64 (page 7)"),
        ("QUANTIZE", "tensors of float32, uint8; supported are int8, int16 (its manual); do this"),
    ]


def test_the_gpu_delegate_takes_the_versions_that_its_parsers_check():
    """As in `CheckMaxSupportedOpVersion`, which the file cites; other operators take any."""
    newest = {"ADD": 2, "CONCATENATION": 2, "CONV_2D": 6, "FULLY_CONNECTED": 9, "MUL": 3, "PAD": 2}
    newest |= {"RESHAPE": 1, "DEPTHWISE_CONV_2D": 6, "STRIDED_SLICE": 4, "TRANSPOSE_CONV": 3}
    newest |= {"TRANSPOSE": 4, "LSTM": 4}
    target = load_target("tflite_gpu")
    others = [("DEPTH_TO_SPACE", 2), ("Convolution2DTransposeBias", 1)]
    assert not target.objections([*newest.items(), *others])
    objections = target.objections([(name, version + 1) for name, version in newest.items()])
    assert [name for name, _ in objections] == sorted(newest)
    assert target.objections([("BATCH_TO_SPACE_ND", 1), ("GATHER_ND", 1)])


def test_where_others_are_unknown_nothing_is_objected_to():
    assert not load_target("generic").objections([("ANYTHING", 99)])


OWN = """\
name: board
title: A board
formats: [tflite]
others: unknown
others_source: a letter
"""


def test_a_format_that_there_is_not_is_refused(tmp_path):
    path = tmp_path / "board.yaml"
    path.write_text(OWN.replace("[tflite]", "[tflite, tensorrt]"))
    with refused("unknown format"):
        load_target(path)


def test_a_users_own_target(tmp_path):
    path = tmp_path / "board.yaml"
    path.write_text(OWN + "leave: [{reason: slow, source: my log, when: {stride: [4, null]}}]\n")
    target = load_target(path)
    assert (target.name, target.leave[0].when.stride) == ("board", (4, None))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "operators: {CONV_2D: {versions: [1, 2]}}",
            "missing key: operators.CONV_2D.source",
        ),
        (
            "operators: {CONV_2D: {source: x, versions: many}}",
            "invalid value of operators.CONV_2D.versions",
        ),
        (
            "prefer: [{reason: r, source: s, form: paper}]",
            "invalid value of prefer.0.form",
        ),
        (
            "leave: [{reason: r, source: s, when: {step: [1, 2]}}]",
            "unknown key: leave.0.when.step",
        ),
        ("prefer: [{reason: r, source: s, when: {dtypes: [int8, itn8]}}]", "unknown element type"),
        ("leave: [{reason: r, source: s, when: {dtypes: [fp16]}}]", "unknown element type"),
        (
            "leave: [{reason: r, source: s, when: {}, unless: [{dtypes: [f8]}]}]",
            "unknown element type",
        ),
        ("types: [int8]", "missing key: types_source"),
        ("tensors: [int8]", "missing key: tensors_source"),
        ("static_shapes: true", "missing key: static_source"),
        ("speed: high", "unknown key: speed"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(tmp_path, text, message):
    path = tmp_path / "board.yml"
    path.write_text(OWN + text + "\n")
    with refused(message):
        load_target(str(path))


def test_there_is_no_such_target(tmp_path):
    with refused("unknown target") as caught:
        load_target("../secrets")
    assert "xnnpack" in caught.value.expected
    with refused("cannot be read"):
        load_target(tmp_path / "none.yaml")


def test_the_target_of_the_documentation_is_read(tmp_path):
    text = (Path(__file__).resolve().parents[2] / "docs" / "structure.md").read_text()
    example, sizes = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "my_npu.yaml"
    path.write_text(example)
    one = site(kernel=4, cout=32, dtype="int8")
    decision = decide(one, load_target(path))
    assert (decision.form, decision.interleave) == ("split", "depth_to_space")
    assert "1.4 to 2.1 times native" in decision.reason
    assert decision.padding is None
    path.write_text(example + sizes)
    limited = decide(one, load_target(path))
    assert (limited.form, limited.interleave) == ("split", "depth_to_space")
    assert "taps padded 2x2 -> 3x3 for my_npu: 2.25 times" in limited.reason
