"""Two quantized ONNX models that differ in single precision, compared in double.

What rounds a float32 in its last bit moves a value across the border of a quantizer's step now and
then. In double precision the rounding is 2^29 times smaller, and next to no value lies that close
to a border. Two models that differ for no other reason then agree as models without quantizers do.
Operators in branches, loops and functions, whose values no model puts out, are compared so.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from ...formats.content import content
from ...formats.onnx.definition import Defined
from ...formats.port import RejectedError
from .difference import Output, measure, rounding
from .entry import greatest

#: How far from single precision, relative to the greatest value, the middle one of all values may be: steps of
#: quantizers move a few of them, an operator that the evaluator understands in another way moves most.
_ALIKE = 1e-3
#: Larger models would take NumPy minutes for one sample.
_MOST = 64 << 20


class Double:
    """Two ONNX models in double precision.

    Args:
        pair: the models.
        sites: the rewritten transposed convolutions of the original.
    """

    def __init__(self, pair, sites):
        self._pair = pair
        self._delta = rounding([replace(site, dtype="float32") for site in sites])

    @cached_property
    def _models(self):
        pair = self._pair
        sources = ((pair.original, pair.path), (pair.converted, pair.converted_path))
        return [Defined(content(model), path, double=True) for model, path in sources]

    def explain(self, feed, record, single) -> Output:
        """The record of an output that differs again, passed if it does not in double precision.

        Args:
            feed: the sample.
            record: what comparing the output came to.
            single: the converted model's output in single precision.

        Raises:
            RejectedError: the evaluator does not take one of the models.
        """
        if self._pair.size > _MOST:
            raise RejectedError("the models are too large to be computed by definition")
        wide = {name: x.astype(np.float64) if x.dtype.kind == "f" else x for name, x in feed.items()}
        ours, theirs = (model(wide)[record.name] for model in self._models)
        again = measure(record.name, ours, theirs, self._delta * greatest(ours))
        if not again.passed or not _alike(theirs, single):
            return record
        finding = f"{record.finding}; by steps of quantizers: in double precision it {_agrees(again)}"
        return replace(record, passed=True, tolerance=record.max_abs, finding=finding)


def _alike(double, single):
    """Whether the evaluator computes what the runtime does."""
    if double.shape != single.shape or not single.size or single.dtype.kind not in "fiub":
        return False
    gaps = np.abs(double.astype(np.float64) - single)
    return bool(np.median(gaps) <= _ALIKE * np.abs(double).max())


def _agrees(record):
    return "is identical" if record.max_abs == 0 else record.finding
