"""Programs, and parts of them, run by PyTorch on arrays."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...extras import require
from ..port import Input, Runner, number_type, rejected
from .layout import Layout, laid_out, layout_of
from .program import tensors_of, values_of

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.nn import Module

    from ...core.typing import NumpyArray
    from ..input_shapes import Shape
    from ..port import Arrays


class PartInput(NamedTuple):
    """An input of a part."""

    name: str
    dtype: Any
    shape: Shape
    device: Any
    layout: Layout | None = None


class Part(NamedTuple):
    """A part of a program that `cut` made: a graph and its inputs."""

    graph: Module
    inputs: tuple[PartInput, ...]


def load(model: ExportedProgram | Part, threads: int | None = None) -> dict[str, Runner]:
    """The model under the name "", ready to run.

    Args:
        model: a program or a part of one.
        threads: number of threads, which PyTorch then has in the whole process; None for those that
            it has.

    Raises:
        RejectedError: the program cannot be made callable.
    """
    if threads is not None:
        require("torch", "torch").set_num_threads(threads)
    entry = _Part(model) if isinstance(model, Part) else _Program(model)
    return {"": Runner(entry.inputs, entry)}


class _Program:
    """A whole program."""

    def __init__(self, program: ExportedProgram) -> None:
        self._torch = require("torch", "torch")
        self._values, self._spec = values_of(program), program.call_spec.in_spec
        named = tensors_of(program)
        self.inputs = tuple(Input(name, _number(v.dtype), shape) for name, shape, v in named)
        self._outputs = [str(name) for name in program.graph_signature.user_outputs]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._call = program.module()
        except Exception as error:  # conditions on inputs become code here
            raise rejected(error) from None

    def __call__(self, feed: Arrays) -> Arrays:
        names = iter(port.name for port in self.inputs)
        flat = [
            tensor(feed[next(names)], value, layout_of(value)) if hasattr(value, "shape") else value
            for value in self._values
        ]
        args, kwargs = self._torch.utils._pytree.tree_unflatten(flat, self._spec)
        try:
            with self._torch.no_grad():
                result = self._call(*args, **kwargs)
        except Exception as error:  # operators and conditions raise anything
            raise rejected(error) from None
        leaves = self._torch.utils._pytree.tree_leaves(result)
        named = zip(self._outputs, leaves, strict=True)
        return {name: array(leaf) for name, leaf in named if hasattr(leaf, "dtype")}


class _Part:
    """A part of a program."""

    def __init__(self, part: Part) -> None:
        self._part, self._torch = part, require("torch", "torch")
        self.inputs = tuple(Input(x.name, _number(x.dtype), x.shape) for x in part.inputs)

    def __call__(self, feed: Arrays) -> Arrays:
        given = {x.name: tensor(feed[x.name], x, x.layout) for x in self._part.inputs}
        try:
            with self._torch.no_grad():
                return {"y": array(self._part.graph(*given.values()))}
        except Exception as error:  # as above
            raise rejected(error) from None


def tensor(values: NumpyArray, like: Any, layout: Layout | None) -> Any:
    """An array as a tensor of the type and on the device of another one, or of a part's input.

    Args:
        values: the array.
        like: a tensor, or a part's input.
        layout: how it lies in memory: programs may read views that other layouts do not allow.
    """
    made = require("torch", "torch").from_numpy(np.ascontiguousarray(values))
    return laid_out(made.to(like.dtype).to(like.device), layout)


def array(values: Any) -> NumpyArray:
    """A tensor as an array; bfloat16, unknown to NumPy, is widened without loss."""
    torch = require("torch", "torch")
    wide = values.float() if values.dtype == torch.bfloat16 else values
    made: NumpyArray = wide.detach().cpu().numpy()
    return made


def _number(dtype: Any) -> np.dtype[Any] | None:
    """The NumPy type of an input; float32 for bfloat16, to which it is then rounded."""
    name = str(dtype).removeprefix("torch.")
    return number_type({"bfloat16": "float32"}.get(name, name))
