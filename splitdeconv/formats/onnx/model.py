"""ONNX models: their transposed convolutions found, and rewritten as stride-1 convolutions in the same model.

Everything is done on the protocol buffer in memory. What is not a transposed convolution stays as it is: names,
metadata, operator sets, functions, training information. New values and nodes are named after those they come from.

*Weights.* Initializers and Constant nodes, also behind Identity, Cast, QuantizeLinear or DequantizeLinear, are cut in
NumPy as they are stored. All others (inputs, computed ones, initializers a caller may override or training updates)
are cut by nodes of the graph, if their shape is known.

*Quantized models* in the QDQ format keep their scales: the filters stay integers behind DequantizeLinear, and where a
transposed convolution's only reader is a QuantizeLinear, and its bias is quantized too, each of its convolutions is
followed by the same QuantizeLinear and its inverse, so that a runtime can compute all of them in integers; the
exception, signed filters that could saturate, is explained in `onnx_follow`. Quantizing twice with one scale
changes nothing; but an integer convolution sums exactly, where ONNX Runtime computes the ConvTranspose it replaces in
float32, so that a value halfway between two steps may fall to either side.

*External data* is read from files inside the model's folder only, and no sooner than needed. What `OnnxModel.serialize`
returns holds everything inside, up to protobuf's limit of 2 GiB; what `OnnxModel.write` writes still refers to large
tensors that nothing has changed (see `onnx_outside`).
"""

from contextlib import suppress
from pathlib import Path

from ...errors import SplitDeconvError
from ..content import content
from ..format import Model
from ..input_shapes import ModelInput, Shape
from . import unseen
from .graph import DEFAULT_DOMAINS, scopes, subgraphs
from .parse import LARGEST, all_tensors, array, inlined, is_external, locate, parse
from .rewrite.replace import rewrite
from .shapes.fix import fix, inputs_of
from .shapes.types import known_types, withdraw
from .sites import find, find_foreign
from .storage.bulk import light, save
from .storage.outside import staying

_SHOWN = 3  # files in a note


class OnnxModel(Model):
    """An ONNX model in memory; made by `parse`."""

    def __init__(self, model, data, folder):
        self._model, self._data, self._folder = model, data, folder
        self._scopes, self._types, self._found = [], [], []
        self._held, self._before = [], []  # for `let_go`
        #: What the model keeps in files beside its own, as far as they can be read.
        self.bytes_outside = _total(self._located())
        self.refers = bool(self._outside())
        #: What of it the model that was written last still keeps there.
        self.bytes_kept, self._files = 0, ()

    @classmethod
    def parse(cls, data, *, path=None):
        """Read a model without executing or loading anything else.

        Args:
            data: the bytes of the file, its path, or an onnx.ModelProto, which is left as it is. Of a path nothing
                is held but what was parsed.
            path: where it lies; external data is looked for beside it.

        Raises:
            SplitDeconvError: it is no sound model.
        """
        if isinstance(data, bytearray | memoryview):
            data = bytes(data)
        elif not isinstance(data, bytes | Path):
            data = data.SerializeToString(deterministic=True)
        where = str(path) if path is not None else "the model"
        return cls(parse(content(data), where), data, None if path is None else Path(path).parent)

    def sites(self):
        """The transposed convolutions, in the order of the graphs, as `Site` records."""
        self._scopes = scopes(self._model)
        self._types = known_types(self._model, self._scopes)
        pairs = find(self._scopes, self._types, self._read)
        self._found = self._held = [this for this, _ in pairs]
        self._before = scopes(light(self._model))
        functions = {(function.domain, function.name) for function in self._model.functions}
        return [site for _, site in pairs] + find_foreign(self._scopes, functions)

    def operators(self):
        """Every operator of the model, functions included, with the version of its operator set."""
        operators = []
        for holder, graph in ((self._model, self._model.graph), *((f, f) for f in self._model.functions)):
            versions = {o.domain: o.version for o in holder.opset_import}
            stack = [graph]
            while stack:
                for node in stack.pop().node:
                    plain = node.domain in DEFAULT_DOMAINS
                    version = next((versions[d] for d in (node.domain, *DEFAULT_DOMAINS * plain) if d in versions), 1)
                    operators.append((node.op_type if plain else f"{node.domain}.{node.op_type}", version))
                    stack.extend(subgraphs(node))
        return operators

    def unseen(self) -> list[str]:
        """Operators that neither a standard nor the model defines, with their domains."""
        return unseen.names(self._model)

    def inputs(self) -> list[ModelInput]:
        """What a caller has to give it, tensors and others."""
        return inputs_of(self._model)

    def fix(self, shapes: list[Shape | None]) -> None:
        """Fix open dimensions of inputs, what the model calls by the same symbol, and what follows from them.

        Args:
            shapes: of each of `inputs`, None in them for a length that stays; None for an input that does.

        Raises:
            SplitDeconvError: two sizes for one symbol, or an input that is no tensor.
        """
        fix(self._model, shapes)
        self._data = None

    def apply(self, decisions):
        """Rewrite, in memory, the sites whose verdict is "convert".

        Args:
            decisions: `Decision` records about the sites of the last call of `sites`.

        Raises:
            SplitDeconvError: a site is not of this model, or cannot be rewritten as decided.
        """
        chosen = [d for d in decisions if d.verdict == "convert"]
        for decision in chosen:
            if not any(decision.site.key is this for this in self._found) or decision.site.problem:
                raise SplitDeconvError(
                    "this transposed convolution is none that can be rewritten here",
                    where=decision.site.name,
                    expected="a decision about the latest sites() of this model, and a site without a problem",
                    got=decision.site.problem or "another site",
                )
        if chosen:
            withdraw(self._scopes, self._types)
            rewrite(self._model, self._scopes, [(d.site.key, d.form, d.interleave) for d in chosen], self._folder)
            self._data, self._scopes, self._types, self._found = None, [], [], []

    def let_go(self):
        """Let the sites hold on to a light copy of the model, as they were when found, and to nothing else of it.

        They are known to `apply` no more.
        """
        for this in self._held:
            scope = self._before[this.place]
            this.node = next(node for node in scope.graph.node if node.output[:1] == this.node.output[:1])
            this.scope, this.weights, this.bias = scope, None, None
        self._scopes, self._types, self._found, self._held = [], [], [], []

    def serialize(self):
        """The model as one file, external data inside; unchanged if nothing was changed.

        Raises:
            SplitDeconvError: external data cannot be read, or the file would exceed protobuf's 2 GiB.
        """
        outside = self._outside()
        if self._data is not None and not outside:
            return content(self._data)
        self._check_size(outside, self._model.ByteSize())
        for tensor in outside:
            tensor.CopyFrom(inlined(tensor, self._folder))
        self._data = None
        return self._model.SerializeToString(deterministic=True)

    def write(self, path):
        """Write the model to a file, and end with it: no stored tensor is held twice, and the model is left without its
        main graph's. Large tensors in other files stay there; the paths to them are as they were.

        Args:
            path: of the file.

        Raises:
            SplitDeconvError: external data cannot be read, or the file would exceed protobuf's 2 GiB.
        """
        kept = staying(self._model, self._folder)
        found = [locate(tensor, self._folder) for tensor in kept]
        self.bytes_kept, self._files = _total(found), tuple(sorted({_location(tensor) for tensor in kept}))
        stays = {id(tensor) for tensor in kept}
        outside = [tensor for tensor in self._outside() if id(tensor) not in stays]
        if self._data is not None and not outside:
            Path(path).write_bytes(content(self._data))
            return
        stored = list(self._model.graph.initializer)
        del self._model.graph.initializer[:]
        self._check_size(outside, self._model.ByteSize() + sum(tensor.ByteSize() for tensor in stored))
        brought = {id(tensor) for tensor in outside}
        for tensor in self._outside():
            if id(tensor) in brought:
                tensor.CopyFrom(inlined(tensor, self._folder))
        save(self._model, lambda: (inlined(t, self._folder) if id(t) in brought else t for t in stored), path)

    def _check_size(self, outside, held):
        """Refuse a file of so many bytes held and those of tensors outside."""
        size = held + sum(locate(tensor, self._folder)[2] for tensor in outside)
        if size > LARGEST:
            raise SplitDeconvError(
                "the model is too large for one file",
                where="OnnxModel.serialize",
                expected=f"up to {LARGEST} bytes, external data included",
                got=f"{size} bytes",
                fix="convert fewer layers, or choose the form split, which adds no weights"
                if self._data is None
                else "there is nothing to convert in it: use it as it is",
            )

    def notes(self):
        """What who keeps the file has to know."""
        if self.bytes_kept:
            files = ", ".join(self._files[:_SHOWN]) + ", ..." * (len(self._files) > _SHOWN)
            return (
                f"{self.bytes_kept:,} bytes stay in other files ({files}): the result refers to them if it is saved in "
                "the folder of the original, and is saved with a copy of them anywhere else",
            )
        return ("what the model kept in other files is inside it now",) if self.bytes_outside else ()

    def _outside(self):
        """The tensors that are kept in other files."""
        return [tensor for tensor in all_tensors(self._model) if is_external(tensor)]

    def _located(self):
        """Where they are; those that cannot be read are left out here, and refused where they are needed."""
        for tensor in self._outside():
            with suppress(SplitDeconvError):
                yield locate(tensor, self._folder)

    def _read(self, tensor):
        return array(tensor, self._folder)


def _total(places):
    """Bytes in other files; tensors in one place count once."""
    return sum({(path, start): size for path, start, size in places}.values())


def _location(tensor):
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
