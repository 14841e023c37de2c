"""Inputs that differ as rounding may make them differ."""

import numpy as np

from ...formats.port import Arrays


def perturbation(feed: Arrays, delta: float) -> float:
    """The relative amount by which inputs are perturbed: delta, or two units in the last place."""
    floats = [values.dtype for values in feed.values() if values.dtype.kind == "f"]
    return max([delta, *(2 * float(np.finfo(dtype).eps) for dtype in floats)])


def perturb(feed: Arrays, amount: float, seed: int) -> Arrays | None:
    """Change every float input by a relative amount, up or down; None without floats."""
    rng = np.random.default_rng(seed)
    changed = dict(feed)
    floats = [name for name, values in feed.items() if values.dtype.kind == "f"]
    for name in floats:  # in the order of the inputs, so that a seed gives the same numbers
        signs = rng.choice((-1.0, 1.0), feed[name].shape)
        changed[name] = (feed[name] * (1 + amount * signs)).astype(feed[name].dtype)
    return changed if floats else None
