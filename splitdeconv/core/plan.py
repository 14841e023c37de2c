"""Plan a transposed convolution as stride-1 convolutions and an interleave: pure geometry.

Split deconvolution (Xu et al., arXiv 1907.01773) is separable: `splitdeconv.core.phases` splits
each axis, and a plan is the product of the axes. The phases' results, interleaved, are the
transposed convolution; nothing is approximated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import prod

from ..errors import SplitDeconvError, check_choice
from .arguments import positive
from .convolutions import Convolution, convolutions_of, issued
from .describe import describe, exact_taps
from .forms import COUNTED_FORMS, FORMS
from .geometry import Axis, check_phases, known, resolve
from .kernels import Kernels, named
from .phases import AxisPlan, plan_alone, plan_axis, stacked_ways
from .typing import OptionalPerAxis, Padding, PerAxis


@dataclass(frozen=True)
class SplitPlan:
    """A transposed convolution of one geometry, planned in one form.

    Made by `plan`; immutable; prints as a summary.

    Args:
        axes: the geometry per spatial axis.
        groups: channel groups.
        form: "split", "rows", "stacked", "paper", "nzp" or "native".
        kernels: the sizes to which the taps of the convolutions are zero-padded; None for any size.

    Example:
        >>> import splitdeconv as sd
        >>> plan = sd.plan((16, 16), 5, 2)
        >>> len(plan.phases), plan.output_shape
        (4, (32, 32))
        >>> plan.macs(in_channels=128, out_channels=64)["paper"]
        85229568
    """

    axes: tuple[Axis, ...]
    groups: int
    form: str
    kernels: Kernels | None = None

    def __post_init__(self) -> None:
        check_phases(self.axes)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Spatial output lengths, None where the input's is not known."""
        return tuple(axis.o for axis in self.axes)

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride of each axis."""
        return tuple(axis.s for axis in self.axes)

    @property
    def phase_counts(self) -> tuple[int, ...]:
        """Phases per axis: the stride.

        They are 1 where the form inserts zeros instead ("nzp") or splits nothing ("native"), and
        the longest kernel where the plan is `fixed`.
        """
        return tuple(plan.axis.s for plan in self.axis_plans)

    @property
    def insertion(self) -> tuple[int, ...]:
        """Spacing of the input among zeros before convolving: the stride for "nzp", else 1."""
        return tuple(axis.s if self.form == "nzp" else 1 for axis in self.axes)

    @cached_property
    def axis_plans(self) -> tuple[AxisPlan, ...]:
        """The split of each axis; of the zero-inserted axis for "nzp"."""
        last = len(self.axes) - 1
        plans = tuple(
            plan_axis(axis, self.form, last=index == last) for index, axis in enumerate(self.axes)
        )
        if self.form != "stacked":
            return plans
        alone = plan_alone(self.axes)
        if self.kernels is None:
            return alone if alone and _issued(alone) < _issued(plans) else plans
        # Padded, the other alignment may issue fewer taps.
        ways = [plans, *([alone] if alone else []), *product(*map(stacked_ways, self.axes))]
        made = [(way, convolutions_of(way, self.kernels)) for way in ways]
        fitting = [pair for pair in made if self._unfit(pair[1]) is None]
        return min(fitting, key=lambda pair: issued(*pair), default=(plans, ()))[0]

    @property
    def fixed(self) -> bool:
        """Whether the plan is valid only for its input lengths, of one element."""
        return self.form == "stacked" and any(
            p.axis != axis for p, axis in zip(self.axis_plans, self.axes, strict=True)
        )

    @cached_property
    def convolutions(self) -> tuple[Convolution, ...]:
        """The stride-1 convolutions, leading axes' windows slowest; none for "native"."""
        if self.form == "native":
            return ()
        made = convolutions_of(self.axis_plans, self.kernels)
        unfit = self._unfit(made)
        if unfit is not None:
            raise SplitDeconvError(
                f"no accepted kernel holds the {named(unfit)} taps of a phase",
                where=f"form {self.form}",
                expected=f"kernels of size {self.kernels}",
                got=named(unfit),
                fix="choose another form, or keep the transposed convolution",
            )
        return made

    @property
    def unfit(self) -> tuple[int, ...] | None:
        """The taps of the first convolution that no accepted kernel holds; None if all fit."""
        return self._unfit(convolutions_of(self.axis_plans, self.kernels))

    def _unfit(self, convolutions: Sequence[Convolution]) -> tuple[int, ...] | None:
        kernels, sizes = self.kernels, (made.kernel_size for made in convolutions)
        if kernels is None:
            return None
        return next((s for s in sizes if 0 not in s and kernels.holding(s) != s), None)

    @property
    def extended(self) -> bool:
        """Whether some phases are extended by zeros: a tap of None."""
        windows = (window for made in self.convolutions for window in made.windows)
        return any(None in taps for window in windows for taps in window.taps)

    @property
    def bare(self) -> "SplitPlan":
        """The same plan without the padding of its taps."""
        return SplitPlan(self.axes, self.groups, self.form)

    @property
    def issued(self) -> int:
        """Taps issued per channel pair; along an axis of open length, per block of outputs."""
        return issued(self.axis_plans, self.convolutions)

    @cached_property
    def phases(self) -> tuple[Convolution, ...]:
        """Every output phase separately, of its real taps, row-major, as in the form "split"."""
        return SplitPlan(self.axes, self.groups, "split").convolutions

    @property
    def crop(self) -> tuple[tuple[int, int], ...]:
        """Interleaved outputs dropped at the start and end of each axis."""
        return tuple(p.crop for p in self.axis_plans)

    def macs(self, in_channels: int, out_channels: int) -> dict[str, int]:
        """Multiply-accumulates per image, by way of counting.

        Args:
            in_channels, out_channels: channels of the transposed convolution's input and output.

        Returns:
            "useful": ``n * k`` per axis, the paper's count; "exact": taps that touch a real input
            and a kept output;
            and what each form issues: "nzp", "split", "rows", "stacked", "paper". Only the count of
            the plan's own form includes the padding of its taps.

        Raises:
            SplitDeconvError: the input size is not known, or the groups do not divide the channels.
        """
        if None in self.output_shape:
            raise SplitDeconvError(
                "operations cannot be counted without the input size",
                where="input_shape",
                expected="known spatial lengths",
                got=f"input_shape={tuple(axis.n for axis in self.axes)}",
                fix="plan again with the lengths of interest",
            )
        cin, cout = positive(in_channels, "in_channels"), positive(out_channels, "out_channels")
        if cin % self.groups or cout % self.groups:
            raise SplitDeconvError(
                "the groups do not divide the channels",
                where="in_channels, out_channels",
                expected=f"multiples of {self.groups}",
                got=f"in_channels={cin}, out_channels={cout}",
            )
        pairs = cin * cout // self.groups
        counts = {
            "useful": prod(known(axis.n) * axis.k for axis in self.axes),
            "exact": prod(exact_taps(axis) for axis in self.axes),
        }
        for form in COUNTED_FORMS:
            counts[form] = _issued(SplitPlan(self.axes, self.groups, form).axis_plans)
        if self.kernels is not None and self.form in counts:
            counts[self.form] = self.issued
        return {name: count * pairs for name, count in counts.items()}

    def __str__(self) -> str:
        return describe(self)


def plan(
    input_shape: Sequence[int | None],
    kernel_size: PerAxis,
    strides: PerAxis = 1,
    padding: Padding = "SAME",
    output_shape: OptionalPerAxis = None,
    output_padding: OptionalPerAxis = None,
    dilations: PerAxis = 1,
    groups: int = 1,
    form: str = "split",
    pad_to: Sequence[int | Sequence[int]] | None = None,
) -> SplitPlan:
    """Plan a 1-D, 2-D or 3-D transposed convolution.

    Args:
        input_shape: spatial input lengths, such as (16, 16); None entries where unknown (default
            output size only).
        kernel_size, strides, dilations: an int, or one per dimension.
        padding: "SAME", "VALID", or ``[(before, end), ...]`` crops of the full output, one pair per
            dimension.
        output_shape: spatial output lengths; None for the default.
        output_padding: lengthens the output as in Keras, PyTorch and ONNX; excludes `output_shape`.
        groups: channel groups.
        form: "split": one convolution per phase, trimmed to its real taps; "rows": the last axis'
            phases stacked on the output channels; "stacked": all phases in one convolution;
            "paper": one convolution per phase, each zero-extended to ceil(k/s) taps, and a crop;
            "nzp": one convolution over the zero-inserted input, the baseline; "native": the
            framework's own operator.
        pad_to: the kernel sizes to which the taps of the convolutions are zero-padded: lengths, of
            which every axis has one, or whole kernels such as (3, 3); None for any size.

    Returns:
        A `SplitPlan`; equal arguments give the same object.

    Raises:
        SplitDeconvError: for an unknown form or an illegal geometry, with the legal range.

    Example:
        >>> import splitdeconv as sd
        >>> plan = sd.plan((16, 16), 5, 2)
        >>> plan.output_shape
        (32, 32)
        >>> plan.macs(in_channels=128, out_channels=64)["nzp"] / plan.macs(128, 64)["split"]
        4.0
        >>> padded = sd.plan((16, 16), 4, 2, pad_to=(1, 3, 5))
        >>> padded.phases[0].kernel_size, padded.convolutions[0].kernel_size
        ((2, 2), (3, 3))
    """
    check_choice(form, FORMS, "form")
    groups = positive(groups, "groups")
    axes = resolve(
        input_shape, kernel_size, strides, padding, output_shape, output_padding, dilations
    )
    return _cached(axes, groups, form, None if pad_to is None else Kernels.of(pad_to, "pad_to"))


@lru_cache(maxsize=512)
def _cached(axes: tuple[Axis, ...], groups: int, form: str, kernels: Kernels | None) -> SplitPlan:
    return SplitPlan(axes, groups, form, kernels)


def with_form(planned: SplitPlan, out_channels: int) -> SplitPlan:
    """The same geometry in the form that `auto_form` chooses.

    Args:
        planned: a plan of any form.
        out_channels: channels of the output, all groups together.
    """
    form = auto_form(planned.axes, out_channels, planned.groups)
    return _cached(planned.axes, planned.groups, form, planned.kernels)


def auto_form(axes: tuple[Axis, ...], out_channels: int, groups: int = 1) -> str:
    """The default form: few operations in few convolutions, and little data movement.

    "stacked" on a map of one element, where the kernels of "split" would multiply padding
    (`plan_alone`). From stride 8 on, "split" needs too many convolutions. If only one axis is
    strided, "stacked" replaces them by one convolution, which issues more taps only at the border;
    if several are, the form is "rows". "stacked" is also used where every kernel equals its stride
    and nothing is cropped, because one convolution then wastes no tap, and for up to four output
    channels, which would leave a convolution's inner loop almost empty. Otherwise the form is
    "split", as it is for groups, whose stacked channels would need a transpose.
    `benchmarks/measure_forms.py` times the forms that this rule chooses between.
    """
    if groups > 1:
        return "split"
    alone = plan_alone(axes)
    if alone and _issued(alone) < _issued(SplitPlan(axes, groups, "split").axis_plans):
        return "stacked"
    if max(axis.s for axis in axes) >= 8:
        return "stacked" if sum(axis.s > 1 for axis in axes) == 1 else "rows"
    whole = all(axis.k == axis.s and axis.d == 1 and axis.p == 0 for axis in axes)
    return "stacked" if whole or out_channels <= 4 else "split"


def _issued(axis_plans: Sequence[AxisPlan]) -> int:
    """Taps issued over all axes, per channel pair."""
    return prod(split.issued() for split in axis_plans)
