"""One layer that multiplies, as a record of its sizes: what every table of layers is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from .geometry import Axis, effective_kernel, known
from .plan import SplitPlan, plan

#: The columns of a table of layers, in the order in which readers see them.
COLUMNS: list[str] = [
    "name",
    "kind",
    "in_h",
    "in_w",
    "c_in",
    "c_out",
    "k_h",
    "k_w",
    "stride_h",
    "stride_w",
    "dilation_h",
    "dilation_w",
    "groups",
    "padding",
    "out_h",
    "out_w",
    "macs",
    "before_h",
    "before_w",
    "end_h",
    "end_w",
]
_TEXTS = ("name", "kind", "padding")


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution, transposed convolution or dense layer; a missing axis has lengths of 1.

    Args:
        name: as the model has it.
        kind: "conv", "deconv" or "dense".
        in_h, in_w: the input.
        c_in, c_out: channels of all groups.
        k_h, k_w: the kernel.
        stride_h, stride_w: the stride.
        dilation_h, dilation_w: the dilation of the kernel.
        groups: channel groups.
        padding: "SAME", "VALID", "EXPLICIT" where `before_h` to `end_w` alone say it, or empty for
            dense layers.
        out_h, out_w: the output.
        before_h, before_w, end_h, end_w: the outputs that a transposed convolution crops, or the
            zeros that an "EXPLICIT" convolution adds.
    """

    name: str
    kind: str
    in_h: int
    in_w: int
    c_in: int
    c_out: int
    k_h: int
    k_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    groups: int
    padding: str
    out_h: int
    out_w: int
    before_h: int = 0
    before_w: int = 0
    end_h: int = 0
    end_w: int = 0

    @classmethod
    def from_lengths(
        cls,
        name: str,
        kind: str,
        sizes: Sequence[int],
        channels: tuple[int, int],
        *,
        kernel: Sequence[int] = (1, 1),
        strides: Sequence[int] = (1, 1),
        dilations: Sequence[int] = (1, 1),
        groups: int = 1,
        padding: str = "",
        outputs: Sequence[int] | None = None,
        before: Sequence[int] = (0, 0),
        end: Sequence[int] = (0, 0),
    ) -> Layer:
        """A layer from its lengths along one or two axes; what it has one of is its width.

        Args:
            name, kind, groups, padding: as of `Layer`.
            sizes: of the input.
            channels: of the input and of the output.
            kernel, strides, dilations: of the window.
            outputs: lengths of the output; by default what a convolution's sizes and padding give.
            before, end: padding in numbers.
        """
        lengths = {
            "in": _pair(sizes, 1),
            "k": _pair(kernel, 1),
            "stride": _pair(strides, 1),
            "dilation": _pair(dilations, 1),
            "before": _pair(before, 0),
            "end": _pair(end, 0),
        }
        if outputs is None:
            rows = zip(*lengths.values(), strict=True)
            outputs = [_convolved(*row, same=padding == "SAME") for row in rows]
        lengths["out"] = _pair(outputs, 1)
        sides = {
            f"{name}_{side}": pair[i]
            for name, pair in lengths.items()
            for i, side in enumerate("hw")
        }
        c_in, c_out = map(int, channels)
        counts = {"c_in": c_in, "c_out": c_out, "groups": int(groups)}
        return cls(name=name, kind=kind, padding=padding, **counts, **sides)

    @classmethod
    def from_axes(
        cls,
        name: str,
        axes: Sequence[Axis],
        channels: tuple[int, int],
        *,
        groups: int = 1,
        padding: str = "EXPLICIT",
    ) -> Layer:
        """A transposed convolution of one or two axes of known length.

        Args:
            name, groups, padding: as of `Layer`.
            axes: its geometry.
            channels: of the input and of the output.

        Raises:
            SplitDeconvError: a length is not known.
        """
        return cls.from_lengths(
            name,
            "deconv",
            [known(axis.n) for axis in axes],
            channels,
            kernel=[axis.k for axis in axes],
            strides=[axis.s for axis in axes],
            dilations=[axis.d for axis in axes],
            groups=groups,
            padding=padding,
            outputs=[known(axis.o) for axis in axes],
            before=[axis.p for axis in axes],
            end=[axis.end for axis in axes],
        )

    @classmethod
    def from_row(cls, row: Any) -> Layer:
        """A layer from a row of a table: a mapping, or what `DataFrame.itertuples` yields."""
        names = [field.name for field in fields(cls)]
        values = row if isinstance(row, Mapping) else {name: getattr(row, name) for name in names}
        sizes: dict[str, Any] = {name: int(values[name]) for name in names if name not in _TEXTS}
        return cls(**sizes, **{name: values[name] for name in _TEXTS})

    @property
    def macs(self) -> int:
        """Useful multiply-accumulates per image: positions times taps times pairs of channels.

        The positions are a transposed convolution's inputs and any other layer's outputs.
        """
        positions = self.in_h * self.in_w if self.kind == "deconv" else self.out_h * self.out_w
        return positions * self.k_h * self.k_w * self.c_in * self.c_out // self.groups

    def plan(self, form: str = "split") -> SplitPlan:
        """The plan of a transposed convolution in a form of `splitdeconv.plan`.

        Raises:
            SplitDeconvError: an unknown form, or sizes that do not fit each other.
        """
        return plan(
            (self.in_h, self.in_w),
            (self.k_h, self.k_w),
            (self.stride_h, self.stride_w),
            ((self.before_h, self.end_h), (self.before_w, self.end_w)),
            output_shape=(self.out_h, self.out_w),
            dilations=(self.dilation_h, self.dilation_w),
            groups=self.groups,
            form=form,
        )

    def row(self) -> dict[str, Any]:
        """The layer as a row of a table, by `COLUMNS`."""
        return {column: getattr(self, column) for column in COLUMNS}


def _pair(values: Sequence[int], missing: int) -> tuple[int, int]:
    """Lengths along height and width; of one axis, that is the width."""
    height, width = (*[missing] * (2 - len(values)), *map(int, values))
    return height, width


def _convolved(n: int, k: int, s: int, d: int, before: int, end: int, *, same: bool) -> int:
    """The outputs of a convolution along one axis."""
    if same:
        return -(-n // s)
    return (n + before + end - effective_kernel(k, d)) // s + 1
