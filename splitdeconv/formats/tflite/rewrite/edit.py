"""Edit a TFLite model in memory: add constants, tensors and operators, and remove unused ones."""

from collections.abc import Iterator

import numpy as np

from ..flatbuffer.bounds import make, schema
from ..flatbuffer.check import builtin
from ..graph import operator_name, ports, type_name
from ..quantization import parameters

# The lowest version with the required meaning, where it is not 1, by type of the operand. Source:
# TensorFlow's rule in tensorflow/lite/tools/versioning/op_version.cc at 02087409.
_VERSIONS = {
    "CONV_2D": {"INT8": 3, "INT16": 4},
    "PAD": {"INT8": 2, "INT16": 3},
    "CONCATENATION": {"INT8": 2, "INT16": 3},
    "STRIDED_SLICE": {"INT8": 2},
    "TRANSPOSE": {"INT8": 2, "INT16": 5},
    "BATCH_TO_SPACE_ND": {"INT8": 2, "INT16": 4},
    # That rule says 2 for int8 DEPTH_TO_SPACE, but the reference resolver only knows 1; one kernel
    # serves both.
}
# Operators that may compute a shape or unpack a constant; removed when the result is no longer
# read.
_PURE = {
    *(
        "SHAPE",
        "STRIDED_SLICE",
        "SLICE",
        "PACK",
        "CONCATENATION",
        "DEQUANTIZE",
        "CAST",
        "RESHAPE",
        "GATHER",
        "SQUEEZE",
    ),
    *(
        "EXPAND_DIMS",
        "ADD",
        "SUB",
        "MUL",
        "DIV",
        "FLOOR_DIV",
        "MAXIMUM",
        "MINIMUM",
        "BROADCAST_ARGS",
    ),
}


class Editor:
    """Edits one subgraph: operators are collected in `new` until they are placed.

    Args:
        model: a `ModelT`.
        graph: one of its subgraphs.
        prefix: prefix of the names of new tensors.
        opened: whether batch, height and width are known only at run time; by default all are
            known.
    """

    def __init__(self, model, graph, prefix, opened=(False,) * 3):
        self.model, self.graph, self.prefix, self.opened = model, graph, prefix, (*opened, False)
        self.schema, self.new, self._assumed = schema(), [], {}
        self._names = {tensor.name for tensor in graph.tensors}
        self._helpers = {}

    def shape(self, index) -> tuple[int, ...]:
        """The shape of a tensor, with assumed lengths for unknown ones."""
        return self._assumed.get(index) or tuple(map(int, self.graph.tensors[index].shape))

    def assume(self, index, shape) -> None:
        """Assume a shape for a tensor with open lengths."""
        self._assumed[index] = tuple(shape)

    def constant(self, values, label, kind, quantization=None) -> int:
        """A new constant tensor of type `kind` (the schema's number), optionally quantized."""
        buffer = make("Buffer", data=np.ascontiguousarray(values).reshape(-1).view(np.uint8))
        self.model.buffers.append(buffer)
        tensor = self._tensor(label, values.shape, kind, quantization)
        tensor.buffer = len(self.model.buffers) - 1
        return self._add(tensor)

    def helper(self, values, label) -> int:
        """An int32 constant such as paddings or a shape; this editor shares equal ones."""
        values = np.asarray(values, "<i4")
        key = values.shape, values.tobytes()
        if key not in self._helpers:
            self._helpers[key] = self.constant(values, label, self.schema.TensorType.INT32)
        return self._helpers[key]

    def operator(self, name, inputs, like, shape, label, options, version=None) -> int:
        """Add a builtin operator; its output has the type and quantization of the tensor `like`."""
        reference = self.graph.tensors[like]
        # Like TensorFlow's converter, write 1 for open lengths. A batch is already assumed to be 1.
        stated = [
            shape[0],
            *(1 if open_ else n for n, open_ in zip(shape[1:], self.opened[1:], strict=True)),
        ]
        output = self._tensor(label, stated, reference.type, parameters(reference))
        if any(self.opened):
            signature = [-1 if open_ else n for n, open_ in zip(shape, self.opened, strict=True)]
            output.shapeSignature = np.array(signature, "<i4")
        version = version or _VERSIONS.get(name, {}).get(type_name(reference), 1)
        index = self._add(output)
        self.assume(index, shape)
        return self.place(self._code(name, version), inputs, index, options)

    def place(self, code, inputs, output, options=None) -> int:
        """Add an operator whose operator code is already in the model."""
        kind = type(options).__name__.removesuffix("T")
        number = getattr(self.schema.BuiltinOptions, kind) if options is not None else 0
        self.new.append(
            make(
                "Operator",
                opcodeIndex=code,
                inputs=np.array(inputs, "<i4"),
                outputs=np.array([output], "<i4"),
                builtinOptionsType=number,
                builtinOptions=options,
            )
        )
        return output

    def unpacked(self, packed, by, like, label) -> int:
        """The output of a DEQUANTIZE, like the operator `by`, of the constant `packed`."""
        reference = self.graph.tensors[like]
        output = self._tensor(label, self.shape(packed), reference.type, parameters(reference))
        return self.place(by.opcodeIndex, [packed], self._add(output), by.builtinOptions)

    def finish(self, output) -> list:
        """Make the last operator write the tensor `output`; return the collected operators."""
        last = self.new[-1]
        assert int(last.outputs[0]) == len(self.graph.tensors) - 1
        self.graph.tensors.pop()
        self._assumed.pop(len(self.graph.tensors), None)
        last.outputs = np.array([output], "<i4")
        return self.new

    def _tensor(self, label, shape, kind, quantization):
        return make(
            "Tensor",
            name=self._name(label),
            shape=np.array(shape, "<i4"),
            type=kind,
            quantization=quantization,
            hasRank=True,
        )

    def _add(self, tensor):
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _name(self, label):
        """The prefix and a label, numbered if a tensor already has that name."""
        base = name = f"{self.prefix}/{label}".encode()
        number = 1
        while name in self._names:
            number += 1
            name = base + f"_{number}".encode()
        self._names.add(name)
        return name

    def _code(self, name, version):
        """Index of the operator code of a builtin in a given version, added if missing."""
        kind = getattr(self.schema.BuiltinOperator, name)
        for index, code in enumerate(self.model.operatorCodes):
            if builtin(code) == kind and code.version == version:
                return index
        code = make(
            "OperatorCode", deprecatedBuiltinCode=min(kind, 127), version=version, builtinCode=kind
        )
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1


def substitute(model, graph, replacements) -> None:
    """Replace operators by new ones, and remove operators whose results are then never read.

    Args:
        model: the `ModelT`.
        graph: one of its subgraphs.
        replacements: {position of an operator: the operators that replace it}.
    """
    old = [graph.operators[position] for position in replacements]
    graph.operators = [
        new
        for position, operator in enumerate(graph.operators)
        for new in replacements.get(position, (operator,))
    ]
    _prune(model, graph, [tensor for operator in old for tensor in ports(operator.inputs)])


def _prune(model, graph, suspects):
    """Remove the operators that compute `suspects`, and those before them, unless still used."""
    dead = feeders(model, graph, suspects)
    graph.operators = [operator for operator in graph.operators if id(operator) not in dead]


def feeders(model, graph, suspects, unread=()) -> set[int]:
    """The operators that compute some tensors, and those before them, unless used elsewhere.

    Args:
        model: the `ModelT`.
        graph: one of its subgraphs.
        suspects: indices of the tensors.
        unread: tensors that will lose a reader, listed once per lost reader.

    Returns:
        The `id` of each operator.
    """
    suspects, kept = list(suspects), set(exposed(model, graph))
    readers = {}
    for operator in graph.operators:
        for tensor in set(ports(operator.inputs)):
            readers[tensor] = readers.get(tensor, 0) + 1
    for tensor in unread:
        readers[tensor] -= 1
    makers = {
        tensor: operator for operator in graph.operators for tensor in ports(operator.outputs)
    }
    dead = set()
    while suspects:
        operator = makers.get(suspects.pop())
        if operator is None or id(operator) in dead or operator_name(model, operator) not in _PURE:
            continue
        if any(readers.get(t) or t in kept for t in ports(operator.outputs)):
            continue
        dead.add(id(operator))
        for tensor in set(ports(operator.inputs)):
            readers[tensor] -= 1
            suspects.append(tensor)
    return dead


def exposed(model, graph) -> Iterator[int]:
    """Tensors that are visible outside the subgraph."""
    number = next(i for i, g in enumerate(model.subgraphs) if g is graph)
    yield from ports(graph.inputs)
    yield from ports(graph.outputs)
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == number:
            yield from (
                entry.tensorIndex
                for entry in (*(signature.inputs or ()), *(signature.outputs or ()))
            )


def used(model) -> tuple[list[set[int]], set[int], set[int]]:
    """Used indices: tensors per subgraph (by operators or outside), buffers, and operator codes."""
    tensors = []
    for graph in model.subgraphs:
        of_operators = (
            t
            for operator in graph.operators or ()
            for indices in (operator.inputs, operator.outputs, operator.intermediates)
            for t in ports(indices)
        )
        tensors.append({*exposed(model, graph), *of_operators} - {-1})
    # Buffer 0 is empty by convention.
    buffers = {0, *(entry.buffer for entry in model.metadata or ()), *ports(model.metadataBuffer)}
    buffers |= {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors or ()}
    codes = {
        operator.opcodeIndex for graph in model.subgraphs for operator in graph.operators or ()
    }
    return tensors, buffers, codes


def sweep(model, before) -> None:
    """Remove tensors, buffers and operator codes that are no longer used, and renumber the others.

    Args:
        model: the `ModelT`.
        before: what `used` returned before the model was changed. Parts that were unused even then
            are kept.
    """
    tensors_before, buffers_before, codes_before = before
    tensors, _, codes = used(model)
    for number, graph in enumerate(model.subgraphs):
        dead = tensors_before[number] - tensors[number]
        graph.tensors, new = _without(graph.tensors, dead)
        _renumber_tensors(model, number, graph, new)
    # Only now: the removed tensors no longer refer to their buffers.
    dead = buffers_before - used(model)[1]
    model.buffers, new = _without(model.buffers, dead)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = int(new[tensor.buffer])
    for entry in model.metadata or ():
        entry.buffer = int(new[entry.buffer])
    if model.metadataBuffer is not None:
        model.metadataBuffer = new[np.asarray(model.metadataBuffer, np.int64)].astype("<i4")
    model.operatorCodes, new = _without(model.operatorCodes, codes_before - codes)
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            operator.opcodeIndex = int(new[operator.opcodeIndex])


def _without(parts, dead):
    """A list without some entries, and the new index of each old one; -1 stays -1 (last entry)."""
    kept = np.array([i not in dead for i in range(len(parts))] + [False], bool)
    new = np.where(kept, np.cumsum(kept) - 1, -1)
    return [part for part, keep in zip(parts, kept, strict=False) if keep], new


def _renumber_tensors(model, number, graph, new):
    for field in ("inputs", "outputs"):
        if getattr(graph, field) is not None:
            setattr(graph, field, new[ports(getattr(graph, field))].astype("<i4"))
    for operator in graph.operators or ():
        for field in ("inputs", "outputs", "intermediates"):
            if getattr(operator, field) is not None:
                setattr(operator, field, new[ports(getattr(operator, field))].astype("<i4"))
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == number:
            for entry in (*(signature.inputs or ()), *(signature.outputs or ())):
                entry.tensorIndex = int(new[entry.tensorIndex])
