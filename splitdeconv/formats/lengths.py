"""Find the integer inputs of a model that hold the number of valid steps of its other inputs.

Such an input is compared with the step numbers 0, 1, 2 and so on. Its values are lengths between 1
and the padded length, and models often take one of them as the padded length. Lengths of 0 and 1
would mask nearly everything that a verification compares.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..core.typing import NumpyArray

#: What a format calls a value: a name or an index.
_Value = TypeVar("_Value", bound=Hashable)


@dataclass(frozen=True)
class Words:
    """The operator names of a format.

    Args:
        compare: operators that compare two arrays element by element.
        number: operators that generate the step numbers.
        hand_on: operators that pass integers on unchanged, except for shape and type.
    """

    compare: tuple[str, ...]
    number: tuple[str, ...]
    hand_on: tuple[str, ...]


def counted(
    nodes: Iterable[tuple[str, Sequence[_Value], Sequence[_Value]]],
    words: Words,
    values: Callable[[_Value], NumpyArray | None],
) -> Iterator[_Value]:
    """Values of one graph that are compared with step numbers and that none of its nodes computes.

    Args:
        nodes: (operator, inputs, outputs) of each node.
        words: the operator names of the format.
        values: maps the name of a value to its constant array, or None.
    """
    nodes = list(nodes)
    makers = {name: (kind, inputs) for kind, inputs, outputs in nodes for name in outputs}

    def operator(name: _Value) -> str:
        return makers[name][0] if name in makers else ""

    def origin(name: _Value) -> _Value:
        for _ in makers:
            if operator(name) not in words.hand_on:
                break
            name = makers[name][1][0]
        return name

    for kind, inputs, _ in nodes:
        if kind not in words.compare or len(inputs) != 2:
            continue
        first, second = map(origin, inputs)
        for one, other in ((first, second), (second, first)):
            is_count = operator(other) in words.number or _counts(values(other))
            if is_count and one not in makers and values(one) is None:
                yield one


def _counts(array: NumpyArray | None) -> bool:
    """Whether these are step numbers, starting at 0 or 1."""
    if array is None or array.size < 2 or array.dtype.kind not in "iuf":
        return False
    flat = array.reshape(-1)
    return any(np.array_equal(flat, np.arange(first, first + len(flat))) for first in (0, 1))
