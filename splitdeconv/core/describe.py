"""The description of a plan: exact tap counts, and the text that `print(plan)` shows."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Protocol

from .geometry import Axis, known
from .phases import Window

Pairs = Sequence[tuple[int, int]]


class Part(Protocol):
    """What the description reads of a convolution."""

    @property
    def windows(self) -> Sequence[Window]: ...
    @property
    def pads(self) -> Pairs: ...
    @property
    def kernel_size(self) -> Sequence[int]: ...
    @property
    def dilations(self) -> Sequence[int]: ...


class Planned(Protocol):
    """What the description reads of a plan, which prints itself with this module."""

    @property
    def axes(self) -> Sequence[Axis]: ...
    @property
    def form(self) -> str: ...
    @property
    def groups(self) -> int: ...
    @property
    def crop(self) -> Pairs: ...
    @property
    def insertion(self) -> Sequence[int]: ...
    @property
    def phase_counts(self) -> Sequence[int]: ...
    @property
    def convolutions(self) -> Sequence[Part]: ...
    @property
    def output_shape(self) -> Sequence[int | None]: ...

    def macs(self, in_channels: int, out_channels: int) -> Mapping[str, int]: ...


def exact_taps(axis: Axis) -> int:
    """Pairs of an input and a tap whose product lands inside the output, along one axis.

    The structural count: taps on padding, on inserted zeros and on cropped outputs are left out.
    """
    count, inputs, outputs = 0, known(axis.n), known(axis.o)
    for u in range(axis.k):
        # Input i lands on i*s + d*u - p, which is to lie in 0 .. o - 1.
        shift = axis.p - axis.d * u
        first, last = max(0, -(-shift // axis.s)), min(inputs - 1, (outputs - 1 + shift) // axis.s)
        count += max(0, last - first + 1)
    return count


def describe(plan: Planned) -> str:
    """The printable account of a plan: geometry, convolutions, pads, crop, operations."""
    groups = f", {plan.groups} groups" if plan.groups > 1 else ""
    lines = [f"{len(plan.axes)}-D transposed convolution, form {plan.form}{groups}"]
    lines += [f"  axis {i}: {axis}" for i, axis in enumerate(plan.axes)]
    lines += _convolution_lines(plan)
    if any(map(any, plan.crop)):
        crops = " ".join(f"{start}:{end}" for start, end in plan.crop)
        lines.append(f"  crop after the interleave: {crops}")
    if None not in plan.output_shape:
        counts = plan.macs(plan.groups, plan.groups)
        useful = counts["useful"]
        lines.append("  multiply-accumulates per channel pair, and relative to useful:")
        lines.append(
            "    "
            + "  ".join(
                f"{name} {n // plan.groups:,} ({n / useful:.2f})" for name, n in counts.items()
            )
        )
    return "\n".join(lines)


def _convolution_lines(plan: Planned, most: int = 16) -> list[str]:
    """One line per convolution, the first `most` of them."""
    convolutions = plan.convolutions
    if not convolutions:
        return ["  the framework's own operator; nothing is split"]
    zeros = ""
    if max(plan.insertion) > 1:
        zeros = f" over the input with {'x'.join(map(str, plan.insertion))} zero insertion"
    phases, count = prod(plan.phase_counts), len(convolutions)
    lines = [f"  {phases} output phase(s) from {count} stride-1 convolution(s){zeros}:"]
    for convolution in convolutions[:most]:
        size = "x".join(map(str, convolution.kernel_size))
        if 0 in convolution.kernel_size:
            lines.append(f"    phase {_phases(convolution)}: empty, bias only")
            continue
        pads = " ".join(f"{before}:{after}" for before, after in convolution.pads)
        spread = ""
        if max(convolution.dilations) > 1:
            spread = f" dilation {'x'.join(map(str, convolution.dilations))}"
        lines.append(f"    phase {_phases(convolution)}: {size} taps{spread}, pad {pads}")
    if len(convolutions) > most:
        lines.append(f"    and {len(convolutions) - most} more")
    return lines


def _phases(convolution: Part) -> str:
    """Phases of one convolution, per axis: a number, or a range where several are stacked."""
    phases = [window.phases for window in convolution.windows]
    names = (str(some[0]) if len(some) == 1 else f"0-{some[-1]}" for some in phases)
    return "(" + ", ".join(names) + ")"
