"""Synthetic inputs for a model at one or several sizes, and loading of user inputs."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from ...core.typing import NumpyArray
from ...errors import SplitDeconvError, one_line
from ...formats.port import Arrays, Input, RejectedError

if TYPE_CHECKING:
    from numpy.lib.npyio import NpzFile

    from ..exchange import Inputs

#: A model: maps arrays by name to arrays by name, or raises `RejectedError`.
Run: TypeAlias = Callable[[Arrays], object]
_T = TypeVar("_T")
# Lengths to try for dynamic dimensions: 64 suits models that halve an image six times.
_LENGTHS = (64, 32, 16, 8, 224, 7, 1)
_BATCHES = (2, 1)
# Other sizes to try once one works: (length, increment per further axis). Odd sizes, unequal sizes,
# and multiples of 32, which models with many halvings require.
_SIZES = ((63, 0), (21, 4), (9, 2), (32, 32), (64, 64))
_OTHER_SIZES = 2
# The number of axes to try as the one whose length is given by an input.
_MOST_AXES = 4
_OTHER_BATCHES = (1, 3)
# The largest tensor may have this many elements; for more, shorter lengths are tried first.
_MOST_NUMBERS = 2**20
# With more, lengths are not tried at all, unless even the shortest leads to more: 256 MiB in
# float32, of which a few are in memory at once.
_MOST_OPEN = 2**26
# Inputs with more elements do not fit into memory.
_TOO_MANY = 2**33


@dataclass(frozen=True)
class Recipe:
    """How to draw inputs that a model accepts.

    Args:
        length: length of dynamic dimensions other than the first.
        batch: length of a dynamic first dimension.
        most: greatest value of integers that are not quantized.
        spread: increment of the length per further axis.
        tables: whether indices into a table cover all of its rows.
        steps: which length of the other inputs bounds the inputs that hold lengths, as an index
            into the sorted lengths; None to draw them like other integers.
    """

    length: int = 64
    batch: int = 2
    most: int = 1
    spread: int = 0
    tables: bool = True
    steps: int | None = None

    def draw(self, inputs: Sequence[Input], index: int, seed: int) -> Arrays:
        """The `index`-th sample: arrays by name, reproducible for a given seed."""
        rng = np.random.default_rng([seed, index])
        # Every second sample also replaces defaults, if they are floats.
        given = [port for port in inputs if not port.default or (index % 2 and _kind(port) == "f")]
        longest = self._longest(inputs)
        return {port.name: self._values(rng, port, index, longest) for port in given}

    def _values(
        self, rng: np.random.Generator, port: Input, index: int, longest: int | None
    ) -> NumpyArray:
        dtype, shape = port.dtype, self.shape(port)
        assert dtype is not None, "a model whose inputs are not numeric has no recipe"
        values: NumpyArray | float
        if port.lengths and longest:
            values = rng.integers(1, min(longest, np.iinfo(dtype).max) + 1, shape)
            values.reshape(-1)[:1] = longest  # at least one sequence is unpadded
        elif self.tables and port.rows:
            limit = np.iinfo(dtype).max if dtype.kind in "iu" else port.rows
            values = rng.integers(0, min(port.rows, limit + 1), shape)
        elif dtype.kind == "f":
            # Latents and standardized images; images in 0 .. 1; images in -1 .. 1.
            low = (None, 0, -1)[index % 3]
            values = rng.standard_normal(shape) if low is None else rng.uniform(low, 1, shape)
        elif dtype.kind == "b":
            values = rng.integers(0, 2, shape)
        elif port.quantized:
            limits = np.iinfo(dtype)
            values = rng.integers(limits.min, limits.max, shape, endpoint=True)
        else:
            most = self.most if port.rows is None else min(self.most, port.rows - 1)
            values = rng.integers(0, most, shape, endpoint=True)
        return np.asarray(values).astype(dtype)

    def _longest(self, inputs: Sequence[Input]) -> int | None:
        """The greatest value of inputs that hold lengths; None if it does not apply."""
        if self.steps is None:
            return None
        sizes = sorted({self.shape(port)[axis] for port, axis in _stepwise(inputs)})
        return sizes[min(self.steps, len(sizes) - 1)] if sizes else None

    def shape(self, port: Input) -> tuple[int, ...]:
        """The concrete shape of an input."""
        return tuple(
            n if n is not None else self.batch if i == 0 else self.length + self.spread * i
            for i, n in enumerate(port.shape or ())
        )

    def numbers(self, inputs: Sequence[Input]) -> int:
        """The number of elements of the largest input."""
        return max((prod(self.shape(port)) for port in inputs), default=0)


def find_recipe(
    run: Run, inputs: Sequence[Input], seed: int, growth: int = 1
) -> tuple[Recipe, None] | tuple[None, str]:
    """Find the first recipe whose inputs the model accepts.

    Args:
        run: function from arrays by name to arrays by name; may raise `RejectedError`.
        inputs: the model's inputs.
        growth: how many times larger than an input a tensor of the model may be.

    Returns:
        (`Recipe`, None), or (None, the last message of the runtime).
    """
    odd = [port.name for port in inputs if port.dtype is None and not port.default]
    if odd:
        return None, f"input {odd[0]!r} is not numeric"
    dynamic = [i for port in inputs for i, n in enumerate(port.shape or ()) if n is None]
    counted = any(_kind(port) in ("i", "u") and not port.quantized for port in inputs)
    recipes = product(
        _LENGTHS if any(i > 0 for i in dynamic) else _LENGTHS[:1],
        _BATCHES if 0 in dynamic else _BATCHES[:1],
        # 0 and 1 are valid for nearly all ids, lengths, flags and masks; sizes need larger values.
        (1, 100) if counted else (1,),
        # A table index may have a second purpose, for which the model rejects some of the rows.
        (True, False) if any(port.rows for port in inputs) else (True,),
        (*range(len(_stepwise(inputs))), None) if any(port.lengths for port in inputs) else (None,),
    )
    rejection = "it has no inputs"
    tried = [
        Recipe(length, batch, most, tables=tables, steps=steps)
        for length, batch, most, tables, steps in recipes
    ]
    least = min(recipe.numbers(inputs) for recipe in tried)
    tried = [r for r in tried if r.numbers(inputs) * growth <= max(_MOST_OPEN, least * growth)]
    # Lengths that lead to large tensors come last.
    for recipe in sorted(tried, key=lambda recipe: recipe.numbers(inputs) * growth > _MOST_NUMBERS):
        if (count := recipe.numbers(inputs)) > _TOO_MANY:
            rejection = f"its inputs would have {count:,} elements"
            continue
        try:
            run(recipe.draw(inputs, 0, seed))
        except RejectedError as error:
            rejection = str(error)
        else:
            return recipe, None
    return None, rejection


def _stepwise(inputs: Sequence[Input]) -> list[tuple[Input, int]]:
    """(input, axis) pairs whose length an input may hold: open axes if any, never the batch."""
    axes = [(p, i) for p in inputs if not p.lengths for i, _ in enumerate(p.shape or ()) if i]
    opened = [(port, axis) for port, axis in axes if (port.shape or ())[axis] is None]
    return (opened or axes)[:_MOST_AXES]


def _kind(port: Input) -> str | None:
    """NumPy's letter for the kind of type of an input; None if it is not numeric."""
    return None if port.dtype is None else port.dtype.kind


def other_sizes(
    run: Run,
    inputs: Sequence[Input],
    recipe: Recipe,
    seed: int,
    growth: int = 1,
    empty: bool = False,
) -> list[Recipe]:
    """Recipes for other sizes that a model with open dimensions accepts.

    Args:
        run, inputs, seed, growth: as for `find_recipe`.
        recipe: the result of `find_recipe`.
        empty: whether to try a batch of 0 as well.
    """
    opened = {i for port in inputs for i, n in enumerate(port.shape or ()) if n is None}
    sizes = [replace(recipe, length=n, spread=more) for n, more in _SIZES if opened - {0}]
    batches = [replace(recipe, batch=n) for n in (*_OTHER_BATCHES, *(0,) * empty) if 0 in opened]
    accepted = []
    for candidates, most in ((sizes, _OTHER_SIZES), (batches, len(batches))):
        taken = 0
        for other in candidates:
            if taken == most or other.numbers(inputs) * growth > _MOST_NUMBERS:
                continue
            try:
                run(other.draw(inputs, 0, seed))
            except RejectedError:
                continue
            accepted.append(other)
            taken += 1
    return accepted


def read_inputs(given: Inputs, inputs: Sequence[Input]) -> list[Arrays]:
    """Read the samples that a user supplies.

    Args:
        given: arrays by input name, with samples stacked along a new first axis; or the path of an
            .npz file that contains them.
        inputs: the model's inputs.

    Returns:
        One mapping from name to array per sample.

    Raises:
        SplitDeconvError: the file cannot be read, or names, lengths, shapes or types do not fit.
    """
    held = list(given) if isinstance(given, Mapping) else in_npz(given, lambda file: file.files)
    names = [port.name for port in inputs if not port.default or port.name in held]
    inputs = [port for port in inputs if port.name in names]
    if sorted(held) != sorted(names):
        raise _misfit("names", ", ".join(names), ", ".join(map(str, held)) or "none")
    values_by_name = given if isinstance(given, Mapping) else in_npz(given, dict)
    arrays = {name: np.asarray(values) for name, values in values_by_name.items()}
    for port in inputs:
        values = arrays[port.name]
        if port.shape is not None and not _fits((None, *port.shape), values.shape):
            expected = str(("samples", *port.shape))
            raise _misfit(f"shape of {port.name!r}", expected, str(values.shape))
        if port.dtype is None or not np.can_cast(values.dtype, port.dtype, "same_kind"):
            raise _misfit(f"type of {port.name!r}", str(port.dtype), str(values.dtype))
    counts = {len(values) for values in arrays.values()}
    if len(counts) != 1 or 0 in counts:
        raise _misfit(
            "number of samples", "the same for every input, at least one", str(sorted(counts))
        )
    return [
        {
            port.name: np.ascontiguousarray(arrays[port.name][i].astype(port.dtype))
            for port in inputs
        }
        for i in range(counts.pop())
    ]


def _fits(declared: Sequence[int | None], shape: Sequence[int]) -> bool:
    """Whether a shape has the declared rank and its known lengths."""
    return len(declared) == len(shape) and all(
        n in (None, m) for n, m in zip(declared, shape, strict=True)
    )


def in_npz(path: str | os.PathLike[str], read: Callable[[NpzFile], _T]) -> _T:
    """Apply `read` to an .npz file."""
    try:
        # NumPy assumes that other files are pickles and suggests allowing them.
        if os.path.isfile(path) and not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile("not an .npz archive")
        with np.load(path, allow_pickle=False) as file:
            return read(file)
    except MemoryError:
        got = "arrays that do not fit into memory"
    except Exception as error:  # zipfile, zlib and NumPy report damage in many ways
        got = one_line(error, most=200)
    raise SplitDeconvError(
        "the inputs cannot be read",
        where=str(path),
        expected="an .npz file of plain arrays, one per input, samples stacked along a new first "
        "axis",
        got=got,
        fix="numpy.savez('inputs.npz', NAME=array)",
    )


def _misfit(what: str, expected: str, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        f"the inputs do not fit the model: {what}", where="inputs", expected=expected, got=got
    )
