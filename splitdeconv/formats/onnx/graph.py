"""The scopes of an ONNX model: which graph can see which names, and where a value comes from.

A model is a tree of graphs (the graphs in the attributes of If, Loop and Scan can see the outer
names), and in addition one scope for each local function.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableSequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto

    from ...core.typing import NumpyArray

    Graph: TypeAlias = GraphProto | FunctionProto
    #: Reads the values of a stored tensor.
    Read: TypeAlias = Callable[[TensorProto], NumpyArray]

#: The data type of a value, 0 if unknown, and its shape.
ValueType: TypeAlias = tuple[int, tuple[int | None, ...] | None]
#: What is known of the values of a scope, by name.
Known: TypeAlias = Mapping[str, ValueType]

#: Both denote the default operator domain.
DEFAULT_DOMAINS = ("", "ai.onnx")
# These act on each element or channel separately, so they can be repeated on the parts of a filter.
_ELEMENTWISE = {
    *((domain, kind) for domain in DEFAULT_DOMAINS for kind in ("Identity", "Cast")),
    *(
        (d, kind)
        for d in (*DEFAULT_DOMAINS, "com.microsoft")
        for kind in ("DequantizeLinear", "QuantizeLinear")
    ),
}


@dataclass(eq=False)
class Scope:
    """One graph or function, and the names it can see.

    Args:
        graph: GraphProto or FunctionProto.
        parent: the enclosing scope, or None.
        function: whether this is, or is inside, a local function.
        opset: version of the default operator set; 0 if it is not imported.
        overridable: initializers that are also inputs of their graph, so that their value may
            change.
        repeated: whether this is, or is inside, the body of a Loop or a Scan.
    """

    graph: Graph
    parent: Scope | None
    function: bool
    opset: int
    overridable: frozenset[str] = frozenset()
    repeated: bool = False
    producers: dict[str, NodeProto] = field(init=False)
    initializers: dict[str, TensorProto] = field(init=False)
    inputs: frozenset[str] = field(init=False)
    #: Nodes to insert before all others.
    prelude: list[NodeProto] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.producers = {name: node for node in self.graph.node for name in node.output if name}
        self.initializers = {t.name: t for t in getattr(self.graph, "initializer", ())}
        values = [v if isinstance(v, str) else v.name for v in self.graph.input]
        # Only the names of sparse initializers are known, so they count as inputs.
        self.inputs = frozenset(
            values + [t.values.name for t in getattr(self.graph, "sparse_initializer", ())]
        )

    @property
    def outputs(self) -> list[str]:
        """Names of the values that it returns."""
        return [v if isinstance(v, str) else v.name for v in self.graph.output]

    def home(self, name: str) -> Scope | None:
        """The scope that defines `name`, or None."""
        if name in self.producers or name in self.initializers or name in self.inputs:
            return self
        return None if self.parent is None else self.parent.home(name)

    def producer(self, name: str) -> NodeProto | None:
        """The node that computes `name`, or None for an input or initializer."""
        scope = self.home(name)
        return None if scope is None else scope.producers.get(name)

    def constant(self, name: str) -> TensorProto | None:
        """The TensorProto of an initializer or of a Constant node; None for anything else."""
        scope = self.home(name)
        if scope is None or name in scope.overridable:
            return None
        node = scope.producers.get(name)
        if node is None:
            return scope.initializers.get(name)
        if node.op_type == "Constant" and node.domain in DEFAULT_DOMAINS:
            return next(
                (a.t for a in node.attribute if a.name == "value" and a.HasField("t")), None
            )
        return None

    def stored(self, name: str) -> TensorProto:
        """Like `constant`, for a value that is known to be one."""
        tensor = self.constant(name)
        assert tensor is not None, f"{name!r} is not a constant"
        return tensor


@dataclass(frozen=True)
class Source:
    """A constant and the elementwise operators between it and its use, the last operator first."""

    name: str
    tensor: TensorProto
    home: Scope
    chain: tuple[NodeProto, ...]


def scopes(model: ModelProto) -> list[Scope]:
    """All scopes of a model, each graph before the graphs inside it; always in the same order."""
    version = _opset(model)
    inputs = {v.name for v in model.graph.input}
    # Up to IR version 3 every initializer is listed as an input, but is a constant nevertheless.
    open_ = {t.name for t in model.graph.initializer} & inputs if model.ir_version >= 4 else set()
    every = _inside(Scope(model.graph, None, False, version, frozenset(open_ | trained(model))))
    for function in model.functions:
        every += _inside(Scope(function, None, True, _opset(function)))
    return every


def trained(model: ModelProto) -> set[str]:
    """Names that the model's training information reads or updates, which are not constants."""
    names = set()
    for info in model.training_info:
        for binding in (*info.initialization_binding, *info.update_binding):
            names |= {binding.key, binding.value}
        for graph in (info.initialization, info.algorithm):
            names |= {name for node in graph.node for name in node.input}
    return names


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs in the attributes of a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def trace(scope: Scope, name: str) -> Source | None:
    """The `Source` of a value; None if it is computed in another way or is an input."""
    chain: list[NodeProto] = []
    while (tensor := scope.constant(name)) is None:
        node = scope.producer(name)
        if node is None or (node.domain, node.op_type) not in _ELEMENTWISE:
            return None
        if name != node.output[0] or len(chain) > 9:
            return None
        least = 2 if node.op_type.endswith("Linear") else 1
        if not all(node.input[:2]) or len(node.input) < least:
            return None
        chain.append(node)
        home, name = scope.home(name), node.input[0]
        if home is None:
            return None
        scope = home
    home = scope.home(name)
    return None if home is None else Source(name, tensor, home, tuple(chain))


def uses(every: Iterable[Scope]) -> Counter[str]:
    """The number of times that each name is read, over a list of scopes."""
    count: Counter[str] = Counter()
    for scope in every:
        count.update(name for node in scope.graph.node for name in node.input)
        count.update(scope.outputs)
        for annotation in getattr(scope.graph, "quantization_annotation", ()):
            count.update(entry.value for entry in annotation.quant_parameter_tensor_names)
    return count


def sweep(model: ModelProto, names: Collection[str]) -> None:
    """Remove those of `names` that are now unused: initializers, nodes, inputs and metadata."""
    while True:
        every = scopes(model)
        count = uses(every)
        count.update(trained(model))
        gone: set[str] = set()
        for scope in every:
            dead = [
                node
                for node in scope.graph.node
                if node.output and all(name in names and not count[name] for name in node.output)
            ]
            for node in dead:
                gone.update(node.output)
                scope.graph.node.remove(node)
            unread = {name for name in scope.initializers if name in names and not count[name]}
            unused = unread - scope.overridable
            gone |= unused
            for values in (scope.graph.initializer, scope.graph.input) if unused else ():
                drop(values, unused, "name")
        if not gone:
            return
        for scope in every:
            for values, key in (("value_info", "name"), ("quantization_annotation", "tensor_name")):
                drop(getattr(scope.graph, values, []), gone, key)


def drop(values: MutableSequence[Any], names: Collection[str], key: str) -> None:
    """Remove the messages of a repeated field whose `key` is in `names`."""
    for index in reversed([i for i, value in enumerate(values) if getattr(value, key) in names]):
        del values[index]


def _inside(scope: Scope) -> list[Scope]:
    every = [scope]
    for node in scope.graph.node:
        repeated = scope.repeated or node.op_type in ("Loop", "Scan")
        for graph in subgraphs(node):
            given = {t.name for t in graph.initializer} & {v.name for v in graph.input}
            inner = Scope(graph, scope, scope.function, scope.opset, frozenset(given), repeated)
            every += _inside(inner)
    return every


def _opset(holder: ModelProto | FunctionProto) -> int:
    return next((o.version for o in holder.opset_import if o.domain in DEFAULT_DOMAINS), 0)
