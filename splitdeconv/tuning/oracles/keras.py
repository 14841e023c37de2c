"""Keras on this CPU: the library's own operator against every form of the split."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import bench, ops
from ...convert.exchange import Inputs, ModelFile
from ...convert.variants.variant import NATIVE, Variant
from ...core.geometry import Axis, known, resolve
from ...errors import SplitDeconvError
from ...extras import require
from ...formats.site import Site
from ...provenance import device, versions
from ..oracle import Cost, Oracle, Subject, data_of

_TURNS, _BUDGET = 31, 10.0
_OPERATIONS = {1: ops.conv1d_transpose, 2: ops.conv2d_transpose, 3: ops.conv3d_transpose}


class Keras(Oracle):
    """The library of Keras' backend, with the threads that it chooses.

    Args:
        seed: of inputs, filters and intervals.
    """

    name, unit, evidence, target = "keras", "s", "measured here", "generic"
    formats = ("keras",)

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def missing(self) -> str | None:
        try:
            require("keras", "tensorflow")
        except SplitDeconvError as error:
            return f"{error.problem}: {error.fix}"
        return None

    def facts(self) -> dict[str, Any]:
        backend = require("keras", "tensorflow").backend.backend()
        kept = ("keras", "tensorflow", "tensorflow-cpu", "jax")
        numbers = {name: number for name, number in versions().items() if name in kept}
        return {"device": device(), "backend": backend, "versions": numbers, "turns": _TURNS}

    def costs(self, subject: Subject) -> dict[Variant, Cost]:
        if unsized := subject.unsized(max(_OPERATIONS)):
            return unsized
        functions: dict[Variant, Callable[[], Any]] = {}
        costs = subject.barred()
        for variant in subject.variants:
            try:
                function = _compiled(subject.site, variant, self._seed)
                function()
            except Exception as error:  # a library may raise anything
                first = str(error).partition("\n")[0][:200]
                costs[variant] = Cost.missing(first or type(error).__name__)
            else:
                functions[variant] = function
        if NATIVE not in functions:
            nothing = Cost.missing("there is no native to compare with")
            return costs | dict.fromkeys(functions, nothing)
        times = bench.interleaved(
            {str(v): f for v, f in functions.items()}, turns=_TURNS, budget=_BUDGET
        )
        return costs | _costs(times, self._seed)

    def whole(
        self,
        original: ModelFile,
        tuned: bytes,
        layers: Sequence[tuple[Cost, Cost]],
        inputs: Inputs | None = None,
    ) -> Cost:
        """Both models with their weights as constants, in turn, on the same normal inputs."""
        from ...formats.keras.file import load

        models = [load(data_of(model), "the model") for model in (original, tuned)]
        rng = np.random.default_rng(self._seed)
        shapes = [(1, *x.shape[1:]) for x in models[0].inputs]
        if any(n is None for shape in shapes for n in shape):
            return Cost.missing("a Keras model of open sizes is not timed as a whole")
        values = [rng.standard_normal(shape, "float32") for shape in shapes]
        functions = {
            str(variant): bench.frozen(model, *values)
            for variant, model in zip((NATIVE, Variant("tuned")), models, strict=True)
        }
        times = bench.interleaved(functions, turns=_TURNS, budget=2 * _BUDGET)
        return _costs(times, self._seed)[Variant("tuned")]


def _costs(times: Any, seed: int) -> dict[Variant, Cost]:
    rows = bench.summarize(times, baseline=str(NATIVE), seed=seed).to_dict("records")
    return {
        Variant.of(row["name"]): Cost(row["seconds"], row["speedup"], row["low"], row["high"])
        for row in rows
    }


def _padding(axes: Sequence[Axis]) -> str | list[tuple[int, int]]:
    """By name where it has one: TensorFlow's own operator takes numbers in two dimensions only."""
    lengths, outputs = [known(axis.n) for axis in axes], [known(axis.o) for axis in axes]
    kernel, strides = [axis.k for axis in axes], [axis.s for axis in axes]
    dilations = [axis.d for axis in axes]
    for name in ("SAME", "VALID"):
        try:
            named = resolve(lengths, kernel, strides, name, outputs, dilations=dilations)
        except SplitDeconvError:
            continue
        if named == tuple(axes):
            return name
    return [(axis.p, axis.end) for axis in axes]


def _compiled(site: Site, variant: Variant, seed: int) -> Callable[[], Any]:
    """A function without arguments that runs a layer in a variant, its filters constant."""
    axes, (c_in, c_out) = site.known_axes, site.known_channels
    rng = np.random.default_rng(seed)
    lengths = [known(axis.n) for axis in axes]
    batch = site.batch or 1
    x = rng.standard_normal((batch, *lengths, c_in), "float32")
    kernel = [axis.k for axis in axes]
    filters = rng.standard_normal((*kernel, c_out // site.groups, c_in), "float32")
    options: dict[str, Any] = {
        "output_shape": (batch, *(known(axis.o) for axis in axes), c_out),
        "strides": [axis.s for axis in axes],
        "padding": _padding(axes),
        "dilations": [axis.d for axis in axes],
        "form": variant.form,
    }
    if variant.interleave:
        options["interleave"] = variant.interleave
    operation = _OPERATIONS[len(axes)]
    return bench.compiled(lambda x: operation(x, filters, **options), x)
