"""What is found in a model, what is decided about it, and what came of it: the records every format shares."""

from dataclasses import dataclass

from ..geometry import Axis
from ..plan import SplitPlan

SCHEMA_VERSION = 1
COUNTS = ("useful", "exact", "nzp", "split", "rows", "stacked", "paper")


@dataclass(frozen=True)
class Site:
    """One transposed convolution found in a model.

    Args:
        name: as the file names it.
        operator: the file's own word: "TRANSPOSE_CONV", "Convolution2DTransposeBias", "ConvTranspose", ...
        axes: the geometry per spatial axis, ``n`` None where dynamic; None where it cannot be told.
        groups: channel groups.
        in_channels, out_channels: totals over the groups; None where unknown.
        dtype: "float32", "float16", "int8", "int16x8", "uint8", ...
        batch: images per run; None where dynamic.
        problem: why it cannot be converted, in a user's words; None if it can.
        key: the format's own handle; no part of the record.
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
    key: object = None

    @property
    def geometry(self) -> str:
        """The axes in words: length, output length, kernel, stride, crop."""
        return "unknown" if self.axes is None else ", ".join(map(str, self.axes))

    def macs(self) -> dict[str, int | None]:
        """Multiply-accumulates per image, as `SplitPlan.macs` counts them; None for each that cannot be counted."""
        known = self.axes is not None and None not in (self.in_channels, self.out_channels)
        if not known or any(axis.n is None for axis in self.axes):
            return dict.fromkeys(COUNTS)
        return SplitPlan(self.axes, self.groups, "split").macs(self.in_channels, self.out_channels)


@dataclass(frozen=True)
class Decision:
    """What is to happen to one site.

    Args:
        site: the transposed convolution.
        verdict: "convert", "leave" (the target runs it better as it is, or it was not asked for) or "refuse".
        form: "split", "rows" or "stacked" when converting, else None.
        interleave: "concat", "depth_to_space" or "transpose" when converting, else None.
        reason: why, in words.
    """

    site: Site
    verdict: str
    form: str | None
    interleave: str | None
    reason: str
