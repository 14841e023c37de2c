"""What is asked of the Cloud TPU part is checked first: what is missing or hopeless."""

import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.toolchains import libtpu
from splitdeconv.toolchains.libtpu import hlo
from tests.toolchains.libtpu.subject import NATIVE, SMALL, SUBJECT
from tests.toolchains.needs import needs


def test_only_forms_of_the_same_work_are_timed_in_turn():
    variants = [*NATIVE, ("stacked", "concat"), ("stacked", "depth_to_space")]
    cases = libtpu.cases(
        [SUBJECT], generations=[libtpu.HERE, "v2"], batches=(1, 8), variants=variants
    )
    groups = libtpu._tasks(list(enumerate(cases)))
    assert [[index for index, _ in group] for group in groups] == [
        [0, 1, 2],
        [3, 4, 5],
        *([i] for i in range(6, 12)),
    ]


@needs("jax", "libtpu")
def test_hopeless_forms_are_not_tried():
    wide = {
        **SMALL,
        "stride_h": 32,
        "stride_w": 32,
        "k_h": 64,
        "k_w": 64,
        "out_h": 192,
        "out_w": 160,
    }
    wide |= {"before_h": 16, "before_w": 16, "end_h": 16, "end_w": 16}
    cases = libtpu.cases(
        [{**SUBJECT, "layers": [wide]}],
        generations=["v2"],
        variants=[("nzp", "concat"), ("split", "concat")],
    )
    found = libtpu.measure(cases).set_index("form")["reason"]
    assert found["split"] == "1,024 convolutions: more calls than work"
    assert found["nzp"] == "1,024 times the useful operations"


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ({"jax": "0.10.2"}, r"^libtpu not installed: pip install 'splitdeconv\[tpu\]'$"),
        ({}, "^jax and libtpu not installed"),
        (
            {"jax": "0.6.2", "libtpu": "0.0.17"},
            r"^jax 0\.6\.2 is too old: 0\.7 or later is required$",
        ),
        (
            {"jax": "0.6rc1", "libtpu": "0.0.17"},
            r"^jax 0\.6rc1 is too old: 0\.7 or later is required$",
        ),
    ],
)
def test_what_is_missing_is_said(monkeypatch, versions, reason):
    monkeypatch.setattr(libtpu, "installed", versions.get)
    found = libtpu.measure(libtpu.cases([SUBJECT], generations=["v2"]))
    assert found["reason"].str.contains(reason).all()
    assert len(found) == len(libtpu.VARIANTS)
    if versions.get("jax") == "0.10.2":
        assert libtpu.available(libtpu.HERE) is None


@pytest.mark.parametrize("jax", ["0.7.0", "0.7rc1", "1.0"])
def test_the_oldest_version_that_will_do_is_no_reason(monkeypatch, jax):
    monkeypatch.setattr(libtpu, "installed", {"jax": jax, "libtpu": "0.0.20"}.get)
    assert libtpu.available() is None


def test_unknown_generations_and_types_are_refused():
    with pytest.raises(SplitDeconvError, match="unknown generation"):
        libtpu.cases([SUBJECT], generations=["v1"])
    with pytest.raises(SplitDeconvError, match="unknown dtype"):
        libtpu.cases([SUBJECT], dtypes=["float16"])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"batches": [0]},
            "the batch must be a positive integer\n.*\n  expected: 1 or more\n  got: 0",
        ),
        ({"batches": [1.5]}, "the batch must be a positive integer"),
        ({"batches": [True]}, "the batch must be a positive integer"),
        ({"variants": [("auto", "concat")]}, "unknown form of a layer"),
        ({"variants": [("apart", "concat")]}, "unknown form of a layer"),
        ({"variants": [("rows", "shuffle")]}, "unknown interleave"),
    ],
)
def test_cases_that_cannot_be_are_refused(options, problem):
    with pytest.raises(SplitDeconvError, match=problem):
        libtpu.cases([SUBJECT], **options)


@pytest.mark.parametrize("option", ["turns", "timeout", "budget"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "3"])
def test_times_that_are_none_are_refused(option, value):
    with pytest.raises(
        SplitDeconvError,
        match=rf"({option} must be a positive integer|invalid {option})\n  where: {option}\n",
    ):
        libtpu.measure([], **{option: value})


def test_only_names_and_files_are_whole_networks(tmp_path):
    with pytest.raises(SplitDeconvError, match="expected one that can be compiled as a whole"):
        libtpu.whole(SUBJECT)
    for path in ("dcgam", tmp_path / "mine.keras", tmp_path):
        with pytest.raises(SplitDeconvError, match="one of dcgan, ") as caught:
            libtpu.whole(path)
        assert caught.value.got == repr(str(path))


@pytest.mark.parametrize("detail", [False, True])
def test_a_model_without_transposed_convolutions_has_an_empty_table(detail):
    found = libtpu.measure(libtpu.cases([]), detail=detail)
    assert found.empty
    assert list(found) == [
        *libtpu.KEY,
        *(hlo.COLUMNS if detail else hlo.TOTALS),
        "compiler",
        "reason",
    ]
    if not detail:
        assert libtpu.best(found).empty
        assert list(libtpu.best(found)["speedup"]) == []


def test_where_all_went_wrong_nobody_wins(monkeypatch):
    monkeypatch.setattr(libtpu, "installed", {}.get)
    for generation in ("v2", libtpu.HERE):
        found = libtpu.measure(libtpu.cases([SUBJECT], generations=[generation]))
        assert len(found) == len(libtpu.VARIANTS)
        assert ("seconds" if generation == libtpu.HERE else "cycles") in found
        assert libtpu.best(found).empty
