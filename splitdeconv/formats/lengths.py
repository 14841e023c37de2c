"""Which integer inputs of a model say how many steps of its other inputs are no padding.

Such an input is compared with the numbers of the steps: 0, 1, 2 and so on. Its values are lengths,
from 1 to that of what is padded, and one of them is often taken for that length. Lengths of 0 and 1
would mask nearly everything that a proof is to compare.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Words:
    """A format's names of operators.

    Args:
        compare: two arrays, number by number.
        number: those that yield the numbers of steps.
        hand_on: those that hand on integers as they are, up to their shape and type.
    """

    compare: tuple[str, ...]
    number: tuple[str, ...]
    hand_on: tuple[str, ...]


def counted(nodes: Iterable[tuple], words: Words, values: Callable[[Any], np.ndarray | None]) -> Iterator:
    """What is compared with the numbers of steps: values of one graph that none of its nodes makes.

    Args:
        nodes: (operator, inputs, outputs) of each.
        words: the format's names of operators.
        values: from the name of a value to its constant array, or None.
    """
    nodes = list(nodes)
    makers = {name: (kind, inputs) for kind, inputs, outputs in nodes for name in outputs}

    def origin(name):
        for _ in makers:
            kind, inputs = makers.get(name, ("", ()))
            if kind not in words.hand_on:
                break
            name = inputs[0]
        return name

    for kind, inputs, _ in nodes:
        if kind not in words.compare or len(inputs) != 2:
            continue
        first, second = map(origin, inputs)
        for one, other in ((first, second), (second, first)):
            is_count = makers.get(other, ("",))[0] in words.number or _counts(values(other))
            if is_count and one not in makers and values(one) is None:
                yield one


def _counts(array) -> bool:
    """Whether these are the numbers of steps, from 0 or 1 on."""
    if array is None or array.size < 2 or array.dtype.kind not in "iuf":
        return False
    flat = array.reshape(-1)
    return any(np.array_equal(flat, np.arange(first, first + len(flat))) for first in (0, 1))
