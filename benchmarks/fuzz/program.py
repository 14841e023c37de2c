"""What a runtime makes of a model file, the same for all formats."""

from dataclasses import dataclass

import numpy as np


class FailedError(Exception):
    """A runtime does not load a model or does not run it on an input."""


@dataclass(frozen=True)
class Port:
    """An input.

    Args:
        name: as the model names it.
        dtype: NumPy type.
        shape: lengths; a text or None where open.
        quantized: integers that stand for real numbers.
        optional: whether the model has a value of its own.
    """

    name: str
    dtype: np.dtype
    shape: tuple
    quantized: bool = False
    optional: bool = False


# Batch and length of what is open; 0, 1 and 3 images, lengths odd and even.
_OPEN = ((2, 5), (1, 7), (3, 4), (1, 1), (2, 9), (0, 6))
_MOST = 60_000  # elements of an input


def feeds(ports, rng, count=3):
    """Inputs to try: a list of mappings by name, more of them where sizes are open."""
    is_open = any(not isinstance(n, int) for port in ports for n in port.shape)
    is_quantized = any(port.quantized or port.dtype.itemsize == 1 for port in ports)
    drawn = []
    for index in range(6 if is_open else count + is_quantized):
        lengths, feed = {}, {}
        for port in ports:
            if port.optional and index % 2 == 0:
                continue
            shape = tuple(_length(port, i, index, lengths) for i in range(len(port.shape)))
            if np.prod(shape, dtype=float) > _MOST or any(n < 0 for n in shape):
                return drawn
            feed[port.name] = _values(port, shape, index, rng)
        drawn.append(feed)
    return drawn


def _length(port, axis, index, lengths):
    """The length of one axis; the same for the same symbol, others for others."""
    n = port.shape[axis]
    if isinstance(n, int):
        return n
    batch, length = _OPEN[index]
    if port.optional:
        return 2 + (index + axis) % 3
    if n is None:
        return batch if axis == 0 else length + axis % 2
    if n not in lengths:
        lengths[n] = batch if axis == 0 else length + 2 * (len(lengths) % 3)
    return lengths[n]


def _values(port, shape, index, rng):
    kind = port.dtype.kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        limits = np.iinfo(port.dtype)
        low, high = (limits.min, limits.max) if port.quantized or limits.bits == 8 else (0, 3)
        return np.asarray(rng.integers(low, high, shape, endpoint=True)).astype(port.dtype)
    values = np.asarray(rng.standard_normal(shape))
    if index % 5 == 1:
        values = np.abs(values) % 1
    elif index % 5 == 2:
        values = 30 * values
    elif index % 5 == 3:
        values = np.round(2 * values)
    elif index % 5 == 4:
        values = 1000 * values * rng.integers(0, 2, shape)
    return values.astype(port.dtype)


def nudged(feed, rng, epsilon):
    """The same inputs, each float changed by a little."""
    return {
        name: (value * (1 + epsilon * rng.uniform(-1, 1, value.shape))).astype(value.dtype)
        if value.dtype.kind == "f"
        else value
        for name, value in feed.items()
    }
