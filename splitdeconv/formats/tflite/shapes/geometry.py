"""The geometry of a transposed convolution in a TFLite model, from shapes and the requested output.

A length that is known only at run time is supported if the output shape is computed as the input
length times the stride, plus a constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from ....core.geometry import LONGEST_KERNEL, MOST_PHASES, Axis, resolve
from ....errors import SplitDeconvError
from .inputs import COMPUTED, EXPORT
from .lengths import Length

if TYPE_CHECKING:
    from ..graph import Dimensions
    from .constants import Constants
    from .lengths import Number

#: Why a part of an operator may change, as the end of a sentence.
NOT_FIXED = "not fixed: an input or a variable of the model uses the same memory"
_MOST_ELEMENTS = 2**30  # a limit for malicious files, far above any real model


class ObstacleError(Exception):
    """Why a site cannot be converted, as text for the user."""


def requested(constants: Constants, index: int | None) -> list[Number] | None:
    """The output shape that the operator requests.

    A dimension is None if it is open, and a `Length` if it follows from another one. The result is
    None for an operator without a shape input.
    """
    if index is None:
        return None
    if constants.changes(index):
        raise ObstacleError(f"its output shape is {NOT_FIXED}")
    numbers = constants.lengths(index)
    if numbers is None:
        raise ObstacleError(COMPUTED)
    return numbers


def tails_of(
    constants: Constants,
    x: int,
    sizes: Dimensions,
    output: Dimensions,
    asked: list[Number] | None,
    strides: tuple[int, int],
) -> dict[int, int]:
    """The difference between output length and input length times stride, for each open axis.

    It is only known if the requested shape is computed this way.
    """
    tails: dict[int, int] = {}
    for axis, stride in zip((1, 2), strides, strict=True):
        if sizes[axis] is not None or asked is None or len(asked) != 4:
            continue
        number = asked[axis]
        if not isinstance(number, Length) or output[axis : axis + 1] != [None]:
            continue
        scaled = [one * stride for one in constants.forms(Length(x, axis))]
        gaps = (_gap(a, b) for a in constants.forms(number) for b in scaled)
        tail = next((gap for gap in gaps if gap is not None), None)
        if tail is not None:
            tails[axis] = tail
    return tails


def _gap(a: Length, b: Length) -> int | None:
    """The difference of two lengths, where it is the same for every size."""
    same = (a.tensor, a.axis, a.factor) == (b.tensor, b.axis, b.factor)
    return a.offset - b.offset if same else None


def axes_of(
    x: Dimensions,
    filters: list[int],
    output: Dimensions,
    asked: Dimensions | None,
    padding: str,
    strides: tuple[int, int],
    tails: Mapping[int, int],
) -> tuple[Axis, ...]:
    """The geometry, from the shapes of the tensors and the requested output shape.

    Args:
        x, filters, output: the shapes.
        asked: the requested output shape; None if the operator does not request one.
        padding, strides: options of the operator.
        tails: for open axes, by the index of the dimension; see `tails_of`.
    """
    if x[3] != filters[3]:
        raise ObstacleError(f"its input has {x[3]} channels, its weights {filters[3]}")
    if asked is not None:
        if len(asked) != 4:
            raise ObstacleError(f"its output shape has {len(asked)} numbers")
        output = output if len(output) == 4 else asked
        pairs = list(zip(output, asked, strict=True))
        if any(None not in pair and len(set(pair)) > 1 for pair in pairs):
            raise ObstacleError(f"its output has shape {output}, but shape {asked} is requested")
        output = [b if a is None else a for a, b in pairs]
    if len(output) != 4 or output[3] not in (filters[0], None) or len({x[0], output[0], None}) > 2:
        raise ObstacleError(f"its output has shape {output}, its input {x}, its weights {filters}")
    opened = [axis for axis in (1, 2) if None in (x[axis], output[axis])]
    if any(axis not in tails for axis in opened):
        raise ObstacleError(
            f"height or width are known only at run time (input {x}, output {output}), and the "
            f"output is not computed as the input times the stride, plus a constant; {EXPORT}"
        )
    if max(filters[1:3]) > LONGEST_KERNEL or strides[0] * strides[1] > MOST_PHASES:
        raise ObstacleError(
            f"kernel {filters[1:3]} with strides {list(strides)} needs too many operators"
        )
    if 0 in (*x, *filters, *output):
        raise ObstacleError(f"a dimension is 0 (input {x}, weights {filters}, output {output})")
    if any(prod(n or 1 for n in shape) > _MOST_ELEMENTS for shape in (x, output)):
        raise ObstacleError(f"a tensor has more than 2**30 elements (input {x}, output {output})")
    # The geometry relative to an open length is the same for every length.
    lengths = [x[axis] or filters[axis] + abs(tails[axis]) + 1 for axis in (1, 2)]
    sizes = zip((1, 2), lengths, strides, strict=True)
    outputs = [output[axis] or n * stride + tails[axis] for axis, n, stride in sizes]
    try:
        axes = resolve(lengths, filters[1:3], strides, padding, outputs)
        return tuple(replace(a, n=None) if i in opened else a for i, a in enumerate(axes, start=1))
    except SplitDeconvError as error:
        raise ObstacleError(
            f"{error.problem}: {error.where}, expected {error.expected}, got {error.got}"
        ) from None
