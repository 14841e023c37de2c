"""Fix the shapes of a TFLite model's inputs, and of every tensor whose shape follows from them.

The interpreter itself infers the shapes: operators are allocated but never run. Where it stops,
because an operator's shape is computed from other shapes, that computation is done here and its
results are stored in the file (see `fold`). An operator that still has no shape depends on
values; the tensors after it stay open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import SplitDeconvError, one_line
from ....extras import require
from ..flatbuffer.bounds import make, schema
from ..flatbuffer.check import builtin, called
from ..flatbuffer.file import write
from ..flow import contents
from ..graph import dimensions, operator_name, ports, type_name
from .fold import Sizes, fold

if TYPE_CHECKING:
    from ..flatbuffer.objects import ModelT, OperatorT, SubGraphT, TensorT

#: MediaPipe's transposed convolution, which LiteRT does not support.
_MEDIAPIPE = "Convolution2DTransposeBias"
# These types have no memory to plan.
_HANDLES = ("RESOURCE", "VARIANT")


def fix(model: ModelT, given: Mapping[tuple[int, int], Sizes], where: str) -> None:
    """Fix inputs, in place.

    Args:
        model: a `ModelT`.
        given: shapes by (subgraph, tensor).
        where: the name of the file in errors.

    Raises:
        SplitDeconvError: LiteRT rejects the model at these shapes.
    """
    for number in dict.fromkeys(number for number, _ in given):
        shapes = {tensor: shape for (n, tensor), shape in given.items() if n == number}
        _Graph(model, number, shapes, where).settle()


class _Graph:
    """One subgraph whose inputs are fixed.

    Args:
        model: the `ModelT`.
        number: index of the subgraph.
        given: shapes of inputs, by tensor.
        where: the name of the file in errors.
    """

    def __init__(self, model: ModelT, number: int, given: Mapping[int, Sizes], where: str) -> None:
        self._model, self._graph, self._where = model, model.subgraphs[number], where
        self._number = number
        inputs = {i: _fixed(self._graph.tensors[i]) for i in ports(self._graph.inputs)}
        inputs.update(given)
        self._known = {i: shape for i, shape in inputs.items() if shape is not None}
        self._fed = set(self._known)  # no allocated operator computes these
        self._open = set(inputs) - set(self._known)  # depends on values or open inputs
        self._entered: set[int] = set()  # operators whose subgraphs are done, by `id`

    def settle(self) -> None:
        """Fix every tensor whose shape can be determined."""
        while True:
            self._take_customs()
            self._store()
            stuck = self._prepare(live := self._live())
            if (
                fold(self._model, self._graph, self._known)
                or self._take_customs()
                or self._enter(live, stuck)
            ):
                continue
            if stuck is None:
                break
            self._open.update(ports(stuck.outputs))
        self._store()

    def _live(self) -> list[OperatorT]:
        """The operators that LiteRT can allocate, in order; the outputs of all others are open."""
        live, lost = [], set(self._open)
        for operator in self._graph.operators:
            outputs = ports(operator.outputs)
            code = self._model.operatorCodes[operator.opcodeIndex]
            custom = builtin(code) == schema().BuiltinOperator.CUSTOM
            if custom or lost & {*ports(operator.inputs), *outputs}:
                lost.update(set(outputs) - self._fed)
            else:
                live.append(operator)
        return live

    def _take_customs(self) -> bool:
        """Set the shapes of MediaPipe's operators, where only the batch may be open.

        Returns:
            Whether there were any.
        """
        grown = False
        for operator in self._graph.operators:
            inputs, outputs = ports(operator.inputs), ports(operator.outputs)
            if operator_name(self._model, operator) != _MEDIAPIPE:
                continue
            if not inputs or len(outputs) != 1:
                continue
            (result,) = outputs
            shape = dimensions(self._graph.tensors[result])
            image = [n for n in shape[1:] if n is not None]
            is_known = len(image) == len(shape[1:])
            if result not in self._known and inputs[0] in self._known and is_known:
                self._known[result] = (self._known[inputs[0]][0], *image)
                self._fed.add(result)
                grown = True
        return grown

    def _prepare(self, live: list[OperatorT]) -> OperatorT | None:
        """Get the shapes of operator outputs from LiteRT.

        Returns:
            The first operator whose shape LiteRT does not determine; None if it determines all.
        """
        if not live:
            return None
        part = make(
            "SubGraph",
            tensors=self._graph.tensors,
            operators=live,
            inputs=np.array(sorted(self._fed), "<i4"),
            outputs=np.array([], "<i4"),
        )
        interpreter = self._allocated(part)
        shapes = {
            detail["index"]: tuple(map(int, detail["shape"]))
            for detail in interpreter.get_tensor_details()
        }
        for operator in live:
            made = ports(operator.outputs)
            if not all(self._is_planned(interpreter, i, shapes) for i in made):
                return operator
            self._known.update((i, shapes[i]) for i in made)
        return None

    def _allocated(self, part: SubGraphT) -> Any:
        litert = require("ai_edge_litert.interpreter", "tflite")
        model = self._model
        # No operator calls the main subgraph, so its index is free.
        whole = make(
            "Model",
            version=3,
            operatorCodes=model.operatorCodes,
            buffers=model.buffers,
            subgraphs=[part, *model.subgraphs[1:]],
        )
        kernels = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            interpreter = litert.Interpreter(
                model_content=write(whole), experimental_op_resolver_type=kernels
            )
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError, TypeError) as error:
            raise SplitDeconvError(
                "LiteRT rejects this input shape",
                where=self._where,
                expected="sizes that every operator of the model accepts",
                got=one_line(error, typed=True),
                fix="choose other sizes, or omit the option to keep the input shapes open",
            ) from None
        return interpreter

    def _is_planned(self, interpreter: Any, index: int, shapes: Mapping[int, Sizes]) -> bool:
        """Whether memory was planned for a tensor, which is not if its size depends on values."""
        if type_name(self._graph.tensors[index]) in _HANDLES or 0 in shapes[index]:
            return True
        with suppress(ValueError):
            interpreter.tensor(index)()
            return True
        return False

    def _enter(self, live: list[OperatorT], stuck: OperatorT | None) -> bool:
        """Fix the subgraphs that only these operators call; returns whether there were any.

        A branch gets the inputs of its operator, and so does a loop body that keeps their shapes.
        """
        places = Counter(
            n for graph in self._model.subgraphs for op in graph.operators for n in set(called(op))
        )
        for operator in live:
            first = {"IF": 1, "WHILE": 0}.get(operator_name(self._model, operator))
            shapes = self._shapes(ports(operator.inputs)[first:])
            if first is not None and shapes is not None and id(operator) not in self._entered:
                self._entered.add(id(operator))
                numbers = set(called(operator)) - {0}
                if all(places[n] == 1 for n in numbers):
                    self._settle_called(numbers, shapes)
                return True
            if operator is stuck:
                return False
        return False

    def _shapes(self, indices: list[int]) -> list[Sizes] | None:
        """The shapes of tensors; None if one of them is unknown."""
        shapes = []
        for index in indices:
            tensor = self._graph.tensors[index]
            if index in self._known:
                shapes.append(self._known[index])
            elif contents(self._model, tensor) is not None:
                shapes.append(tuple(ports(tensor.shape)))
            else:
                return None
        return shapes

    def _settle_called(self, numbers: set[int], shapes: list[Sizes]) -> None:
        """Fix subgraphs for their arguments; loops that change shapes stay as they are."""
        before = [
            (part, dict(vars(part))) for graph in self._model.subgraphs for part in _parts(graph)
        ]
        for number in numbers:
            own = ports(self._model.subgraphs[number].inputs)
            if len(own) == len(shapes):
                given = dict(zip(own, shapes, strict=True))
                _Graph(self._model, number, given, self._where).settle()
        if not all(self._keeps_shapes(self._model.subgraphs[number], shapes) for number in numbers):
            for part, fields in before:
                vars(part).update(fields)

    def _keeps_shapes(self, graph: SubGraphT, shapes: list[Sizes]) -> bool:
        """Whether a subgraph is not a loop body, or returns the shapes that it is given."""
        made = [dimensions(graph.tensors[i]) for i in ports(graph.outputs)]
        body = any(graph is self._model.subgraphs[n] for n in self._bodies())
        return not body or made == [list(shape) for shape in shapes]

    def _bodies(self) -> set[int]:
        options = (op.builtinOptions for graph in self._model.subgraphs for op in graph.operators)
        return {part.bodySubgraphIndex for part in options if hasattr(part, "bodySubgraphIndex")}

    def _store(self) -> None:
        """Write the known shapes into the model."""
        for index, shape in self._known.items():
            tensor = self._graph.tensors[index]
            if dimensions(tensor) != list(shape):
                tensor.shape, tensor.shapeSignature = np.array(shape, "<i4"), None


def _fixed(tensor: TensorT) -> Sizes | None:
    """The shape of a tensor; None if a dimension is open."""
    shape = dimensions(tensor)
    sizes = tuple(n for n in shape if n is not None)
    return sizes if len(sizes) == len(shape) else None


def _parts(graph: SubGraphT) -> tuple[TensorT | OperatorT, ...]:
    """The parts of a subgraph that fixing it changes."""
    return (*graph.tensors, *graph.operators)
