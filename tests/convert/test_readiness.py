"""Which models a target is known to run as they are, and what is in the way of the others."""

from dataclasses import dataclass

import pytest

from splitdeconv.convert.decide import decide_all
from splitdeconv.convert.readiness import Obstacle, obstacles
from splitdeconv.convert.report import Report
from splitdeconv.convert.requirements.records import Convolution, Requirements, Transposed
from splitdeconv.convert.targets import Leave, Operator, Predicted, Target, load_target
from tests.formats.sites import site

BARE = {"name": "bare", "title": "A target", "formats": "any", "others_source": "nowhere"}
UNFIT = Requirements(convolution=Convolution("page 7", strides=(2,)))  # no form can meet it
COMPUTED = {"problem": "its weights are computed"}


def _target(others="unknown", **more):
    return Target(**BARE, others=others, **more)


def _obstacles(target, *sites, objections=()):
    target = load_target(target) if isinstance(target, str) else target
    decisions = tuple(decide_all(sites, target))
    # Through JSON, as between processes.
    report = Report("tflite", target.name, decisions, {}, objections=objections)
    return obstacles(Report.from_dict(report.to_dict()), target)


@dataclass(frozen=True)
class _Predicting(Target):
    """A target with a model of itself, as `Modelled` is one."""

    def predicted(self, site):
        return Predicted(None, "native is predicted to be fastest")


def test_what_would_be_converted_is_not_ready_and_conversion_mends_it():
    found = _obstacles("generic", site(name="up"), site(name="on", kernel=3))
    assert found == [Obstacle(name, "it would be converted", mended=True) for name in ("up", "on")]
    assert _obstacles("xnnpack", site((32, 32), 4, 2, cin=64, cout=3)) != []


@pytest.mark.parametrize(
    ("target", "how"),
    [
        ("xnnpack", {}),  # outside the range measured, so left to its own operator
        ("xnnpack", COMPUTED),
        ("tidl", {"kernel": 4} | COMPUTED),
        ("cmsis_nn", {"dtype": "int8"} | COMPUTED),  # its reference kernels run all others
        (_target("taken"), COMPUTED),
        (_target(operators={"TRANSPOSE_CONV": Operator("the list")}), COMPUTED),
        (_target(accepts=Requirements(transposed=Transposed("page 8", kernels=(5,)))), COMPUTED),
        (_target(accepts=UNFIT, operators={"TRANSPOSE_CONV": Operator("the list")}), {}),
        (_target(leave=(Leave("fast as it is", "page 9", load_target("xnnpack").prefer[0].when),)),
         {"size": (32, 32), "kernel": 4, "cin": 64, "cout": 3}),
        (_Predicting(**BARE, others="unknown"), {}),
    ],
    ids=str,
)  # fmt: skip
def test_a_layer_that_the_target_is_known_to_run_is_ready(target, how):
    assert _obstacles(target, site(**how)) == []


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("xnnpack", "TRANSPOSE_CONV"),
        ("xnnpack", "CONV_3D_TRANSPOSE"),
        ("onnxruntime", "ConvTranspose"),
        ("openvino", "ConvTranspose"),
    ],
)
def test_runtimes_of_cpus_state_the_operators_that_they_run(name, operator):
    """Also where their rules leave a layer because nothing like it was measured."""
    (decision,) = decide_all([site(operator=operator)], load_target(name))
    assert (decision.verdict, load_target(name).unmeasured) == ("leave", "leave")
    assert _obstacles(name, site(operator=operator)) == []
    assert _obstacles(name, site(operator=operator, **COMPUTED)) == []


@pytest.mark.parametrize(
    ("target", "how", "why"),
    [
        (
            "generic",
            COMPUTED,
            "it cannot be converted, and no source says that generic runs TRANSPOSE_CONV",
        ),
        ("artpec9", {"dtype": "int8"} | COMPUTED, "no source says that artpec9 runs"),
        (
            "tidl",
            {"kernel": 5} | COMPUTED,
            "it cannot be converted, and tidl has no transposed convolution for it: its kernels "
            "are 2x2, 3x3, 4x4, not 5x5 (",
        ),
        (
            _target(accepts=UNFIT),
            {},
            "it would not be converted, and no source says that bare runs TRANSPOSE_CONV",
        ),
        (_Predicting(**BARE, others="unknown"), COMPUTED, "no source says that bare runs"),
        (
            _target(unmeasured="leave"),
            {},
            "it would not be converted, and no source says that bare runs TRANSPOSE_CONV",
        ),
    ],
    ids=str,
)
def test_a_layer_that_stays_without_evidence_is_not_ready(target, how, why):
    (one,) = _obstacles(target, site(name="up", **how))
    assert (one.what, one.mended) == ("up", False)
    assert why in one.why


def test_requirements_on_the_whole_model():
    (dtype,) = _obstacles("cmsis_nn", site(**COMPUTED), site(**COMPUTED))
    assert dtype.what == "float32"
    assert dtype.why.startswith("cmsis_nn supports int8, int16x8 (ARM-software/CMSIS-NN")
    for open_ in ({"batch": None}, {"size": (None, 8)}):
        (shapes,) = _obstacles("edge_tpu", site(dtype="int8", **COMPUTED, **open_))
        assert shapes.what == "open dimensions"
        assert shapes.why.startswith("edge_tpu needs fixed shapes (developer.axis.com")
    assert _obstacles("edge_tpu", site(dtype="int8", **COMPUTED)) == []


def test_objections_count_in_models_with_transposed_convolutions_alone():
    objections = (("CUMSUM", "not listed"), ("TRANSPOSE_CONV", "version 9"))
    expected = [Obstacle(name, why) for name, why in objections]
    # The operator's own objection says more than that nothing is known of it.
    assert _obstacles("artpec9", site(dtype="int8", **COMPUTED), objections=objections) == expected
    assert _obstacles("artpec9", objections=objections) == []
