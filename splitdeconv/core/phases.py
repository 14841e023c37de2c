"""The split of one axis: its phases, the taps of each, and the windows of input that they read.

In the letters of `splitdeconv.core.geometry`: shift the output by an alignment ``a >= 0``,
``q' = q + a``, and write it as ``q' = b*s + r``: block ``b``, phase ``r``. With ``t = r - a + p``,
``g = gcd(d, s)``, ``S = s/g``, ``D = d/g``, the outputs of one phase are

    t mod g != 0   ->  an empty phase: no tap reaches it
    u0 = (t/g * D^-1) mod S,   taps u = u0 + S*j,   j = 0 .. J-1,   J = max(0, ceil((k - u0) / S))
    i  = b + (t - d*u0)/s - D*j,

that is, a stride-1 convolution of dilation ``D`` over the input with every S-th tap, reversed. This
is the split of Xu et al., arXiv 1907.01773, for any crop and dilation. All is counted relative to
``n``, which need not be known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from .geometry import MOST_PHASES, Axis, known


@dataclass(frozen=True, slots=True)
class Window:
    """The window that one convolution reads along one axis, for one phase or for several.

    Position ``m`` of the window reads input ``b + start + m*dilation`` for block ``b``.

    Args:
        phases: the phases served, in the order of their output channels.
        start: first input read, relative to the block.
        dilation: distance between positions; 1 where there is only one.
        taps: for each phase, the filter tap at each position; None where the filter is extended by
            a zero.
    """

    phases: tuple[int, ...]
    start: int
    dilation: int
    taps: tuple[tuple[int | None, ...], ...]

    @property
    def length(self) -> int:
        """Positions per output, zeros included; 0 for a phase that no tap reaches."""
        return len(self.taps[0])

    @property
    def stop(self) -> int:
        """Last input read, relative to the block."""
        return self.start + (self.length - 1) * self.dilation


@dataclass(frozen=True, slots=True)
class AxisPlan:
    """The split of one axis: its alignment ``a``, and the windows that cover every phase."""

    axis: Axis
    alignment: int
    windows: tuple[Window, ...]

    @property
    def surplus(self) -> int:
        """Blocks computed beyond the ``n`` of the input; every phase has ``n + surplus``."""
        return -(-(self.alignment + self.axis.tail) // self.axis.s)

    @property
    def crop(self) -> tuple[int, int]:
        """Interleaved outputs dropped at the start and at the end."""
        return self.alignment, self.surplus * self.axis.s - self.alignment - self.axis.tail

    @property
    def blocks(self) -> int:
        """Outputs of every phase; 1, one block of all phases, where the length is open."""
        return 1 if self.axis.n is None else self.axis.n + self.surplus

    @property
    def taps(self) -> int:
        """Taps issued per block, all windows and phases together."""
        return sum(window.length * len(window.phases) for window in self.windows)

    def pads(self, window: Window) -> tuple[int, int]:
        """Zeros `window` needs before and after the input; a negative number is a slice."""
        return -window.start, self.surplus + window.stop

    def lengthened(self, window: Window, length: int) -> Window:
        """`window` with zero taps added until it has `length` positions; its results are the same.

        They go to the side that makes the pads of both sides most alike: a slice then becomes
        shorter or vanishes, and windows of different phases may come to read the same input.
        """
        added, step = length - window.length, window.dilation
        if not added:
            return window
        before, after = self.pads(window)
        first = min(
            range(added + 1), key=lambda n: abs(before + n * step - after - (added - n) * step)
        )
        return Window(
            window.phases,
            window.start - first * step,
            step,
            tuple((None,) * first + taps + (None,) * (added - first) for taps in window.taps),
        )

    def issued(self) -> int:
        """Taps issued over the whole axis, per channel pair."""
        return (known(self.axis.n) + self.surplus) * self.taps


@lru_cache(maxsize=512)
def plan_axis(axis: Axis, form: str, *, last: bool = True) -> AxisPlan:
    """Split one axis in a form; `last` marks the innermost axis, which "rows" stacks.

    Besides the forms of `splitdeconv.plan` there is "extended": "split" with each phase
    zero-extended to ceil(k/s) taps in its own window, for processors whose filters must have equal
    sizes.
    """
    if form in ("nzp", "native"):
        # Zero insertion is a longer input under a kernel of stride 1. Its only phase is the whole
        # output.
        size = None if axis.n is None else axis.n * axis.s
        return plan_axis(Axis(n=size, k=axis.k, s=1, d=axis.d, p=axis.p, tail=axis.tail), "split")
    if form == "paper":
        return AxisPlan(axis, axis.p % axis.s, _windows(axis, axis.p % axis.s, extend=True))
    if form == "extended":
        return AxisPlan(axis, 0, _windows(axis, 0, extend=True))
    if form == "split" or (form == "rows" and not last):
        return AxisPlan(axis, 0, _windows(axis, 0))
    if form not in ("rows", "stacked"):
        raise ValueError(f"no split of an axis is known for the form {form!r}")
    # "rows" keeps a = 0, so that its result needs no crop; "stacked" takes the alignment that
    # issues fewer taps.
    stacked = stacked_ways(axis)[: 1 if form == "rows" else None]
    return min(stacked, key=lambda split: split.taps if axis.n is None else split.issued())


def stacked_ways(axis: Axis) -> tuple[AxisPlan, AxisPlan]:
    """An axis with all phases in one window: without a crop, and in the alignment of "paper"."""
    return _stacked(axis, 0), _stacked(axis, axis.p % axis.s)


def plan_alone(axes: tuple[Axis, ...]) -> tuple[AxisPlan, ...] | None:
    """The form "stacked" of a map of one element, without padding that would be multiplied.

    The outputs of a single input do not overlap, whatever the stride is: it may be that of the
    longest kernel, and every phase then has one tap. Such a plan holds for maps of that size only.

    Returns:
        A plan for each axis; None for larger maps, and where there would be more phases than a plan
        may have.
    """
    step = max(axis.k_e for axis in axes)
    if any(axis.n != 1 for axis in axes) or step ** len(axes) > MOST_PHASES:
        return None
    alike = (
        Axis(n=1, k=axis.k, s=step, d=axis.d, p=axis.p, tail=known(axis.o) - step) for axis in axes
    )
    return tuple(plan_axis(axis, "stacked") for axis in alike)


def _stacked(axis: Axis, alignment: int) -> AxisPlan:
    return AxisPlan(axis, alignment, (_union(_windows(axis, alignment)),))


def _windows(axis: Axis, alignment: int, *, extend: bool = False) -> tuple[Window, ...]:
    """One window per phase, trimmed to its real taps or zero-extended to the longest phase's."""
    g = gcd(axis.d, axis.s)
    S, D = axis.s // g, axis.d // g
    inverse = pow(D, -1, S) if S > 1 else 0
    longest = -(-axis.k // S)
    windows = []
    for r in range(axis.s):
        t = r - alignment + axis.p
        u0 = t // g * inverse % S
        count = 0 if t % g else max(0, -((u0 - axis.k) // S))
        length = longest if extend and not t % g else count
        # A convolution reads its window forwards while the taps run backwards, hence the reversal.
        taps = tuple(u0 + S * j if j < count else None for j in reversed(range(length)))
        start = (t - axis.d * u0) // axis.s - D * (length - 1) if length else 0
        windows.append(Window((r,), start, D if length > 1 else 1, (taps,)))
    return tuple(windows)


def _union(windows: Sequence[Window]) -> Window:
    """One window that serves all phases, from the first input any of them reads to the last."""
    real = [w for w in windows if w.length]
    start, stop = min(w.start for w in real), max(w.stop for w in real)
    # The widest step that meets every read.
    dilation = (
        gcd(*(w.start - start for w in real), *(w.dilation for w in real if w.length > 1)) or 1
    )
    taps = []
    for window in windows:
        reads = {window.start + m * window.dilation: tap for m, tap in enumerate(window.taps[0])}
        taps.append(tuple(reads.get(i) for i in range(start, stop + 1, dilation)))
    return Window(tuple(w.phases[0] for w in windows), start, dilation, tuple(taps))
