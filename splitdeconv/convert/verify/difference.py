"""Measure how far two outputs differ, and decide how far they may.

**Integers** computed by a quantized .tflite model must be equal. **Floats** may differ by rounding:
a transposed convolution and its split version add up the same products in a different order. Two
sums of m products, in any order, differ by at most ``2*gamma(m) * sum |x||w|`` with ``gamma(m) =
m*u / (1 - m*u)``, where u is the unit roundoff (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd edition, equation 3.5). Bias and activation turn m into m + 2. The relative size of
this bound over all rewritten layers is ``delta = sum 2*gamma(m + 2)``.

How much the rest of the model amplifies a difference of that size is measured on the original. The
tolerance is ``delta * max|y|``. If values exceed it, the original is run again on inputs perturbed
by the relative amount delta with random signs, a few times with other signs, and then with the
biases of the rewritten layers perturbed likewise (see `response`). At most as many values
may exceed the tolerance, and by at most as much, as in the worst of these runs. Inputs too coarse
for delta (float32 inputs of a model that computes in float64) are perturbed by more, and the
response is scaled down. The same rule covers integers derived from floats, such as the index of a
class.

A runtime has several kernels for an operator, which round differently, even for integers. If the
outputs still differ, both models are run with the other kernels of the runtime. The models must
agree with the plainest kernels, and between two sets of kernels the original must differ from
itself by at least half as much as the models did. (A runtime may choose different kernels for the
original than for the converted model: XNNPACK does not support a TRANSPOSE_CONV whose output shape
is computed, as it is for an unknown batch.) If the rewritten sums are integers and the plainest
kernels agree on every value, the remaining difference is rounding that later layers amplify. Then
every rewritten operator is run in isolation, and may be off by one step.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf, prod
from typing import Any

import numpy as np

from ...core.plan import SplitPlan
from ...core.typing import NumpyArray
from ...formats.port import Arrays
from ...formats.site import Site

_ROUNDOFF = {"float64": 2.0**-53}
_HALF = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
#: Roundings that folding an operator saves or adds: a BatchNormalization computes six times, and
#: the folded filters and bias are rounded once.
_PER_FOLDED = 7


@dataclass(frozen=True)
class Output:
    """One output of two models, over all samples.

    Args:
        name: the name of the output, with its signature or operator where there are several.
        dtype: the element type.
        values: how many values were compared.
        max_abs: the greatest difference of finite values.
        max_rel: max_abs relative to the greatest finite magnitude of the original.
        tolerance: bound on max_abs. Only as many values as differ between runs of the original may
            come close to it; the others must stay within the rounding bound.
        lsb: for integers, how often each absolute difference occurred; None for floats.
        passed: whether the outputs agree.
        finding: the result in words.
    """

    name: str
    dtype: str
    values: int
    max_abs: float
    max_rel: float
    tolerance: float
    lsb: dict[int, int] | None
    passed: bool
    finding: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with null for infinity, which JSON does not support."""
        return {name: None if value == inf else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Output":
        """Rebuild the record from the result of `to_dict`; JSON turns keys into strings."""
        fields = dict(content)
        for name in ("max_abs", "max_rel", "tolerance"):
            fields[name] = inf if content[name] is None else content[name]
        if content["lsb"] is not None:
            fields["lsb"] = {int(step): n for step, n in content["lsb"].items()}
        return cls(**fields)


def failure(name: str, finding: str) -> Output:
    """The record of an output that could not be compared."""
    return Output(name, "", 0, inf, inf, 0.0, None, False, finding)


def rounding(sites: Iterable[Site], exact_sums: bool = False) -> float:
    """The relative rounding difference that rewriting these sites may cause; see above.

    Args:
        sites: the rewritten transposed convolutions.
        exact_sums: whether the runtime adds integers as integers, which is exact, and computes half
            precision in single precision. TFLite does; ONNX Runtime computes a quantized
            ConvTranspose in float32. For computation in half precision, sums are assumed to be
            accumulated in float32 and rounded after the sum, the bias and the activation, in both
            models. A folded operator adds its own result in one model, and the folded filters in
            the other.
    """
    delta = 0.0
    for site in sites:
        floats = site.dtype.startswith(("float", "bfloat"))
        if site.axes is None or (exact_sums and not floats):
            continue
        taps = prod(
            max(w.length for w in p.windows) for p in SplitPlan(site.axes, 1, "split").axis_plans
        )
        terms = taps * (site.in_channels or 1) // site.groups + 2
        kind = site.computes or site.dtype
        u = _ROUNDOFF.get(kind, 2.0**-24)
        folded = sum(not one.moved for one in site.foldable)
        terms += _PER_FOLDED * folded
        halves = 0.0 if exact_sums else (6 + 2 * folded) * _HALF.get(kind, 0.0)
        delta += 2 * terms * u / (1 - terms * u) + halves
    return delta


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


@dataclass(frozen=True)
class Slack:
    """How far two runs of the original differ: the maximum, and the number beyond the tolerance."""

    gap: float = 0.0
    count: int = 0

    def __or__(self, other: "Slack") -> "Slack":
        """The greater gap and the greater number of two comparisons."""
        return Slack(max(self.gap, other.gap), max(self.count, other.count))


NO_SLACK = Slack()


def slack(ours: NumpyArray, again: NumpyArray, tolerance: float, share: float = 1.0) -> Slack:
    """How far an output of the original is from the same output computed in another way.

    Args:
        ours: the output.
        again: the output computed in another way.
        tolerance: the greatest difference that is always accepted.
        share: factor on the differences, for inputs perturbed by more than is to be excused.
    """
    if again.shape != ours.shape:
        return NO_SLACK
    gaps = _gaps(ours, again) * share
    gaps = gaps[np.isfinite(gaps)]  # only finite differences are accepted
    return Slack(float(gaps.max(initial=0.0)), int((gaps > tolerance).sum()))


def measure(
    name: str, ours: NumpyArray, theirs: NumpyArray, tolerance: float, allowed: Slack = NO_SLACK
) -> Output:
    """Compare one output of one sample.

    Args:
        name: the name of the output.
        ours: the array of the original model.
        theirs: the array of the converted model.
        tolerance: the greatest difference that is always accepted.
        allowed: how far two runs of the original differ, which is accepted as well.
    """
    dtype, bound = str(ours.dtype), max(tolerance, allowed.gap)
    empty = Output(name, dtype, ours.size, 0.0, 0.0, bound, None, True, "identical")
    if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
        was, now = (f"{array.dtype}{list(array.shape)}" for array in (ours, theirs))
        return replace(empty, max_abs=inf, max_rel=inf, passed=False, finding=f"{was} became {now}")
    gaps = _gaps(ours, theirs)
    gap, off = float(gaps.max(initial=0.0)), int((gaps > tolerance).sum())
    numbers = ours[np.isfinite(ours)] if ours.dtype.kind in _NUMBERS else np.zeros(0)
    wide = np.complex128 if ours.dtype.kind == "c" else np.float64
    greatest = float(np.abs(numbers.astype(wide)).max(initial=0.0))
    relative = gap / greatest if greatest and np.isfinite(gap) else gap
    lsb: dict[int, int] | None = None
    if ours.dtype.kind in "iub":
        steps, counts = np.unique(gaps, return_counts=True)
        lsb = dict(zip(map(int, steps), counts.tolist(), strict=True))
    return replace(
        empty,
        max_abs=gap,
        max_rel=relative,
        lsb=lsb,
        passed=off == 0 or (gap <= allowed.gap and off <= allowed.count),
        finding=_words(gap, relative, lsb, ours.size, numbers.size),
    )


_NUMBERS = "fciub"


def greatest(value: NumpyArray) -> float:
    """The greatest finite magnitude of floats; 0 for other types, which must be equal."""
    if value.dtype.kind not in "fc":
        return 0.0
    wide = value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)
    return float(np.abs(wide[np.isfinite(wide)]).max(initial=0.0))


def _gaps(ours: NumpyArray, theirs: NumpyArray) -> NumpyArray:
    """Absolute differences; infinite where only one value is finite or where strings differ."""
    if ours.dtype.kind not in _NUMBERS:
        return np.where(ours == theirs, 0.0, inf)
    if ours.dtype.kind in "iu" and ours.dtype.itemsize == 8:
        return (np.maximum(ours, theirs) - np.minimum(ours, theirs)).astype(np.float64)
    wide = np.complex128 if ours.dtype.kind == "c" else np.float64
    ours, theirs = ours.astype(wide), theirs.astype(wide)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    both = np.isfinite(ours) & np.isfinite(theirs)
    with np.errstate(invalid="ignore"):
        return np.where(same, 0.0, np.where(both, np.abs(ours - theirs), inf))


def _words(
    gap: float, relative: float, lsb: Mapping[int, int] | None, values: int, numbers: int
) -> str:
    """The finding in words."""
    odd = f"; {values - numbers} values are NaN or infinite" if numbers < values else ""
    if gap == 0:
        return "identical" + odd
    if gap == inf:
        return "a NaN, infinity or string differs from the original" + odd
    if lsb is not None:
        return f"{values - lsb.get(0, 0)} of {values} values differ, by at most {gap:.0f} LSB"
    return f"differs by at most {gap:.3g}, {relative:.3g} of the greatest value" + odd


def merge(outputs: Sequence[Output]) -> Output:
    """Merge the records of several samples: counts are added, the rest is the worst sample's."""
    worst = max(outputs, key=lambda output: (not output.passed, output.max_abs))
    values = sum(output.values for output in outputs)
    if worst.lsb is None:
        return replace(worst, values=values)
    lsb: Counter[int] = Counter()
    for output in outputs:
        lsb.update(output.lsb or {})
    _, *why = worst.finding.split("; ")
    finding = "; ".join([_words(worst.max_abs, 0, lsb, values, values), *why])
    return replace(worst, values=values, lsb=dict(sorted(lsb.items())), finding=finding)
