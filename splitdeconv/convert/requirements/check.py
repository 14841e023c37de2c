"""Whether a target accepts a transposed convolution in a form, and the limit that it exceeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING

from ...core.kernels import named
from ...formats.site import Site
from .records import Requirements, Span, kernels_of

if TYPE_CHECKING:
    from ...core.plan import SplitPlan
    from .records import Convolution, Tensors

#: Filters of int8 with activations of float32, whose kernels need filters of other sizes already.
_HYBRID = "float32x8"
#: Interleaves that put the results of all convolutions side by side on the channels.
_ON_CHANNELS = ("depth_to_space", "transpose")


def objection(accepts: Requirements, site: Site, plan: SplitPlan, interleave: str) -> str | None:
    """The first limit that a converted site would exceed, with its source; None if there is none.

    Args:
        accepts: what the target accepts.
        site: a transposed convolution of known geometry.
        plan: the plan by which it would be converted, with the kernels of `accepts`.
        interleave: one of `splitdeconv.core.forms.FILE_INTERLEAVES`.
    """
    return next(_objections(accepts, site, plan, interleave), None)


def native_objection(accepts: Requirements, site: Site) -> str | None:
    """Why the target does not run the transposed convolution itself; None if nothing is known.

    Args:
        accepts: what the target accepts.
        site: a transposed convolution of known geometry.
    """
    limit, axes = accepts.transposed, site.known_axes
    if limit is None:
        return None
    kernel = tuple(axis.k for axis in axes)
    if limit.kernels != "unknown":
        kernels = kernels_of(limit.kernels)
        if kernels.holding(kernel) != kernel:
            sizes = limit.kernels if isinstance(limit.kernels, Span) else kernels
            return f"its kernels are {sizes}, not {named(kernel)} ({limit.source})"
    scaled = (axis.n * axis.s for axis in axes if axis.n is not None)
    checks: tuple[tuple[str, Sequence[int] | Span | str, Iterable[int]], ...] = (
        ("strides", limit.strides, (axis.s for axis in axes)),
        ("dilations", limit.dilations, (axis.d for axis in axes)),
        ("groups", limit.groups, (site.groups,)),
        ("products of the strides", limit.stride_product, (prod(axis.s for axis in axes),)),
        ("input lengths times strides", limit.scaled, scaled),
    )
    reasons = (_beyond(what, accepted, values) for what, accepted, values in checks)
    reason = next(filter(None, reasons), None)
    return None if reason is None else f"{reason} ({limit.source})"


def _objections(
    accepts: Requirements, site: Site, plan: SplitPlan, interleave: str
) -> Iterator[str]:
    if (convolution := accepts.convolution) is not None:
        yield from _cited(convolution.source, _convolution(convolution, site, plan))
    if (joins := accepts.concatenation) is not None and joins.channels != "unknown":
        widths = _joined(site, plan, interleave)
        yield from _cited(joins.source, [_uneven("concatenated channels", joins.channels, widths)])
    space, interleaved = accepts.depth_to_space, max(plan.phase_counts) > 1
    if space is not None and interleave == "depth_to_space" and interleaved:
        yield from _cited(space.source, [_beyond("blocks", space.blocks, plan.phase_counts)])
    if (tensors := accepts.tensors) is not None:
        yield from _cited(tensors.source, _tensors(tensors, site, plan))


def _cited(source: str, reasons: Iterable[str | None]) -> Iterator[str]:
    yield from (f"{reason} ({source})" for reason in reasons if reason is not None)


def _convolution(limit: Convolution, site: Site, plan: SplitPlan) -> Iterator[str | None]:
    if plan.kernels is not None and site.dtype == _HYBRID:
        yield "int8 filters of float32 activations are not padded to its kernels"
    if plan.unfit is not None:
        sizes = limit.kernels if isinstance(limit.kernels, Span) else plan.kernels
        yield f"its kernels are {sizes}, which do not hold {named(plan.unfit)} taps of a phase"
        return
    made = [one for one in plan.convolutions if 0 not in one.kernel_size]
    yield _beyond("strides", limit.strides, (1,))
    yield _beyond("dilations", limit.dilations, (n for one in made for n in one.dilations))
    yield _beyond("groups", limit.groups, (site.groups,))
    if limit.channels != "unknown":
        results = (len(one.phases) * (site.out_channels or 0) for one in made)
        yield _uneven("channels", limit.channels, (site.in_channels or 0, *results))


def _joined(site: Site, plan: SplitPlan, interleave: str) -> Iterator[int]:
    """The channels of each result that is concatenated with others along the channels.

    For "concat" these are the phases of a row, as .tflite files join them. An unknown number is 0,
    which is a multiple of every number.
    """
    channels = site.out_channels or 0
    several = len(plan.convolutions) > 1
    if interleave == "concat":
        several = several and len(plan.convolutions[0].windows[-1].phases) < plan.phase_counts[-1]
        yield from (channels for _ in range(several))
    elif interleave in _ON_CHANNELS and several:
        yield from (len(one.phases) * channels for one in plan.convolutions)


def _tensors(limit: Tensors, site: Site, plan: SplitPlan) -> Iterator[str | None]:
    """Of the inputs of the convolutions, and the interleaved output; open lengths are left out."""
    made = [one for one in plan.convolutions if 0 not in one.kernel_size]
    inputs = [
        [
            axis.n + max(before, 0) + max(after, 0)
            for axis, (before, after) in zip(plan.axes, one.pads, strict=True)
            if axis.n is not None
        ]
        for one in made
    ]
    output = [split.blocks * split.axis.s for split in plan.axis_plans if split.axis.n is not None]
    yield _beyond("tensor lengths", limit.lengths, (n for one in (*inputs, output) for n in one))
    if limit.elements == "unknown" or len(output) < len(plan.axes):
        return
    most = max(prod(one) * (site.in_channels or 0) for one in inputs)
    most = (site.batch or 1) * max(most, prod(output) * (site.out_channels or 0))
    if most > limit.elements:
        yield f"its tensors have up to {limit.elements:,} elements, not {most:,}"


def _uneven(what: str, factor: int, values: Iterable[int]) -> str | None:
    """The statement that a number is not a multiple of `factor`; None if all are."""
    odd = next((value for value in values if value % factor), None)
    return None if odd is None else f"its {what} are multiples of {factor}, not {odd}"


def _beyond(what: str, accepted: Sequence[int] | Span | str, values: Iterable[int]) -> str | None:
    """The statement that a value is not accepted; None if all are, or nothing is known."""
    if isinstance(accepted, str):
        return None
    odd = next((value for value in values if value not in accepted), None)
    if odd is None:
        return None
    known = accepted if isinstance(accepted, Span) else ", ".join(map(str, accepted))
    return f"its {what} are {known}, not {odd}"
