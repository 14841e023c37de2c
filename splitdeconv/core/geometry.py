"""Every padding convention, reduced to one geometry per spatial axis.

The letters are those of the convolution-arithmetic report (Dumoulin and Visin, arXiv 1603.07285):
input length ``n``, kernel ``k``, stride ``s``, dilation ``d``, output length ``o``, and ``p``, how
many leading outputs are cropped. A transposed convolution along one axis is then

    y[q] = sum over i, u of x[i] * w[u]    with    i*s = q + p - d*u,  0 <= i < n,  0 <= u < k.

Frameworks differ only in how they arrive at ``p`` and ``o``; with ``k_e = d*(k - 1) + 1``:

=============  ==================================  ==============================================
dialect        p                                   o
=============  ==================================  ==============================================
SAME           max((n-1)*s + k_e - o, 0) // 2      n*s, or any of (n-1)*s + 1 .. n*s
VALID          0                                   n*s + max(k_e - s, 0),
                                                   or (n-1)*s + k_e .. n*s + k_e - 1
(before, end)  before                              (n-1)*s + k_e - before - end,
                                                   and up to s - 1 more
=============  ==================================  ==============================================

``output_padding`` is Keras' under SAME and VALID (``o = (n-1)*s + k_e % 2 + output_padding``,
``(n-1)*s + k_e + output_padding``), PyTorch's and ONNX' with explicit pads (it lengthens ``o``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ..errors import SplitDeconvError, shown
from .arguments import LARGEST, padding_rules, per_axis
from .typing import OptionalPerAxis, Padding, PerAxis

#: Phases of all axes together, and positions under one axis' kernel. A plan has as many
#: convolutions and taps; the largest known layers have 1,024 phases and 4,096 taps.
MOST_PHASES, LONGEST_KERNEL = 4096, 65536


@dataclass(frozen=True, slots=True)
class Axis:
    """The geometry of one spatial axis.

    Args:
        n: input length, or None where it is only known at run time.
        k: kernel length.
        s: stride.
        d: dilation of the kernel.
        p: leading outputs cropped; may be negative.
        tail: output length minus ``n * s``; a constant even where ``n`` is not known.

    Raises:
        SplitDeconvError: more phases or a longer kernel than a plan may have, or a number that is
            too large for a tensor.
    """

    n: int | None
    k: int
    s: int
    d: int
    p: int
    tail: int

    def __post_init__(self) -> None:
        # Checked here because every plan, drawing and simulation is built from axes.
        small = 1 <= self.s <= MOST_PHASES and 1 <= self.d <= LONGEST_KERNEL
        if not small or self.k < 1 or self.k_e > LONGEST_KERNEL:
            raise _too_large(
                f"kernel {shown(self.k)}, stride {shown(self.s)}, dilation {shown(self.d)}"
            )
        lengths = (self.n or 0, self.p, self.tail)
        if any(abs(length) > LARGEST * MOST_PHASES for length in lengths):
            expected = f"at most {LARGEST}"
            raise SplitDeconvError(
                "a length is out of range", where="geometry", expected=expected, got=shown(lengths)
            )

    @property
    def o(self) -> int | None:
        """The output length, or None where the input length is not known."""
        return None if self.n is None else self.n * self.s + self.tail

    @property
    def k_e(self) -> int:
        """The effective kernel: from first to last tap, dilation included."""
        return effective_kernel(self.k, self.d)

    @property
    def end(self) -> int:
        """Outputs of the full ``(n - 1)*s + k_e`` that are cropped behind the kept ones.

        None are where the output is longer than that.
        """
        return max(self.k_e - self.s - self.p - self.tail, 0)

    def __str__(self) -> str:
        size = "?" if self.n is None else self.n
        result = f"?*{self.s}{self.tail:+d}" if self.n is None else self.o
        dilation = f" d={self.d}" if self.d > 1 else ""
        return f"{size} -> {result} (k={self.k} s={self.s}{dilation} p={self.p})"


def known(length: int | None) -> int:
    """A length of an axis, where the caller needs it to be known.

    Raises:
        SplitDeconvError: the length is unknown.
    """
    if length is None:
        raise SplitDeconvError(
            "this needs the input size",
            where="geometry",
            expected="known spatial lengths",
            got="None",
        )
    return length


def check_phases(axes: Sequence[Axis]) -> None:
    """Refuse axes that together have too many phases.

    Raises:
        SplitDeconvError: more than `MOST_PHASES`.
    """
    strides = [axis.s for axis in axes]
    if prod(strides) > MOST_PHASES:
        raise _too_large(f"strides {'x'.join(map(str, strides))}")


def _too_large(got: str) -> SplitDeconvError:
    return SplitDeconvError(
        "the stride or kernel is too large to split",
        where="geometry",
        expected=f"up to {MOST_PHASES} phases and {LONGEST_KERNEL} positions under the kernel",
        got=got,
        fix="check stride, kernel and dilation; splitting so many phases would not pay",
    )


def effective_kernel(k: int, d: int) -> int:
    """Length from the first to the last tap of ``k`` taps at dilation ``d``."""
    return d * (k - 1) + 1


def resolve(
    input_shape: Sequence[int | None],
    kernel_size: PerAxis,
    strides: PerAxis,
    padding: Padding,
    output_shape: OptionalPerAxis = None,
    output_padding: OptionalPerAxis = None,
    dilations: PerAxis = 1,
) -> tuple[Axis, ...]:
    """Reduce a transposed convolution's arguments to one `Axis` per spatial dimension.

    Args:
        input_shape: spatial input lengths, 1 to 3 of them; None where unknown.
        kernel_size, strides, dilations: an int, or one per dimension.
        padding: "SAME", "VALID" (any case), or one ``(before, end)`` pair of crops per dimension.
        output_shape: spatial output lengths; None for the default size (per dimension or
            altogether).
        output_padding: extra trailing outputs, an int or one per dimension; excludes
            `output_shape`.

    Returns:
        A tuple of `Axis`.

    Raises:
        SplitDeconvError: for a geometry that no framework accepts; the error names the dimension
            and the legal range.
    """
    if not isinstance(input_shape, list | tuple) or not 1 <= len(input_shape) <= 3:
        raise SplitDeconvError(
            "the input shape must list the spatial lengths only",
            where="input_shape",
            expected="1 to 3 lengths, such as (16, 16); None where unknown",
            got=shown(input_shape),
            fix="leave out batch and channels",
        )
    rank = len(input_shape)
    sizes = per_axis(input_shape, rank, "input_shape", optional=True)
    kernels = per_axis(kernel_size, rank, "kernel_size")
    steps = per_axis(strides, rank, "strides")
    spreads = per_axis(dilations, rank, "dilations")
    outputs = per_axis(output_shape, rank, "output_shape", optional=True)
    extras = per_axis(output_padding, rank, "output_padding", least=0, optional=True)
    rule = padding_rules(padding, rank)
    rows = zip(sizes, kernels, steps, spreads, rule, outputs, extras, strict=True)
    axes = tuple(_axis(i, *values) for i, values in enumerate(rows))
    check_phases(axes)
    return axes


def describe(index: int, n: int | None, k: int, s: int, d: int) -> str:
    """One dimension as an error names it."""
    length = "unknown" if n is None else n
    return f"dimension {index} (input {length}, kernel {k}, stride {s}, dilation {d})"


def _axis(
    index: int,
    n: int | None,
    k: int,
    s: int,
    d: int,
    rule: str | tuple[int, int],
    o: int | None,
    extra: int | None,
) -> Axis:
    """Apply one convention's rule to one dimension."""
    where = describe(index, n, k, s, d)
    if o is not None and extra is not None:
        raise SplitDeconvError(
            "output_shape and output_padding both fix the output size",
            where=where,
            expected="one of the two",
            got=f"output_shape={o}, output_padding={extra}",
            fix="leave one of them out",
        )
    if o is not None and n is None:
        raise SplitDeconvError(
            "an explicit output size needs a known input size",
            where=where,
            expected="the default output size (output_shape=None), or an input length",
            got=f"input length unknown, output length {o}",
            fix="give the input size, or leave the output size out",
        )
    k_e = effective_kernel(k, d)
    # What output lengths are legal, as tail = o - n*s: the default, the range, and the shortest
    # that output_padding starts from.
    before = end = 0
    if rule == "SAME":
        default, least, most = 0, 1 - s, 0
        shortest = k_e % 2 - s
    else:
        if not isinstance(rule, str):
            before, end = rule
        least = k_e - s - before - end
        most = least + s - 1
        default = max(k_e - s, 0) if rule == "VALID" else least
        shortest = least
    # PyTorch and ONNX let output_padding reach the dilation; Keras' and TensorFlow's paddings stop
    # at the stride.
    bound = s if isinstance(rule, str) else max(s, d)
    if extra is not None and extra >= bound:
        raise SplitDeconvError(
            "the output padding is too large",
            where=where,
            expected=f"output_padding < {bound} (stride {s}, dilation {d})",
            got=f"output_padding={extra}",
        )
    tail = default
    if extra is not None:
        tail = shortest + extra
    elif o is not None and n is not None:
        tail = o - n * s
    if o is not None and n is not None and not least <= tail <= most:
        raise SplitDeconvError(
            "an input of this length cannot give that output length",
            where=f"{where}, padding {rule}",
            expected=f"output length {max(n * s + least, 1)} to {n * s + most}",
            got=f"output length {o}",
            fix="give a length in that range, or leave the output size out",
        )
    if n is not None and n * s + tail < 1:
        raise SplitDeconvError(
            "the padding crops the whole output away",
            where=f"{where}, padding {rule}",
            expected="an output of at least one element",
            got=f"output length {n * s + tail}",
            fix="crop less or enlarge the input",
        )
    # The SAME crop is max((n-1)*s + k_e - o, 0) // 2, written with tail = o - n*s so that n need
    # not be known.
    p = max(k_e - s - tail, 0) // 2 if rule == "SAME" else before
    return Axis(n=n, k=k, s=s, d=d, p=p, tail=tail)
