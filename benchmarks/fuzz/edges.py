"""Values at the edge of what there is, and injuries to bytes."""

import numpy as np

from benchmarks.fuzz.case import chance, pick, whole

WHOLE = (0, 1, -1, 2, 3, 7, 255, 2**16, 10**6, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
REAL = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 3e38, float("inf"), float("-inf"), float("nan"))
TEXT = ("", "x", "y", "w", "\u00e9\u4e2d", "a" * 300, "a/b:0", "../up", "\x00", " ")


def whole_near(rng, value, low=-(2**63), high=2**63 - 1):
    """Another int: a neighbour, or one at the edge; within limits."""
    choices = [value + 1, value - 1, 2 * value, -value, *(n for n in WHOLE if low <= n <= high)]
    choices = [n for n in choices if n != value and low <= n <= high]
    # Small changes leave a file that can still be read, which is where wrong conversions are.
    near = [n for n in choices if abs(n) < 8]
    return int(pick(rng, near if near and chance(rng, 0.7) else choices))


def real_near(rng, value):
    """Another float."""
    return float(pick(rng, (*REAL, -value, 2 * value, value + 1)))


def text_near(rng, value, others=()):
    """Another text; mostly one that something else in the file is called."""
    others = [text for text in others if text != value]
    if others and chance(rng, 0.75):
        return pick(rng, others)
    return pick(rng, (*TEXT, f"{value}x", value[:-1]))


def bytes_near(rng, value):
    """Other bytes: shorter, longer, or with some of them changed."""
    data = bytearray(value)
    for _ in range(whole(rng, 1, 2)):
        data = pick(rng, _INJURIES)(data, rng)
    return bytes(data)


def _flip(data, rng):
    """Flip single bits."""
    for at in rng.integers(len(data), size=whole(rng, 1, 8)) if data else ():
        data[at] ^= 1 << int(rng.integers(8))
    return data


def _overwrite(data, rng):
    """Random bytes over a short stretch."""
    at, length = whole(rng, 0, len(data)), whole(rng, 1, 16)
    data[at : at + length] = rng.bytes(min(length, len(data) - at))
    return data


def _extreme(data, rng):
    """An aligned 32-bit number replaced by one at the edge of what there is."""
    values = (0, 1, -1, 2**31 - 1, -(2**31), 2**16, len(data), 7, 100_000)
    at = 4 * int(rng.integers(max(1, len(data) // 4)))
    new = int(rng.choice(values)).to_bytes(4, "little", signed=True)
    data[at : at + 4] = new[: max(0, len(data) - at)]
    return data


def _byte(data, rng):
    """One byte at the edge: lengths, tags and small fields are bytes in a protobuf."""
    if data:
        data[int(rng.integers(len(data)))] = int(rng.choice((0, 1, 2, 127, 128, 255)))
    return data


def _truncate(data, rng):
    """The end missing; mostly a little."""
    return data[: int(len(data) * (1 - rng.random() ** 3))]


def _delete(data, rng):
    """A stretch missing."""
    at, length = whole(rng, 0, len(data)), whole(rng, 1, 32)
    return data[:at] + data[at + length :]


def _repeat(data, rng):
    """A stretch twice."""
    at, length = whole(rng, 0, len(data)), whole(rng, 1, 64)
    return data[: at + length] + data[at:]


_INJURIES = (
    _flip,
    _flip,
    _overwrite,
    _extreme,
    _extreme,
    _byte,
    _byte,
    _truncate,
    _delete,
    _repeat,
)


def edge_array(rng, array):
    """An array with a few of its values at the edge of their type."""
    flat = np.array(array).reshape(-1)
    if not flat.size:
        return np.array(array)
    if flat.dtype.kind == "f":
        most = float(np.finfo(flat.dtype).max)
        edges = [value for value in REAL if not most < abs(value) < np.inf] + [most]
    else:
        edges = [np.iinfo(flat.dtype).min, np.iinfo(flat.dtype).max, 0, 1]
    for at in rng.integers(flat.size, size=whole(rng, 1, 3)):
        flat[at] = pick(rng, edges)
    return flat.reshape(np.shape(array))
