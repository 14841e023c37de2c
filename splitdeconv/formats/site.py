"""The transposed convolutions of a model and the decision about each, for all formats."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..core.forms import COUNTS, FILE_FORMS
from ..core.geometry import Axis
from ..core.kernels import Kernels, Padding, padding
from ..core.plan import SplitPlan
from ..errors import SplitDeconvError

_Part = TypeVar("_Part")

#: Element types of a site, activations x weights where these differ.
DTYPES = (
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "int8",
    "uint8",
    "int16x8",
    "float32x8",
)


@dataclass(frozen=True)
class Folded:
    """An operator behind a transposed convolution that the rewritten one takes over.

    Args:
        operator: its kind.
        name: its name in the file, or that of its result.
        moved: whether it follows each convolution instead of becoming part of filters and bias.
    """

    operator: str
    name: str
    moved: bool = False


@dataclass(frozen=True)
class Site:
    """One transposed convolution found in a model.

    Args:
        name: its name in the file.
        operator: the operator name in the file, such as "TRANSPOSE_CONV" or "ConvTranspose".
        axes: the geometry per spatial axis, with ``n`` None where dynamic; None if unknown.
        groups: channel groups.
        in_channels, out_channels: totals over all groups; None if unknown.
        dtype: one of `DTYPES`; the name of another type where it cannot be converted.
        batch: images per run; None where dynamic.
        problem: why it cannot be converted, as text for the user; None if it can be.
        interleaves: the operators that can interleave its phases in this format, best first.
        key: the format's own handle, which is not part of the record.
        bound: why the converted model will only run at the declared spatial sizes, as text for the
            user; None if it runs at every size at which the original runs.
        counts: multiply-accumulates per image by form, where the operators of the format execute
            more of them than the plan states.
        computes: the type of its sums where the stored filters have another one, which is converted
            before use; empty where it is that of `dtype`.
        foldable: the operators behind it that the rewritten convolutions can take over, in order.
    """

    name: str
    operator: str
    axes: tuple[Axis, ...] | None
    groups: int
    in_channels: int | None
    out_channels: int | None
    dtype: str
    batch: int | None = 1
    problem: str | None = None
    key: Any = field(default=None, compare=False, repr=False)
    interleaves: tuple[str, ...] = ("concat", "depth_to_space", "transpose")
    bound: str | None = None
    counts: dict[str, int | None] = field(default_factory=dict, compare=False, repr=False)
    computes: str = field(default="", compare=False, repr=False)
    foldable: tuple[Folded, ...] = field(default=(), compare=False, repr=False)

    @property
    def geometry(self) -> str:
        """The axes as text: length, output length, kernel, stride, crop."""
        return "unknown" if self.axes is None else ", ".join(map(str, self.axes))

    @property
    def known_axes(self) -> tuple[Axis, ...]:
        """The axes, where the caller needs them to be known."""
        return self._known(self.axes, "geometry")

    @property
    def known_channels(self) -> tuple[int, int]:
        """Input and output channels, where the caller needs them to be known."""
        return (
            self._known(self.in_channels, "number of input channels"),
            self._known(self.out_channels, "number of output channels"),
        )

    @property
    def unsized(self) -> str | None:
        """Why its cost is not known in advance; None if its lengths and channels are known."""
        lengths = [axis.n for axis in self.known_axes]
        if None in (self.in_channels, self.out_channels, *lengths):
            return "its sizes are only known at run time (--input-shape fixes them)"
        return None

    @property
    def is_dynamic(self) -> bool:
        """Whether the batch or a length is only known at run time."""
        return self.batch is None or any(axis.n is None for axis in self.axes or ())

    def _known(self, part: _Part | None, what: str) -> _Part:
        if part is None:
            raise SplitDeconvError(
                f"this needs the {what} of the operator",
                where=self.name,
                expected=f"a known {what}",
                got=self.problem or "None",
            )
        return part

    def macs(self, kernels: Kernels | None = None) -> dict[str, int | None]:
        """Multiply-accumulates per image, from `counts` or else from `SplitPlan.macs`.

        None for each count that is unknown, and for forms with taps that no accepted kernel holds.

        Args:
            kernels: the sizes to which the forms of a file pad their taps; None for any size.
        """
        axes, c_in, c_out = self.axes, self.in_channels, self.out_channels
        if axes is None or c_in is None or c_out is None or any(axis.n is None for axis in axes):
            return dict.fromkeys(COUNTS)
        counts: dict[str, int | None] = {**SplitPlan(axes, self.groups, "split").macs(c_in, c_out)}
        for form in FILE_FORMS if kernels is not None else ():
            plan = SplitPlan(axes, self.groups, form, kernels)
            counts[form] = plan.macs(c_in, c_out)[form] if plan.unfit is None else None
        return counts | self.counts


@dataclass(frozen=True)
class Decision:
    """The decision about one site.

    Args:
        site: the transposed convolution.
        verdict: "convert", "leave" (faster unchanged on the target, or not selected) or "refuse".
        form: "split", "rows" or "stacked" when converting, else None.
        interleave: "concat", "depth_to_space", "batch_to_space" or "transpose" when converting,
            else None.
        reason: the reason, as text for the user.
        folded: those of the site's `foldable` operators that are taken over: all or none.
        kernels: the sizes to which the taps of its convolutions are zero-padded; None for any size.
    """

    site: Site
    verdict: str
    form: str | None
    interleave: str | None
    reason: str
    folded: tuple[Folded, ...] = ()
    kernels: Kernels | None = None

    @property
    def padding(self) -> Padding | None:
        """What the padding of the taps costs; None if none is padded or nothing is converted."""
        if self.form is None or self.kernels is None:
            return None
        return padding(self.plan)

    @property
    def plan(self) -> SplitPlan:
        """The plan by which the site is converted."""
        return SplitPlan(
            self.site.known_axes, self.site.groups, self.form or "native", self.kernels
        )

    def row(self) -> dict[str, Any]:
        """One flat record with the columns of `inspect`."""
        site, padded = self.site, self.padding
        return {
            "name": site.name,
            "operator": site.operator,
            "geometry": site.geometry,
            "groups": site.groups,
            "in_channels": site.in_channels,
            "out_channels": site.out_channels,
            "dtype": site.dtype,
            "batch": site.batch,
            **site.macs(self.kernels),
            "verdict": self.verdict,
            "form": self.form,
            "interleave": self.interleave,
            "padded_taps": None if padded is None else str(padded),
            "padding_cost": None if padded is None else padded.cost,
            "reason": self.reason,
        }


def tally(operators: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The number of operators by name, from (name, version) pairs."""
    return dict(sorted(Counter(name for name, _ in operators).items()))
