"""Typical inputs of a Keras model: read from a user's file, or drawn, and put into batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...convert.verify.inputs import in_npz, read_inputs
from ...core.typing import NumpyArray
from ...errors import SplitDeconvError
from ...formats.port import Input

if TYPE_CHECKING:
    import keras

    from ...convert.exchange import Inputs


def read(given: Inputs, model: keras.Model) -> list[NumpyArray]:
    """Read the samples that a user supplies for a Keras model.

    Args:
        given: arrays by the names of the model's inputs, with samples stacked along the first
            axis; or the path of an .npz file of them.
        model: the model, with fixed sizes.

    Returns:
        One array ``(count, ...)`` per input, in the model's order and types.

    Raises:
        SplitDeconvError: the file cannot be read; names, shapes or types do not fit the model; or
            a value is not finite.
    """
    arrays = dict(given) if isinstance(given, Mapping) else in_npz(given, dict)
    ports = [Input(x.name, np.dtype(x.dtype), tuple(x.shape[1:])) for x in model.inputs]
    for port in ports:
        values = np.asarray(arrays.get(port.name, 0.0))
        kind = port.dtype.kind if port.dtype is not None else "f"
        # NumPy would turn integers into floats: pixels of 0 to 255 where 0 to 1 may be meant.
        if port.name in arrays and kind == "f" and values.dtype.kind != "f":
            raise _unfit(f"input {port.name!r} has another type", "floats", str(values.dtype))
    try:
        feeds = read_inputs(arrays, ports)
    except SplitDeconvError as error:
        raise SplitDeconvError(
            error.problem, where="samples", expected=error.expected, got=error.got, fix=error.fix
        ) from None
    stacked = [np.stack([feed[port.name] for feed in feeds]) for port in ports]
    for port, values in zip(ports, stacked, strict=True):
        if not np.isfinite(values).all():
            raise _unfit(f"input {port.name!r} is not finite", "numbers", "a NaN or infinity")
    return stacked


def draw(model: keras.Model, count: int, seed: int = 0) -> list[NumpyArray]:
    """Draw standard normal inputs.

    Args:
        model: a model whose inputs are floats, with fixed sizes.
        count: number of samples.
        seed: seed of the numbers.

    Returns:
        As `read`.

    Raises:
        SplitDeconvError: an input is not a float, so that its range is unknown.
    """
    rng = np.random.default_rng(seed)
    for x in model.inputs:
        if np.dtype(x.dtype).kind != "f":
            raise SplitDeconvError(
                "the model needs samples: nothing is known of the range of an input",
                where=f"input {x.name!r}",
                expected="samples for an input that is not a float",
                got=f"an input of {x.dtype} and no samples",
                fix="pass typical inputs: --samples inputs.npz (samples=...)",
            )
    return [rng.standard_normal((count, *x.shape[1:])).astype(x.dtype) for x in model.inputs]


def batches(samples: Sequence[NumpyArray], batch: int, least: int = 1) -> list[list[NumpyArray]]:
    """Put samples into full batches; the last one is filled up from the first samples.

    Args:
        samples: one array ``(count, ...)`` per input.
        batch: images in a batch.
        least: the smallest number of batches.

    Returns:
        For each batch, one array per input.
    """
    count = len(samples[0])
    number = max(least, -(-count // batch))
    places = np.arange(number * batch).reshape(number, batch) % count
    return [[values[place] for values in samples] for place in places]


def _unfit(problem: str, expected: str, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        f"the samples do not fit the model: {problem}",
        where="samples",
        expected=expected,
        got=got,
        fix="give each input the values that the Keras model is called with",
    )
