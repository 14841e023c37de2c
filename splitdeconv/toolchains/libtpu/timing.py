"""Time programs on the first device that JAX finds, once their values agree with native's.

How far values may differ is not guessed: the native program is run a second time in float32 with
products of full precision, and its distance from that is the rounding of this device and type. Any
form may be four times as far from native (twice for each of the two, and twice for luck), plus the
bound on float32 sums in another order (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
edition, equation 3.5), which is all there is where products are of full precision anyway.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import bench
from ...core.typing import NumpyArray
from ...errors import explain
from .programs import Case, compiled_for, folded, program

_ROUNDOFF = 2.0**-24
# Products in a sum, where the layers are not known: more than in most.
_TERMS = 8192


@dataclass
class Loaded:
    """A program on a device, with its values.

    Args:
        run: runs it and waits for its outputs, a list of arrays.
        weights, inputs: lists of the arrays that it was given.
    """

    run: Callable[[], Any]
    weights: list[Any]
    inputs: list[Any]


@dataclass
class Standard:
    """The native outputs, and the relative distance that is allowed from them."""

    outputs: list[NumpyArray]
    allowed: float


def time(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Time cases that differ only in form, in turn, on the first device that JAX finds.

    A form that cannot be compiled or run, or whose values differ from native's, has a reason and
    does not affect the others. There are no speedups and no comparison without a native form.
    """
    device = jax.devices()[0]
    runs: dict[Any, Callable[[], Any]] = {}
    answers: dict[int, dict[str, Any]] = {}
    standard: Standard | None = None
    for index in sorted(range(len(cases)), key=lambda index: cases[index]["form"] != "native"):
        try:
            loaded = load(cases[index], device)
            outputs = _host(loaded.run())
            if cases[index]["form"] == "native":
                standard = Standard(outputs, _allowed(cases[index], loaded, outputs, device))
        except Exception as error:  # a device may raise anything
            answers[index] = {"reason": explain(error)}
        else:
            answers[index] = compared(outputs, standard)
            if "reason" not in answers[index]:
                runs[index] = loaded.run
    native = [index for index in runs if cases[index]["form"] == "native"]
    if runs:
        times = bench.interleaved(runs, turns=cases[0]["turns"], budget=cases[0]["budget"])
        table = bench.summarize(times, baseline=(native or list(runs))[0])
        if not native:
            table[["speedup", "low", "high"]] = np.nan
        name = f"{device.platform} {device.device_kind}"
        rows = table.drop(columns="name").to_dict("records")
        for index, row in zip(table["name"], rows, strict=True):
            answers[index] |= {"device": name, **row}
    return [answers[index] for index in range(len(cases))]


def load(case: Case, device: Any) -> Loaded:
    """Compile a case's program for a device and give it values there."""
    function, weights, x = program(case)
    prepare, compute, shapes = folded(function, weights, x)
    count = len(jax.tree.leaves(weights))
    values = [_value(leaf, seed) for seed, leaf in enumerate(jax.tree.leaves((weights, x)))]
    weights, inputs = values[:count], values[count:]
    compiled = compiled_for(device, compute, shapes)
    arguments = _placed(compiled, [*jax.jit(prepare)(*weights), *inputs])
    return Loaded(lambda: jax.block_until_ready(compiled(*arguments)), weights, inputs)


def compared(outputs: Sequence[NumpyArray], standard: Standard | None) -> dict[str, Any]:
    """How far outputs are from native's, how far they may be, and the reason if they are farther.

    Args:
        outputs: one array for each output of a form.
        standard: what they are compared with; None leaves the distance unknown (NaN).
    """
    if standard is None:
        return {"difference": np.nan, "allowed": np.nan}
    measured = distance(outputs, standard.outputs)
    answer: dict[str, Any] = {"difference": measured, "allowed": standard.allowed}
    if not measured <= standard.allowed:  # also refuses NaN
        answer["reason"] = (
            f"values differ from native's by {measured:.2g} of the greatest, "
            f"and rounding allows {standard.allowed:.2g}: not timed"
        )
    return answer


def distance(outputs: Sequence[NumpyArray], references: Sequence[NumpyArray]) -> float:
    """The greatest difference, relative to the greatest value of the same output.

    Different shapes, and values that are not finite, are infinitely far.
    """
    if [y.shape for y in outputs] != [w.shape for w in references]:
        return inf
    farthest = 0.0
    for y, w in zip(outputs, references, strict=True):
        scale, apart = float(np.abs(w).max()), float(np.abs(y - w).max())
        if not np.isfinite([scale, apart]).all():
            return inf
        farthest = max(farthest, apart / scale if scale else (inf if apart else 0.0))
    return farthest


def _allowed(case: Case, native: Loaded, outputs: list[NumpyArray], device: Any) -> float:
    """How far a form's values may be from native's, relative to the greatest."""
    exact = {**case, "dtype": "float32", "batch": 1}
    with jax.default_matmul_precision("highest"):
        prepare, compute, shapes = folded(*program(exact))
        compiled = compiled_for(device, compute, shapes)
        given = [
            jnp.asarray(value, "float32") if jnp.issubdtype(value.dtype, jnp.floating) else value
            for value in native.weights
        ]
        constants = list(jax.jit(prepare)(*given))
    # One image after the other: in float32 a batch may not fit into the device's memory.
    images = [
        _host(compiled(*_placed(compiled, [*constants, *(_one(x, n) for x in native.inputs)])))
        for n in range(case["batch"])
    ]
    references = [np.concatenate(parts) for parts in zip(*images, strict=True)]
    return 4 * distance(outputs, references) + _reordering(case["layers"])


def _one(x: Any, n: int) -> Any:
    image = x[n : n + 1]
    return image.astype("float32") if jnp.issubdtype(x.dtype, jnp.floating) else image


def _reordering(rows: Sequence[Any]) -> float:
    """The bound on the relative difference of float32 sums, added over the layers that change."""
    terms = sum(
        ceil(row["k_h"] / row["stride_h"])
        * ceil(row["k_w"] / row["stride_w"])
        * (row["c_in"] // row["groups"])
        + 2
        for row in rows
    )
    error = (terms or _TERMS) * _ROUNDOFF
    return 2 * error / (1 - error)


def _placed(compiled: Any, arguments: Sequence[Any]) -> list[Any]:
    """Arguments in the layouts that a compiled program prefers."""
    formats = compiled.input_formats[0]
    return [jax.device_put(a, f) for a, f in zip(arguments, formats, strict=True)]


def _host(outputs: Any) -> list[NumpyArray]:
    return [np.asarray(y, "float32") for y in jax.tree.leaves(outputs)]


def _value(leaf: Any, seed: int) -> Any:
    """A weight that is known as it is; random normal values of any other shape."""
    if not isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.standard_normal(leaf.shape, "float32"), leaf.dtype)
