"""An ONNX graph while it is drawn: nodes, ports, and tensors stored in all the ways of ONNX."""

from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.fuzz.case import chance, pick

LEAVES = ("initializer", "constant", "overridable", "open", "external", "sparse", "input")


@dataclass(frozen=True)
class Value:
    """A tensor in the graph with its channels, and its sizes as long as nothing is resized."""

    name: str
    channels: int
    sizes: tuple

    @property
    def rank(self):
        return len(self.sizes)


@dataclass
class Draft:
    """A graph: the main one, a branch, a loop's body or a function's.

    Args:
        rng: of everything drawn.
        opset, ir_version: of the model.
        outer: the draft this one is inside of.
        sealed: whether it may hold no initializers, as a function's body.
    """

    rng: np.random.Generator
    opset: int
    ir_version: int
    outer: "Draft | None" = None
    sealed: bool = False
    nodes: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    tensors: list = field(default_factory=list)
    sparse: list = field(default_factory=list)
    functions: list = field(default_factory=list)
    domains: set = field(default_factory=set)
    blob: bytearray = field(default_factory=bytearray)
    count: list = field(default_factory=lambda: [0])
    told: list = field(default_factory=list)

    def inside(self, sealed=False):
        """A draft for a graph inside this one: names go on being unique."""
        draft = Draft(self.rng, self.opset, self.ir_version, self, sealed or self.sealed)
        draft.count, draft.told, draft.domains = self.count, self.told, self.domains
        draft.functions, draft.blob = self.functions, self.blob
        return draft

    def fresh(self, stem):
        """A new name."""
        self.count[0] += 1
        return f"{stem}_{self.count[0]}"

    def add(self, kind, inputs, domain="", outputs=1, **attributes):
        """A node; returns the name of its output, or all names."""
        names = [self.fresh(kind.lower()) for _ in range(outputs)]
        if domain:
            self.domains.add(domain)
        attributes = {k: v for k, v in attributes.items() if v is not None}
        title = "" if chance(self.rng, 0.1) else names[0]
        self.nodes.append(
            helper.make_node(kind, list(inputs), names, name=title, domain=domain, **attributes)
        )
        return names[0] if outputs == 1 else names

    def tell(self, what):
        """Add to the story of the file."""
        if what not in self.told:
            self.told.append(what)

    def plain(self, stem, array):
        """A small constant that is not what this is about: a shape, axes, a scale."""
        return self.stored(stem, array, ("initializer", "constant"))

    def stored(self, stem, array, ways=LEAVES):
        """A tensor stored in one of several ways; returns its name."""
        array = np.asarray(array)
        fits = [way for way in ways if self._can(way, array)]
        often = {"initializer": 8, "constant": 2}
        way = pick(self.rng, fits, [often.get(one, 1) for one in fits])
        name = self.fresh(stem)
        if way not in ("initializer", "constant"):
            self.tell(way)
        getattr(self, f"_{way}")(name, array)
        return name

    def _can(self, way, array):
        floats = array.dtype == np.float32 and array.ndim > 0
        return {
            "initializer": not self.sealed,
            "constant": True,
            "overridable": self.outer is None,
            "open": self.outer is None and array.ndim > 2,
            "external": self.outer is None and array.ndim > 0,
            "sparse": self.outer is None and floats and self.opset >= 11,
            "input": self.outer is None and array.ndim > 0,
        }[way]

    def _initializer(self, name, array):
        tensor = numpy_helper.from_array(np.asarray(array, order="C"), name)
        if chance(self.rng, 0.15) and array.dtype in (np.float32, np.int64, np.int32):
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            tensor = helper.make_tensor(name, kind, array.shape, array.reshape(-1).tolist())
        self.tensors.append(tensor)
        if self.ir_version < 4 and self.outer is None:
            self.inputs.append(self.port(name, array.dtype, array.shape))

    def _constant(self, name, array):
        tensor = numpy_helper.from_array(np.asarray(array, order="C"), f"{name}_value")
        self.nodes.append(helper.make_node("Constant", [], [name], name=name, value=tensor))

    def _overridable(self, name, array, shape=None):
        self.tensors.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        self.inputs.append(self.port(name, array.dtype, array.shape if shape is None else shape))

    def _open(self, name, array):
        shape = [n if chance(self.rng, 0.5) else None for n in array.shape[:2]]
        shape += [n if chance(self.rng, 0.4) else None for n in array.shape[2:]]
        self._overridable(name, array, shape)

    def _input(self, name, array):
        self.inputs.append(self.port(name, array.dtype, array.shape))

    def _external(self, name, array):
        tensor = TensorProto(name=name, dims=array.shape)
        tensor.data_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor.data_location = TensorProto.EXTERNAL
        content, start = np.asarray(array, order="C").tobytes(), len(self.blob)
        self.blob.extend(content)
        entries = {"location": "weights.bin", "offset": str(start), "length": str(len(content))}
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)
        self.tensors.append(tensor)
        if self.ir_version < 4:
            self.inputs.append(self.port(name, array.dtype, array.shape))

    def _sparse(self, name, array):
        flat = array.reshape(-1)
        at = np.flatnonzero(flat)
        values = numpy_helper.from_array(flat[at], name)
        indices = numpy_helper.from_array(at.astype(np.int64), f"{name}_at")
        self.sparse.append(helper.make_sparse_tensor(values, indices, list(array.shape)))

    def port(self, name, dtype, shape):
        """What a graph declares of an input or output."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return helper.make_tensor_value_info(name, kind, shape)

    def graph(self, name):
        """The GraphProto."""
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.tensors)
        graph.sparse_initializer.extend(self.sparse)
        return graph

    def axes(self, kind, x, axes):
        """Squeeze or Unsqueeze, whose axes became an input with operator set 13."""
        if self.opset < 13:
            return self.add(kind, [x], axes=list(axes))
        return self.add(kind, [x, self.plain("axes", np.array(axes, np.int64))])
