"""Compare the operator with its definition on random geometries; the comparison can fail.

That is shown by a control: a definition whose filter is shifted.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from ..core.apply import apply
from ..core.backends import double_precision
from ..core.definition import conv_transpose, rounding_bound
from ..core.forms import COMPUTED_FORMS
from ..core.plan import plan
from ..core.typing import Array, NumpyArray, Padding
from ..errors import SplitDeconvError
from ..extras import default_library, require


def survey(
    count: int, *, seed: int = 0, forms: Iterable[str] = COMPUTED_FORMS, library: str | None = None
) -> pd.DataFrame:
    """Run random transposed convolutions in float64 and compare each value with the definition.

    Args:
        count: geometries: 1-D to 3-D, any kernel, stride, dilation, padding, groups.
        seed: of the geometries and of the signed data.
        forms: the forms to run on each.
        library: "tensorflow", "jax" or "numpy"; None for TensorFlow, or NumPy where TensorFlow is
            missing, because JAX spends seconds on compiling each geometry. Computed on the CPU,
            which supports float64.

    Returns:
        DataFrame, one row per geometry and form: the geometry; convolutions run; ``error``, the
            largest difference; ``bound``, the most that rounding allows
            (`splitdeconv.core.definition.rounding_bound`); ``ratio``, the largest error over its
            own bound, exact up to 1; ``control``, the same ratio when the definition gets a filter
            shifted by one tap (None if there is only one tap, or none that an input reaches).

    Raises:
        SplitDeconvError: the library is not installed or not known.
    """
    library = library or ("tensorflow" if default_library() == "tensorflow" else "numpy")
    with _arrays_of(library) as convert:
        return _survey(count, seed, forms, convert)


def _survey(
    count: int, seed: int, forms: Iterable[str], convert: Callable[[NumpyArray], Array]
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for case in range(count):
        geometry, groups = random_geometry(rng)
        planned = plan(**geometry, groups=groups)
        kernel = [axis.k for axis in planned.axes]
        x = rng.standard_normal((2, *geometry["input_shape"], 2 * groups))
        filters = rng.standard_normal((*kernel, 3, 2 * groups))
        expected = conv_transpose(x, filters, planned)
        bound = rounding_bound(x, filters, planned, np.finfo(x.dtype).eps / 2)
        wrong = conv_transpose(x, np.roll(filters, 1, int(np.argmax(kernel))), planned)
        told_apart = max(kernel) > 1 and bound.any()
        for form in forms:
            shaped = plan(**geometry, groups=groups, form=form)
            y = np.asarray(apply(shaped, convert(x), convert(filters)))
            rows.append(
                {
                    "case": case,
                    "form": form,
                    "geometry": "; ".join(map(str, shaped.axes)),
                    "groups": groups,
                    "kernel": max(kernel),
                    "stride": max(axis.s for axis in planned.axes),
                    "convolutions": len(shaped.convolutions),
                    "error": np.abs(y - expected).max(),
                    "bound": bound.max(),
                    "ratio": _ratio(y - expected, bound),
                    "control": _ratio(y - wrong, bound) if told_apart else None,
                }
            )
    return pd.DataFrame(rows)


def random_geometry(rng: np.random.Generator) -> tuple[dict[str, Any], int]:
    """Arguments of `plan` for a random legal geometry, and its groups.

    Args:
        rng: a `numpy.random.Generator`.

    Returns:
        (dict of arguments, number of groups).
    """
    while True:
        rank = int(rng.choice([1, 2, 2, 2, 3]))
        most = 3 if rank == 3 else 5
        pads = [tuple(int(v) for v in rng.integers(0, 3, 2)) for _ in range(rank)]
        paddings: tuple[Padding, ...] = "SAME", "VALID", pads
        geometry: dict[str, Any] = {
            "input_shape": _ints(rng, 1, most + 2, rank),
            "kernel_size": _ints(rng, 1, most + 3, rank),
            "strides": _ints(rng, 1, most, rank),
            "dilations": tuple(int(v) for v in rng.choice([1, 1, 1, 2, 3], rank)),
            "padding": paddings[rng.integers(len(paddings))],
        }
        try:
            plan(**geometry)
        except SplitDeconvError:
            continue  # explicit pads may crop a small output away: draw again
        return geometry, int(rng.choice([1, 1, 1, 2]))


def _ints(rng: np.random.Generator, least: int, most: int, count: int) -> tuple[int, ...]:
    return tuple(int(v) for v in rng.integers(least, most + 1, count))


def _ratio(difference: NumpyArray, bound: NumpyArray) -> float:
    """Largest difference over its bound; where nothing is summed, both must be zero."""
    difference = np.abs(difference)
    ratios = np.where(difference > 0, np.inf, 0.0)
    return np.divide(difference, bound, out=ratios, where=bound > 0).max()


@contextmanager
def _arrays_of(library: str) -> Iterator[Callable[[NumpyArray], Array]]:
    """The function that makes a library's arrays, in double precision."""
    if library == "tensorflow":
        yield require("tensorflow", "tensorflow").constant
    elif library == "jax":
        asarray = require("jax.numpy", "jax").asarray
        with double_precision():
            yield asarray
    elif library == "numpy":
        yield np.asarray
    else:
        raise SplitDeconvError(
            "unknown array library",
            where="library",
            expected="tensorflow, jax or numpy",
            got=repr(library),
        )
