"""Compare two quantized ONNX models that differ in single precision again in double precision.

A rounding difference in the last bit of a float32 occasionally moves a value across the boundary
between two quantizer steps. In double precision rounding is 2^29 times smaller, and almost no value
lies that close to a boundary. Two models that differ for no other reason then agree as closely as
models without quantizers do. This comparison is used for operators in branches, loops and
functions, whose intermediate values cannot be made model outputs.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

import numpy as np

from ....core.typing import NumpyArray
from ....formats.content import content
from ....formats.onnx.definition import Defined
from ....formats.port import Arrays, RejectedError
from ....formats.site import Site
from ..difference import Output, greatest, measure, rounding
from ..entry import Pair

#: Bound on the median difference from single precision, relative to the greatest value. Quantizer
#: steps move only a few values; an operator that the evaluator interprets differently moves most.
_ALIKE = 1e-3
#: NumPy would need minutes per sample for larger models.
_MOST = 64 << 20


class Double:
    """Two ONNX models, evaluated in double precision.

    Args:
        pair: the models.
        sites: the rewritten transposed convolutions of the original.
    """

    def __init__(self, pair: Pair, sites: Iterable[Site]) -> None:
        self._pair = pair
        single = [replace(site, dtype="float32", computes="float32") for site in sites]
        self._delta = rounding(single)

    @cached_property
    def _models(self) -> list[Defined]:
        pair = self._pair
        sources = ((pair.original, pair.path), (pair.converted, pair.converted_path))
        return [Defined(content(model), path, double=True) for model, path in sources]

    def explain(self, feed: Arrays, record: Output, single: NumpyArray) -> Output:
        """Re-evaluate a differing output; it passes if it agrees in double precision.

        Args:
            feed: the sample.
            record: the result of comparing the output in single precision.
            single: the converted model's output in single precision.

        Raises:
            RejectedError: the evaluator rejected one of the models.
        """
        if self._pair.size > _MOST:
            raise RejectedError("the models are too large for the reference evaluator")
        wide = {
            name: x.astype(np.float64) if x.dtype.kind == "f" else x for name, x in feed.items()
        }
        ours, theirs = (model(wide)[record.name] for model in self._models)
        again = measure(record.name, ours, theirs, self._delta * greatest(ours))
        if not again.passed or not _alike(theirs, single):
            return record
        finding = (
            f"{record.finding}; due to quantizer steps: in double precision it {_agrees(again)}"
        )
        return replace(record, passed=True, tolerance=record.max_abs, finding=finding)


def _alike(double: NumpyArray, single: NumpyArray) -> bool:
    """Whether the evaluator computes the same as the runtime."""
    if double.shape != single.shape or not single.size or single.dtype.kind not in "fiub":
        return False
    gaps = np.abs(double.astype(np.float64) - single)
    return bool(np.median(gaps) <= _ALIKE * np.abs(double).max())


def _agrees(record: Output) -> str:
    return "is identical" if record.max_abs == 0 else record.finding
