"""The memory that the activations of a .tflite model need at once, as the interpreter plans it.

The plan is TFLite's own (tensorflow/lite/arena_planner.cc at 0406598a, simple_memory_arena.cc at
0e447935). Tensors live from the operator that makes them to the last one that reads them; inputs,
outputs and variables of a graph, and unpacked constants, live to the end. Tensors are placed
largest first, each into the tightest gap that is free during its whole lifetime, on 64-byte
boundaries.

This is an approximation. It leaves out the kernels' scratch buffers, delegates (XNNPACK keeps its
own memory) and the sharing of memory by the input and output of a RESHAPE. An unknown batch counts
as one image.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from .flatbuffer.check import BYTES, check
from .flatbuffer.file import read
from .flow import contents
from .graph import operator_name, ports

if TYPE_CHECKING:
    from ...core.typing import NumpyArray
    from .flatbuffer.objects import ModelT, SubGraphT, TensorT

# kDefaultTensorAlignment, tensorflow/lite/util.h
_ALIGNMENT = 64


def arena_peak(data: bytes) -> int:
    """Bytes of arena that a model needs, summed over its subgraphs (each has its own arena).

    Args:
        data: the .tflite file.

    Raises:
        SplitDeconvError: it is not a valid TFLite model.
    """
    model, _ = read(data, "the TFLite model")
    check(model, "the TFLite model")
    return sum(_peak(*_lives(model, graph)) for graph in model.subgraphs)


def _lives(model: ModelT, graph: SubGraphT) -> NumpyArray:
    """First operator, last operator and bytes of every tensor in the arena, in placement order."""
    operators, tensors = graph.operators or (), graph.tensors or ()
    end = len(operators)
    born: dict[int, int] = {}
    died: dict[int, int] = {}
    fixed = {*ports(graph.inputs), *(i for i, t in enumerate(tensors) if t.isVariable)}
    born |= dict.fromkeys(fixed, 0)
    for position, operator in enumerate(operators):
        for tensor in ports(operator.outputs):
            # A tensor that is never read is never released.
            born.setdefault(tensor, position)
            died.setdefault(tensor, end)
        of_constants = not any(tensor in born for tensor in ports(operator.inputs))
        if of_constants and operator_name(model, operator) == "DEQUANTIZE":
            fixed.update(ports(operator.outputs))
    fixed.update(ports(graph.outputs))
    for position, operator in enumerate(operators):
        died |= {t: position for t in ports(operator.inputs) if t in born}
    died |= {t: end for t in fixed if t in born}
    sizes = {t: _bytes(model, tensors[t]) for t in born}

    def place(tensor: int) -> tuple[int, ...]:
        whole = (born[tensor], died[tensor]) == (0, end)
        return (0, tensor) if whole else (1, -sizes[tensor], born[tensor])

    order = sorted(born, key=place)
    lives = [(born[t], died[t], sizes[t]) for t in order if sizes[t]]
    return np.array(lives, np.int64).reshape(-1, 3).T


def _bytes(model: ModelT, tensor: TensorT) -> int:
    """Size of an activation; 0 for constants and for what the interpreter allocates elsewhere."""
    if contents(model, tensor) is not None:
        return 0
    count = 0 if tensor.shape is None else prod(map(int, tensor.shape))
    return count * BYTES.get(tensor.type, 0)


def _peak(born: NumpyArray, died: NumpyArray, sizes: NumpyArray) -> int:
    """Top of the arena after placing every tensor."""
    starts = np.zeros(len(sizes), np.int64)
    for i in range(len(sizes)):
        rivals = np.flatnonzero((born[:i] <= died[i]) & (died[:i] >= born[i]))
        rivals = rivals[np.argsort(starts[rivals], kind="stable")]
        begins, tops = starts[rivals], np.maximum.accumulate(starts[rivals] + sizes[rivals])
        # Gap j is below rival j; the last one is open.
        floors = -(-np.concatenate([[0], tops]) // _ALIGNMENT) * _ALIGNMENT
        fits = np.flatnonzero(floors[:-1] + sizes[i] <= begins)
        best = fits[np.argmin(begins[fits] - floors[fits])] if len(fits) else -1
        starts[i] = floors[best]
    return int((starts + sizes).max(initial=0))
