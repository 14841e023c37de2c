"""ONNX models of sequences with a transposed convolution, as for text and speech."""

import numpy as np
import onnx

from tests.formats.onnx.models import model, node, value

ROWS, CHANNELS = 41, 6
BOOL = 6  # TFLite's number for the type


def _weights(seed=0, into=4, taps=7):
    rng = np.random.default_rng(seed)
    return {"w": rng.standard_normal((CHANNELS, into, taps)).astype("f4")}


def _integer(name, number):
    return node("Constant", [], name, value=onnx.numpy_helper.from_array(np.array(number, "i8")))


def _mask(length):
    """Nodes that make a mask (batch, 1, length) from `lengths`; `length` names the step count."""
    return [
        _integer("zero", 0),
        _integer("one", 1),
        node("Range", ["zero", length, "one"], "steps"),
        _integer("last", [1]),
        node("Unsqueeze", ["lengths", "last"], "columns"),
        node("Less", ["steps", "columns"], "flags"),
        node("Cast", ["flags"], "floats", to=1),
        node("Unsqueeze", ["floats", "last"], "mask"),
        node("Mul", ["x", "mask"], "masked"),
        node("ConvTranspose", ["masked", "w"], "y", strides=[3]),
    ]


def _outputs():
    return [value("y", "f4", [None] * 3)]


def padded(lengths="i8", batch=None, steps=None):
    """x, and lengths that tell its valid steps: a mask by Range and Less over the steps of x."""
    nodes = [
        node("Shape", ["x"], "sizes"),
        _integer("two", 2),
        node("Gather", ["sizes", "two"], "steps_of_x"),
        *([node("Cast", ["given"], "lengths", to=7)] if lengths != "i8" else []),
        *_mask("steps_of_x"),
    ]
    ports = (
        value("x", "f4", [batch, CHANNELS, steps]),
        value("given" if lengths != "i8" else "lengths", lengths, [batch]),
    )
    return model(nodes, ports, _outputs(), _weights(1))


def longest(batch=None, steps=None):
    """As `padded`, over as many steps as the greatest length, which must then be that of x."""
    nodes = [node("ReduceMax", ["lengths"], "greatest", keepdims=0), *_mask("greatest")]
    ports = value("x", "f4", [batch, CHANNELS, steps]), value("lengths", "i8", [batch])
    return model(nodes, ports, _outputs(), _weights(2))


def attended(mask="i8"):
    """Tokens, and a mask of zeros and ones that is added to the scores of an attention."""
    rng = np.random.default_rng(3)
    nodes = [
        node("Gather", ["table", "input_ids"], "e"),
        node("Transpose", ["e"], "turned", perm=[0, 2, 1]),
        node("MatMul", ["e", "turned"], "scores"),
        node("Cast", ["attention_mask"], "open", to=1),
        node("Constant", [], "far", value_float=-1e9),
        node("Constant", [], "unit", value_float=1.0),
        node("Sub", ["unit", "open"], "closed"),
        node("Mul", ["closed", "far"], "bias"),
        _integer("middle", [1]),
        node("Unsqueeze", ["bias", "middle"], "rows"),
        node("Add", ["scores", "rows"], "biased"),
        node("Softmax", ["biased"], "share", axis=-1),
        node("MatMul", ["share", "e"], "mixed"),
        node("Transpose", ["mixed"], "x", perm=[0, 2, 1]),
        node("ConvTranspose", ["x", "w"], "y", strides=[2]),
    ]
    ports = (
        value("input_ids", "i8", ["batch", "steps"]),
        value("attention_mask", mask, ["batch", "steps"]),
    )
    stored = {"table": rng.standard_normal((ROWS, CHANNELS)).astype("f4")} | _weights(3)
    return model(nodes, ports, _outputs(), stored)


def spoken():
    """Tokens with lengths and a speaker, as exporters of speech models write them."""
    rng = np.random.default_rng(4)
    nodes = [
        node("Gather", ["table", "input"], "e"),
        node("Gather", ["voices", "sid"], "v"),
        _integer("middle", [1]),
        node("Unsqueeze", ["v", "middle"], "voice"),
        node("Add", ["e", "voice"], "both"),
        node("Transpose", ["both"], "x", perm=[0, 2, 1]),
        node("Shape", ["x"], "sizes"),
        _integer("two", 2),
        node("Gather", ["sizes", "two"], "steps_of_x"),
        node("Identity", ["input_lengths"], "lengths"),
        *_mask("steps_of_x"),
    ]
    ports = (
        value("input", "i8", [None, None]),
        value("input_lengths", "i8", [None]),
        value("sid", "i8", [None]),
    )
    stored = {
        "table": rng.standard_normal((ROWS, CHANNELS)).astype("f4"),
        "voices": rng.standard_normal((3, CHANNELS)).astype("f4"),
    }
    return model(nodes, ports, _outputs(), stored | _weights(4))
