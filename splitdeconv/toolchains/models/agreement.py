"""Compare an exported file with the Keras model that it was made from, by value.

**Floats** may differ by rounding. A layer that adds n products has a relative error of at most
``8 sqrt(n) u``, with u the unit roundoff, unless the roundings conspire (probability below 3e-14 a
value: Higham and Mary, SIAM J. Sci. Comput. 41(5), 2019, theorem 2.4 with lambda = 8). Two
computations of the model may differ by twice that in each layer, ``delta`` in total, of the
greatest value of an output; half precision adds its own roundings. How the layers amplify such a
difference is measured: the model is run again on inputs that are changed by delta.

**Integers** cannot agree with a model that computes in floats. How far quantization moves the
outputs is measured in steps (LSB), and a file whose error is as large as the signal is rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod, sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...convert.verify.difference import Output, greatest, measure, merge, perturb
from ...core.typing import NumpyArray
from ...errors import SplitDeconvError
from ...extras import require
from ...formats.port import RejectedError
from ...formats.registry import format_of

if TYPE_CHECKING:
    import keras

#: Runs a file: one array per input to one per output.
Run: TypeAlias = Callable[[Sequence[NumpyArray]], list[NumpyArray]]

_SINGLE, _HALF = 2.0**-24, 2.0**-11
_LAMBDA, _RUNS = 8, 3


def rounding(model: keras.Model, kind: str, dtype: str) -> float:
    """The relative difference that rounding may cause; see above.

    Args:
        model: the Keras model.
        kind: "tflite" or "onnx".
        dtype: "float32" or "float16". A .tflite file rounds its weights to half precision; an
            .onnx file also inputs, sums and activations.
    """
    delta = 0.0
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        terms = 4  # an activation, or a scale and an offset
        if kernel is not None:
            # The last two axes of a transposed convolution's kernel are swapped.
            outputs = -2 if type(layer).__name__.endswith("Transpose") else -1
            terms = prod(kernel.shape) // kernel.shape[outputs] + 2
        delta += 2 * _LAMBDA * sqrt(terms) * _SINGLE
        if dtype == "float16":
            delta += _HALF * (1 if kind == "tflite" else 3)
    return delta


def compare(
    model: keras.Model, data: bytes, kind: str, dtype: str, feeds: Sequence[Sequence[NumpyArray]]
) -> tuple[Output, ...]:
    """Compare every output of a file of floats with the Keras model's.

    Args:
        model: the Keras model.
        data: the file's bytes; images are channels first in .onnx files.
        kind: "tflite" or "onnx".
        dtype: "float32" or "float16".
        feeds: for each run, one array per input, as the Keras model takes them.

    Returns:
        One record per output of the model.

    Raises:
        SplitDeconvError: the runtime is missing or does not run the file.
    """
    delta, records = rounding(model, kind, dtype), []
    names, file = [str(place) for place in range(len(feeds[0]))], runner(data, kind)
    for index, feed in enumerate(feeds):
        ours, theirs = _keras(model, feed), file(feed)
        gaps = [0.0] * len(ours)
        for turn in range(_RUNS):
            other = perturb(dict(zip(names, feed, strict=True)), delta, index * _RUNS + turn)
            if other is not None:
                again = _keras(model, [other[name] for name in names])
                gaps = [max(g, _gap(a, b)) for g, a, b in zip(gaps, ours, again, strict=True)]
        if len(ours) != len(theirs):
            raise _unlike(f"{len(ours)} outputs", f"{len(theirs)}")
        for place, (expected, actual) in enumerate(zip(ours, theirs, strict=True)):
            tolerance = delta * greatest(expected) + gaps[place]
            name = getattr(model.outputs[place], "name", str(place))
            records.append(measure(name, expected, actual.astype(expected.dtype), tolerance))
    count = len(model.outputs)
    return tuple(merge(records[place::count]) for place in range(count))


def check(outputs: Sequence[Output]) -> None:
    """Raise an error for the first output that disagrees with the Keras model.

    Raises:
        SplitDeconvError: naming the output.
    """
    for output in outputs:
        if not output.passed:
            expected = f"the Keras model's values of {output.name}, within {output.tolerance:.3g}"
            raise _unlike(expected, output.finding)


def quantization(
    model: keras.Model, data: bytes, feeds: Sequence[Sequence[NumpyArray]]
) -> list[str]:
    """How far quantization moves each output from the Keras model's, in words.

    Args:
        model: the Keras model.
        data: a fully quantized .tflite file.
        feeds: as for `compare`.

    Raises:
        SplitDeconvError: the error of an output is as large as its deviation from its mean.
    """
    file = runner(data, "tflite")
    floats = [np.stack(each) for each in zip(*(_keras(model, feed) for feed in feeds), strict=True)]
    integers = [np.stack(each) for each in zip(*(file(feed) for feed in feeds), strict=True)]
    steps = _steps(data)
    words = []
    for y, expected, actual, step in zip(model.outputs, floats, integers, steps, strict=True):
        gap = np.abs(actual.astype("float64") - expected)
        signal, error = float(np.std(expected)), float(np.sqrt((gap**2).mean()))
        if signal and error >= signal:
            raise SplitDeconvError(
                "quantization destroys the model",
                where=f"output {y.name}",
                expected=f"an error below the output's deviation, {signal:.3g}",
                got=f"a root mean square error of {error:.3g}",
                fix="give more and more typical samples, or choose float16 or int16x8",
            )
        words.append(
            f"quantization moves {y.name} by at most {gap.max() / step:.1f} LSB from the Keras "
            f"model's, {gap.mean() / step:.2f} on average"
        )
    return words


def _steps(data: bytes) -> list[float]:
    """The scale of each output of a quantized .tflite file."""
    interpreter = require("ai_edge_litert.interpreter", "tflite").Interpreter(model_content=data)
    return [port["quantization"][0] for port in interpreter.get_output_details()]


def runner(data: bytes, kind: str) -> Run:
    """A function that runs a file on inputs in the Keras model's layout, one array per input.

    Args:
        data: the file's bytes.
        kind: "tflite" or "onnx".

    Returns:
        The function. It returns the outputs in the Keras model's layout; inputs and outputs of a
        quantized file are quantized and dequantized.

    Raises:
        SplitDeconvError: the runtime is missing or does not load the file.
    """
    return _tflite(data) if kind == "tflite" else _onnx(data)


def quantized(values: NumpyArray, scale: float, zero: int, dtype: Any) -> NumpyArray:
    """Values as the nearest integers of a quantized port."""
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(dtype)


def _tflite(data: bytes) -> Run:
    interpreter = require("ai_edge_litert.interpreter", "tflite").Interpreter(model_content=data)
    interpreter.allocate_tensors()
    sources, sinks = interpreter.get_input_details(), interpreter.get_output_details()

    def run(feed: Sequence[NumpyArray]) -> list[NumpyArray]:
        for port, values in zip(sources, feed, strict=True):
            scale, zero = port["quantization"]
            dtype = port["dtype"]
            cast = quantized(values, scale, zero, dtype) if scale else values.astype(dtype)
            interpreter.set_tensor(port["index"], cast)
        interpreter.invoke()
        outputs = []
        for port in sinks:
            values, (scale, zero) = interpreter.get_tensor(port["index"]), port["quantization"]
            outputs.append((values.astype("float64") - zero) * scale if scale else values)
        return outputs

    return run


def _onnx(data: bytes) -> Run:
    try:
        (entry,) = format_of("onnx").load(data).values()
    except RejectedError as error:
        raise _unlike("a file that ONNX Runtime loads", str(error)) from None

    def run(feed: Sequence[NumpyArray]) -> list[NumpyArray]:
        first = [np.moveaxis(x, -1, 1) if x.ndim == 4 else x for x in feed]
        given = {
            port.name: np.ascontiguousarray(values, port.dtype)
            for port, values in zip(entry.inputs, first, strict=True)
        }
        try:
            outputs = entry(given).values()
        except RejectedError as error:
            raise _unlike("a file that ONNX Runtime runs", str(error)) from None
        return [np.moveaxis(y, 1, -1) if y.ndim == 4 else y for y in outputs]

    return run


def _keras(model: keras.Model, feed: Sequence[NumpyArray]) -> list[NumpyArray]:
    """The outputs of the Keras model."""
    keras = require("keras", "tensorflow")
    given = list(feed) if len(feed) > 1 else feed[0]
    outputs = keras.tree.flatten(model(given, training=False))
    return [keras.ops.convert_to_numpy(y) for y in outputs]


def _gap(ours: NumpyArray, again: NumpyArray) -> float:
    """The greatest finite difference."""
    gaps = np.abs(ours.astype("float64") - again.astype("float64"))
    return float(gaps[np.isfinite(gaps)].max(initial=0.0))


def _unlike(expected: str, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        "the exported file does not compute the Keras model",
        where="the exported file, which was not written",
        expected=expected,
        got=got,
        fix="export the model with a tool of its framework, then use splitdeconv convert",
    )
