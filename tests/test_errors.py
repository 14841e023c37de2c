"""The one exception, the checks that many modules make, and missing extras."""

import ast
import copy
import pickle
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import splitdeconv as sd
from splitdeconv import SplitDeconvError, extras
from splitdeconv.errors import (
    check_choice,
    check_count,
    check_seconds,
    explain,
    one_line,
    shorten,
    shown,
    suggestion,
)
from tests.refusals import refused

FULL = {"where": "layer 3", "expected": "an int", "got": "2.5", "fix": "round it"}


def test_message_tells_everything_in_order():
    assert str(SplitDeconvError("cannot do this", **FULL)).splitlines() == [
        "cannot do this",
        "  where: layer 3",
        "  expected: an int",
        "  got: 2.5",
        "  what to do: round it",
    ]


def test_what_is_not_known_is_left_out():
    assert str(SplitDeconvError("no")) == "no"
    assert str(SplitDeconvError("no", got=0)) == "no\n  got: 0"


def test_it_is_a_value_error():
    assert issubclass(SplitDeconvError, ValueError)
    assert sd.SplitDeconvError is SplitDeconvError


@pytest.mark.parametrize(
    "travel", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy], ids=["pickle", "copy"]
)
def test_it_travels_between_processes(travel):
    error = SplitDeconvError("cannot do this", **FULL)
    twin = travel(error)
    assert type(twin) is SplitDeconvError
    assert str(twin) == str(error)
    assert (twin.problem, twin.where, twin.expected, twin.got, twin.fix) == (
        "cannot do this",
        *FULL.values(),
    )


def test_it_comes_unchanged_out_of_a_traced_function():
    """AutoGraph would otherwise replace it by an error of its own."""

    @tf.function
    def run(x):
        return sd.conv2d_transpose(x, tf.ones((3, 3, 1, 1)), (1, 9, 8, 1), 2)

    with refused("an input of this length cannot give that output length") as caught:
        run(tf.ones((1, 4, 4, 1)))
    assert caught.value.fix


def test_it_comes_out_of_a_keras_model_as_itself():
    layer = sd.layers.SplitConv2DTranspose(2, 3, strides=(1, 2), interleave="depth_to_space")
    with pytest.raises(SplitDeconvError, match="two axes of equal stride only"):
        keras.Sequential([layer])(tf.ones((1, 4, 4, 1)))


def test_choices():
    check_choice("a", ("a", "b"), "letter")
    for value in ("c", "A", "", None, 1, ["a"], ("a", "b")):
        with refused("unknown letter") as caught:
            check_choice(value, ("a", "b"), "letter", "alphabet")
        assert (caught.value.where, caught.value.expected, caught.value.got) == (
            "alphabet",
            "a, b",
            repr(value),
        )


@pytest.mark.parametrize(
    ("value", "proposed"),
    [
        ("dcgna", "did you mean dcgan?"),
        ("DCGAN", "did you mean dcgan?"),
        ("sn", "did you mean sngan?"),
        ("pe_arr", "did you mean pe_array_8 or pe_array_7x9?"),
        ("resnet", None),
        ("d", None),
        ("", None),
        ("dcgan" * 10**5, None),
        (7, None),
    ],
)
def test_a_name_that_is_alike_is_proposed(value, proposed):
    known = ("sngan", "dcgan", "pe_array_8", "pe_array_7x9")
    assert suggestion(value, known) == proposed
    with refused("unknown network") as caught:
        check_choice(value, known, "network", other=", or a file")
    assert caught.value.fix == proposed
    assert caught.value.expected == "sngan, dcgan, pe_array_8, pe_array_7x9, or a file"


@pytest.mark.parametrize("value", [0, -3, 2.0, True, "2", None])
def test_counts(value):
    counted = check_count(np.int64(7), "number of turns", "here")
    assert (counted, type(counted)) == (7, int)
    with refused("the number of turns must be a positive integer") as caught:
        check_count(value, "number of turns", "here")
    error = caught.value
    assert (error.where, error.expected, error.got) == ("here", "1 or more", repr(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2**40 + 1, "at most 1099511627776"), (-1, "0 or more"), (1.0, "0 or more")],
)
def test_counts_within_limits(value, expected):
    for count in (0, np.uint8(0), 2**40):
        assert check_count(count, "seed", "here", least=0, most=2**40) == count
    with refused("the seed must be an integer, 0 or more") as caught:
        check_count(value, "seed", "here", least=0, most=2**40)
    assert caught.value.expected == expected


def test_powers_of_two_are_shown_as_such():
    for limit, name in ((2**62, "2^62"), (2**62 - 1, str(2**62 - 1))):
        with refused("the batch must be") as caught:
            check_count(2**63, "batch", "here", most=limit)
        assert caught.value.expected == f"at most {name}"


def test_exceptions_on_one_line():
    assert one_line(ValueError("two\n  lines\t here ")) == "two lines here"
    assert one_line(KeyError()) == one_line(KeyError(), typed=True) == "KeyError"
    assert one_line(ValueError("\x1b[1mlayer\x1b[0m \x1b[31;4mlost\x1b[0m")) == "layer lost"
    assert one_line(OSError("no room"), typed=True) == "OSError: no room"
    long = one_line(ValueError("a" + "b" * 999 + "c"), most=21)
    assert long == "abbbbbbb ... bbbbbbbc"
    assert len(long) == 21


@pytest.mark.parametrize("value", [0, -0.5, float("nan"), float("inf"), 10**9, True, "2", None])
def test_seconds(value):
    for time in (2, 0.5, np.float32(0.5)):
        waited = check_seconds(time, "timeout", "here")
        assert (waited, type(waited)) == (time, float)
    with refused("invalid timeout") as caught:
        check_seconds(value, "timeout", "here")
    assert caught.value.expected == "seconds, above 0 and below 100,000,000"
    assert (caught.value.where, caught.value.got) == ("here", repr(value))


def test_an_extra_that_is_there():
    assert extras.require("json.decoder", "tflite").JSONDecoder


def test_a_missing_extra_is_named_with_the_command(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name="ai_edge_litert")

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(SplitDeconvError, match="ai_edge_litert is not installed") as caught:
        extras.require("ai_edge_litert.interpreter", "tflite")
    error = caught.value
    assert error.where == "a feature that needs ai_edge_litert.interpreter"
    assert error.expected == "the extra 'tflite'"
    assert error.fix.startswith("pip install 'splitdeconv[tflite]'")
    assert error.__suppress_context__


FRONT = ["errors", "extras", "layers", "ops"]


def _problems(path):
    """First argument of every SplitDeconvError raised in a file; fields become a wildcard."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SplitDeconvError":
            parts = getattr(node.args[0], "values", [node.args[0]])
            yield "".join(
                getattr(part, "value", "*") if isinstance(part, ast.Constant) else "*"
                for part in parts
            )


def test_every_message_of_the_core_is_matched_by_a_test():
    package, tests = Path(sd.__file__).parent, Path(__file__).parent
    sources = [package / f"{name}.py" for name in FRONT] + sorted((package / "core").rglob("*.py"))
    problems = {problem for source in sources for problem in _problems(source)} - {"*"}
    assert len(problems) > 20
    strings = set()
    for test in [*tests.glob("test_*.py"), *tests.glob("core/**/test_*.py")]:
        nodes = ast.walk(ast.parse(test.read_text(encoding="utf-8")))
        strings |= {
            n.value
            for n in nodes
            if isinstance(n, ast.Constant) and isinstance(n.value, str) and len(n.value) > 11
        }
    unmatched = {
        p
        for p in problems
        if not any(s in p or max(p.split("*"), key=len).strip() in s for s in strings)
    }
    assert unmatched == set()


@pytest.mark.parametrize(
    "value", [1, -2.5, None, True, "a'b", (1, None), [1, [2]], {"a": (1,)}, range(3)]
)
def test_short_values_are_shown_as_they_are(value):
    assert shown(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        b"x" * 10**6,
        [0] * 10**6,
        {i: i for i in range(1000)},
        10**5000,
        (-(10**5000), 1),
        np.zeros(10**5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_long_values_are_abbreviated(value):
    assert len(shown(value)) <= 200


def test_values_nested_in_one_another_are_abbreviated():
    value = ["x"] * 9
    for _ in range(30):  # 9^31 texts, were they written out
        value = [value] * 9
    assert len(shown(value)) <= 200


def test_long_texts_lose_their_middle():
    assert shorten("a" * 50 + "b" * 50, 21) == "aaaaaaaa ... bbbbbbbb"
    assert shorten("a" * 21, 21) == "a" * 21
    assert shorten(None, 21) == "None"


def test_an_error_is_short_whatever_it_is_told():
    error = SplitDeconvError(
        "p" * 10**5, where="w" * 10**5, expected="e" * 10**5, got="g" * 10**5, fix="f" * 10**5
    )
    assert len(str(error)) < 5100
    assert error.got == "g" * 10**5


@pytest.mark.parametrize(
    "value", [2**100 + 1, 10**5000, -(10**5000)], ids=["large", "long", "negative"]
)
def test_absurd_counts_are_refused(value):
    with refused("the batch must be a positive integer"):
        check_count(value, "batch", "here")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("device\n  busy"), "RuntimeError: device busy"),
        (MemoryError(), "MemoryError"),
        (ValueError("x" * 500), shorten("ValueError: " + "x" * 500, 200)),
        (SplitDeconvError("no model"), "no model"),
        (
            SplitDeconvError("no model", where="w", expected="2", got="1"),
            "no model: expected 2, got 1",
        ),
        (SplitDeconvError("p", got="1", fix="give 2"), "p: got 1; give 2"),
        (SplitDeconvError("p", expected="2", fix="give 2"), "p: give 2"),
    ],
)
def test_an_exception_in_one_line(error, text):
    assert explain(error) == text
