"""ONNX models: transposed convolutions, rewritten as stride-1 convolutions in the same model.

Everything happens on the protocol buffer in memory. Everything except the transposed convolutions
stays as it is: names, metadata, operator sets, functions, training information. The names of new
values and nodes are derived from those that they replace.

*Weights.* Initializers and Constant nodes, also behind Identity, Cast, QuantizeLinear or
DequantizeLinear, are cut in NumPy in their stored form. All other weights (inputs, computed values,
initializers that a caller may override or training updates) are cut by nodes of the graph, if their
shape is known.

*Quantized models* in the QDQ format keep their scales: the filters stay integers behind
DequantizeLinear. If the only reader of a transposed convolution is a QuantizeLinear, and its bias
is quantized as well, each of its convolutions is followed by the same QuantizeLinear and its
inverse, so that a runtime can compute all of them with integers. The exception, signed filters that
could saturate, is explained in `follow`. Quantizing twice with one scale changes nothing. But
an integer convolution sums exactly, whereas ONNX Runtime computes the original ConvTranspose in
float32, so a value halfway between two steps may be rounded either way.

*External data* is only read from files inside the model's folder, and only when it is needed. What
`OnnxModel.serialize` returns is self-contained, up to protobuf's limit of 2 GiB; what
`OnnxModel.write` writes still refers to large tensors that have not changed; see
`storage.external_data`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SplitDeconvError
from ..content import content
from ..input_shapes import ModelInput, Shape
from ..model import Model
from . import unseen
from .graph import DEFAULT_DOMAINS, scopes, subgraphs
from .parse import parse
from .rewrite.replace import Change, rewrite
from .shapes.fix import fix, inputs_of
from .shapes.types import known_types, withdraw
from .sites import find, find_foreign
from .storage.bulk import light, save
from .storage.external_data import staying
from .tensors import LARGEST, all_tensors, array, inlined, is_external, locate

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

    from ...core.typing import NumpyArray
    from ..site import Decision, Site
    from .graph import Known, Scope
    from .sites import Found
    from .tensors import Place

_SHOWN = 3  # files listed in a note


class OnnxModel(Model):
    """An ONNX model in memory, created by `parse`."""

    def __init__(self, model: ModelProto, data: bytes | Path, folder: Path | None) -> None:
        self._model, self._folder = model, folder
        self._data: bytes | Path | None = data  # None once the model has changed
        self._scopes: list[Scope] = []
        self._types: list[Known] = []
        self._found: list[Found] = []
        self._held: list[Found] = []  # for `let_go`, as are the next
        self._before: list[Scope] = []
        #: Bytes that the model stores in other files, as far as these can be read.
        self.bytes_outside = _total(self._located())
        self.refers = bool(self._outside())
        #: How many of these bytes the last written model still stores there.
        self.bytes_kept = 0
        self._files: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls,
        data: bytes | bytearray | memoryview | Path | ModelProto,
        *,
        path: str | Path | None = None,
    ) -> OnnxModel:
        """Read a model without executing it or loading anything else.

        Args:
            data: the bytes of the file, its path, or an onnx.ModelProto, which is not modified. If
                it is a path, only the parsed model is kept in memory.
            path: where the model is; external data is looked up beside it.

        Raises:
            SplitDeconvError: it is not a valid model.
        """
        source: bytes | Path
        if isinstance(data, bytearray | memoryview):
            source = bytes(data)
        elif isinstance(data, bytes | Path):
            source = data
        else:
            source = data.SerializeToString(deterministic=True)
        where = str(path) if path is not None else "the model"
        folder = None if path is None else Path(path).parent
        return cls(parse(content(source), where), source, folder)

    def sites(self) -> list[Site]:
        """The transposed convolutions, in the order of the graphs, as `Site` records."""
        self._scopes = scopes(self._model)
        self._types = known_types(self._model, self._scopes)
        pairs = find(self._scopes, self._types, self._read)
        self._found = self._held = [this for this, _ in pairs]
        self._before = scopes(light(self._model))
        functions = {(function.domain, function.name) for function in self._model.functions}
        return [site for _, site in pairs] + find_foreign(self._scopes, functions)

    def operators(self) -> list[tuple[str, int]]:
        """Every operator of the model and its functions, with the version of its operator set."""
        operators: list[tuple[str, int]] = []
        holders = [(self._model, self._model.graph), *((f, f) for f in self._model.functions)]
        for holder, graph in holders:
            versions = {o.domain: o.version for o in holder.opset_import}
            stack = [graph]
            while stack:
                for node in stack.pop().node:
                    plain = node.domain in DEFAULT_DOMAINS
                    domains = DEFAULT_DOMAINS if plain else ()
                    known = (versions[d] for d in (node.domain, *domains) if d in versions)
                    name = node.op_type if plain else f"{node.domain}.{node.op_type}"
                    operators.append((name, next(known, 1)))
                    stack.extend(subgraphs(node))
        return operators

    def unseen(self) -> list[str]:
        """Operators that neither a standard nor the model defines, with their domains."""
        return unseen.names(self._model)

    def inputs(self) -> list[ModelInput]:
        """What a caller has to pass to the model: tensors and other values."""
        return inputs_of(self._model)

    def fix(self, shapes: list[Shape | None]) -> None:
        """Fix open dimensions of inputs, all uses of the same symbols, and the shapes that follow.

        Args:
            shapes: one per input, with None for lengths that stay; None for an input that stays.

        Raises:
            SplitDeconvError: a symbol gets two sizes, or an input is not a tensor.
        """
        fix(self._model, shapes)
        self._data = None

    def apply(self, decisions: Sequence[Decision]) -> None:
        """Rewrite, in memory, the sites whose verdict is "convert".

        Args:
            decisions: `Decision` records about the sites of the last call of `sites`.

        Raises:
            SplitDeconvError: a site is not in this model, or cannot be rewritten as decided.
        """
        chosen = [d for d in decisions if d.verdict == "convert"]
        for decision in chosen:
            if not any(decision.site.key is this for this in self._found) or decision.site.problem:
                raise SplitDeconvError(
                    "this ConvTranspose cannot be rewritten",
                    where=decision.site.name,
                    expected="a decision about the latest sites() of this model, and a site "
                    "without a problem",
                    got=decision.site.problem or "another site",
                )
        if chosen:
            withdraw(self._scopes, self._types)
            changes = [
                Change(d.site.key, d.plan, d.interleave or "", bool(d.folded)) for d in chosen
            ]
            rewrite(self._model, self._scopes, changes, self._folder)
            self._data, self._scopes, self._types, self._found = None, [], [], []

    def let_go(self) -> None:
        """Reduce what the sites refer to: a light copy of the model as it was when they were found.

        After this, `apply` does not accept them any more.
        """
        for this in self._held:
            scope = self._before[this.place]
            this.node = next(
                node for node in scope.graph.node if node.output[:1] == this.node.output[:1]
            )
            this.scope, this.weights, this.bias, this.tail = scope, None, None, None
        self._scopes, self._types, self._found, self._held = [], [], [], []

    def serialize(self) -> bytes:
        """The model as one file with external data inside; the original bytes if nothing changed.

        Raises:
            SplitDeconvError: external data cannot be read, or the file would exceed protobuf's 2
                GiB.
        """
        outside = self._outside()
        if self._data is not None and not outside:
            return content(self._data)
        self._check_size(outside, self._model.ByteSize())
        for tensor in outside:
            tensor.CopyFrom(inlined(tensor, self._folder))
        self._data = None
        return self._model.SerializeToString(deterministic=True)

    def write(self, path: Path) -> None:
        """Write the model to a file; the model must not be used afterwards.

        No stored tensor is held in memory twice, and the model loses those of its main graph. Large
        tensors in other files stay there, and their paths do not change.

        Args:
            path: of the file.

        Raises:
            SplitDeconvError: external data cannot be read, or the file would exceed protobuf's 2
                GiB.
        """
        kept = staying(self._model, self._folder)
        self.bytes_kept = _total(locate(tensor, self._folder) for tensor in kept)
        self._files = tuple(sorted({_location(tensor) for tensor in kept}))
        stays = {id(tensor) for tensor in kept}
        outside = [tensor for tensor in self._outside() if id(tensor) not in stays]
        if self._data is not None and not outside:
            Path(path).write_bytes(content(self._data))
            return
        stored = list(self._model.graph.initializer)
        del self._model.graph.initializer[:]
        held = self._model.ByteSize() + sum(tensor.ByteSize() for tensor in stored)
        self._check_size(outside, held)
        brought = {id(tensor) for tensor in outside}
        for tensor in self._outside():
            if id(tensor) in brought:
                tensor.CopyFrom(inlined(tensor, self._folder))
        save(
            self._model,
            lambda: (inlined(t, self._folder) if id(t) in brought else t for t in stored),
            path,
        )

    def _check_size(self, outside: Iterable[TensorProto], held: int) -> None:
        """Reject a file whose size, including the tensors outside, would be too large."""
        size = held + sum(locate(tensor, self._folder).size for tensor in outside)
        if size > LARGEST:
            way_out = "there is nothing to convert in it: use it as it is"
            if self._data is None:
                way_out = "convert fewer layers, or choose the form split, which adds no weights"
            raise SplitDeconvError(
                "the model is too large for one file",
                where="the .onnx model",
                expected=f"up to {LARGEST} bytes, external data included",
                got=f"{size} bytes",
                fix=way_out,
            )

    def notes(self) -> tuple[str, ...]:
        """Notes for the user of the converted file."""
        if self.bytes_kept:
            shown = [*self._files[:_SHOWN], *(["..."] if len(self._files) > _SHOWN else [])]
            return (
                f"{self.bytes_kept:,} bytes stay in other files ({', '.join(shown)}): the result "
                "refers to them if it is saved in the folder of the original; saved anywhere else, "
                "it gets a copy of them",
            )
        return ("data from the model's other files is now inside it",) if self.bytes_outside else ()

    def _outside(self) -> list[TensorProto]:
        """The tensors that are stored in other files."""
        return [tensor for tensor in all_tensors(self._model) if is_external(tensor)]

    def _located(self) -> Iterator[Place]:
        """Their locations, without those that cannot be read; these are rejected when needed."""
        for tensor in self._outside():
            with suppress(SplitDeconvError):
                yield locate(tensor, self._folder)

    def _read(self, tensor: TensorProto) -> NumpyArray:
        return array(tensor, self._folder)


def _total(places: Iterable[Place]) -> int:
    """Bytes in other files; tensors at the same location count once."""
    return sum({(path, start): size for path, start, size in places}.values())


def _location(tensor: TensorProto) -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
