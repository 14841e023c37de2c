"""Shapes to fix inputs at: read from text, checked, held against what a model declares, advised."""

import re
import shlex

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.convert import api as front
from splitdeconv.formats.input_shapes import (
    LARGEST,
    ModelInput,
    advice,
    advised,
    checked,
    notes_on,
    parsed,
    requested_shapes,
)
from tests.formats.tflite.models import Deconv, deconv_model
from tests.refusals import refused

IMAGE, STYLE = (
    ModelInput("image", (None, None, 24, 3)),
    ModelInput("style", (None, 9), ("serving_style:0",)),
)


def test_the_command_lines_text():
    assert parsed([]) is None
    assert parsed(["x=1x80x100", "a=b:0=7"]) == {"x": (1, 80, 100), "a=b:0": (7,)}
    assert parsed(["3x5"]) == {"": (3, 5)}


@pytest.mark.parametrize(
    "text", ["", "x", "x=", "=1x2", "x=1x", "x=-1x2", "x=1,2", "x=1.5x2", "x=?x2", "x=١x٢", "x=axb"]
)
def test_text_that_is_no_shape_is_refused(text):
    with refused("invalid input shape: expected sizes of at least 1") as caught:
        parsed([text])
    assert repr(text) == caught.value.got


def test_one_shape_for_each_name():
    with refused("two shapes are given for one input") as caught:
        parsed(["x=1x2", "y=1", "x=3x4"])
    assert (caught.value.expected, caught.value.got) == ("x once", "1x2 and 3x4")
    shapes = checked({"style": (2, 9), "serving_style:0": (2, 9)})
    with refused("two shapes are given for one input"):
        requested_shapes(shapes, None, [IMAGE, STYLE])


def test_what_python_takes():
    assert checked(None) is None
    assert checked([2, np.int64(5)]) == {"": (2, 5)}
    assert checked({"x": (4,)}) == {"x": (4,)}


@pytest.mark.parametrize("given", [{}, {3: (1, 2)}, "1x2", 7, {"x": 7}, {"x": "1x2"}, {"x": None}])
def test_what_is_no_shape_is_refused(given):
    with refused("invalid input shape: expected sizes by input name"):
        checked(given)


@pytest.mark.parametrize("sizes", [(0, 2), (1, -3), (1, 2.0), (True, 2), (2**200,), (1, None)])
def test_sizes_are_positive_integers(sizes):
    with refused("the size of a dimension must be a positive integer") as caught:
        checked({"x": sizes})
    assert caught.value.where == "input_shape, input x"


def test_the_largest_size():
    assert checked({"x": (LARGEST,)}) == {"x": (LARGEST,)}
    for sizes in ((LARGEST + 1,), (2**16, 2**15)):
        with refused("the input shape is too large"):
            checked({"x": sizes})


def test_shapes_are_held_against_what_is_declared():
    inputs = [IMAGE, STYLE]
    assert requested_shapes({"image": (2, 7, 24, 3)}, None, inputs) == [(2, 7, 24, 3), None]
    assert requested_shapes({"serving_style:0": (2, 9)}, None, inputs) == [None, (2, 9)]
    assert requested_shapes({"": (2, 9)}, None, [STYLE]) == [(2, 9)]
    assert requested_shapes({"any": (2, 9)}, None, [ModelInput("any", None)]) == [(2, 9)]
    with refused("some lengths of this input are fixed in the file") as caught:
        requested_shapes({"image": (2, 7, 25, 3)}, None, inputs)
    assert (caught.value.where, caught.value.got) == ("input image", "2x7x25x3")
    assert caught.value.expected == "?x?x24x3, as declared in the file, a number for each ?"
    assert caught.value.fix == "for example --input-shape image=1x64x24x3"
    fixed = ModelInput("fixed", (4, 6))
    with refused("the shape of this input is fixed in the file") as caught:
        requested_shapes({"fixed": (4, 7)}, None, [fixed])
    assert caught.value.fix == "omit this input: its shape is already fixed"
    with refused("the model has no such input") as caught:
        requested_shapes({"fixd": (4, 6)}, None, [fixed])
    assert caught.value.fix == "use one of these names"
    with refused("expected 2 dimensions"):
        requested_shapes({"style": (2, 9, 1)}, None, inputs)
    with refused("the model has no such input") as caught:
        requested_shapes({"picture": (1, 2)}, None, inputs)
    assert caught.value.expected == "one of: image (?x?x24x3), style (?x9)"
    with refused("the input shape must name its input"):
        requested_shapes({"": (2, 9)}, None, inputs)
    with refused("declares no inputs"):
        requested_shapes({"": (2, 9)}, None, [])


def test_a_batch_is_a_shape_of_which_the_rest_stays():
    inputs = [IMAGE, STYLE, ModelInput("scale", ()), ModelInput("table", (4, None))]
    assert requested_shapes(None, 5, inputs) == [(5, None, 24, 3), (5, 9), None, None]
    assert requested_shapes(None, 4, inputs[2:]) == [None, None]
    with refused("the batch is already fixed") as caught:
        requested_shapes(None, 3, inputs[2:])
    assert caught.value.got == "input(s) of shape a scalar, 4x?"


def test_advice_fixes_all_that_is_open():
    assert advice([STYLE]) == "--static-batch 1"
    assert advice([STYLE], batch=False) == "--input-shape style=1x9"
    assert advice([ModelInput("x", (1, 2)), ModelInput("y", ())]) is None
    assert advice([IMAGE, STYLE]) == "--input-shape image=1x64x24x3 --input-shape style=1x9"
    assert (
        advice([ModelInput("a b", (1, None, None, None, 2))]) == "--input-shape 'a b=1x16x16x16x2'"
    )
    note = "set the batch (--static-batch 1)"
    assert advised(note, [STYLE]) == note
    assert advised(note, [ModelInput("x", (1, 2))]) == note
    assert advised(note, [IMAGE]) == "set the batch (--input-shape image=1x64x24x3)"


def test_what_is_told():
    fixed = ModelInput("image", (2, 8, 24, 3))
    assert notes_on([IMAGE, STYLE], [fixed, STYLE]) == (
        "input image is now fixed at 2x8x24x3 (was ?x?x24x3)",
        "input style is still open: ?x9",
    )
    assert notes_on([STYLE], [STYLE]) == ()


def _advised(model, target):
    """What the notes of a target advise to type, as the command line reads it."""
    notes = [note for note in front.report(model, target).notes if " needs fixed shapes (" in note]
    (typed,) = (re.findall(r"; (--.*) fixes (?:the batch|them)$", note)[0] for note in notes)
    words = shlex.split(typed)
    assert set(words[::2]) in ({"--input-shape"}, {"--static-batch"})
    if words[0] == "--static-batch":
        return {"static_batch": int(words[1])}
    return {"input_shape": parsed(words[1::2])}


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", ["edge_tpu", "ethos_u55", "ethos_u65", "ethos_u85", "tflite_gpu"]
)
@pytest.mark.parametrize(
    "opened", [{"dynamic": True}, {"open_image": True}, {"dynamic": True, "open_image": True}]
)
def test_what_a_target_advises_works_when_typed(target, opened, here):
    model = deconv_model(
        Deconv(sizes=(3, 7), kernel=(3, 2), strides=(2, 1), cin=2, cout=3, kind="int8", **opened)
    )
    advised = _advised(model, target)
    assert ("static_batch" in advised) == ("open_image" not in opened)
    report = sd.convert(model, target=target, form="rows", samples=2, **advised).report
    assert report.verification
    assert not [note for note in report.notes if "needs fixed shapes" in note]
    assert all(
        None not in [d.site.batch, *(axis.n for axis in d.site.axes)] for d in report.decisions
    )


@pytest.mark.parametrize("size", [(None, None, 3), (24, 20, 3)])
def test_what_a_tpu_advises_of_a_keras_model_works_when_typed(size):
    keras = pytest.importorskip("keras")
    up = keras.layers.Conv2DTranspose(2, (3, 4), strides=(1, 2), padding="same", name="up")
    model = keras.Sequential([keras.Input(size, name="picture"), up])
    advised = _advised(model, "tpu_v5e")
    assert ("static_batch" in advised) == (None not in size)
    report = sd.convert(model, target="tpu_v5e", form="split", samples=2, **advised).report
    assert report.verification
    assert not [note for note in report.notes if "needs fixed shapes" in note]
