"""TFLite models: finds every transposed convolution and rewrites those chosen, in the flatbuffer.

TensorFlow is not needed, and nothing of a model is executed except arithmetic on the shapes that a
user fixes. Everything else stays as it is: other operators, custom ones and their options,
metadata, signatures, quantization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SplitDeconvError
from ..input_shapes import ModelInput, Shape, advice
from ..model import Model
from ..site import Decision, Site
from . import unseen
from .counts import counted
from .flatbuffer.bounds import schema
from .flatbuffer.check import builtin, check
from .flatbuffer.file import read, save, write
from .graph import operator_name, producers
from .rewrite.edit import Editor
from .rewrite.remove import substitute, sweep, used
from .rewrite.split import split_site
from .shapes.fix import fix
from .shapes.fold import drop
from .shapes.inputs import advised, entrances
from .sites import find_sites
from .uses import Use, uses

if TYPE_CHECKING:
    from ..content import Bytes
    from .flatbuffer.objects import ModelT, OperatorT
    from .sites import Handle


class TFLiteModel(Model):
    """A .tflite model in memory, created by `parse`."""

    def __init__(self, model: ModelT, tail: bytes, where: str) -> None:
        self._model, self._tail, self._where = model, tail, where
        self._was_fixed = False  # whether there may be unused arithmetic on shapes
        self._fixed: list[str] = []  # notes on operators whose image could be resized before

    @classmethod
    def parse(cls, data: Bytes, *, path: str | Path | None = None) -> TFLiteModel:
        """Read a model from its bytes as data: nothing is executed, and everything is checked.

        Args:
            data: the file's bytes; constants are views of them, so they must not change.
            path: the name of the file in errors.

        Raises:
            SplitDeconvError: it is not a valid TFLite model, or its weights are in other files.
        """
        where = "the TFLite model" if path is None else str(path)
        model, tail = read(bytes(data) if not isinstance(data, bytes) else data, where)
        check(model, where)
        return cls(model, tail, where)

    def sites(self) -> list[Site]:
        """Every transposed convolution, in the order of the file."""
        way = advice(self.inputs())
        sites = [counted(self._model, site) for site in find_sites(self._model)]
        return [replace(site, problem=advised(site.problem, way)) for site in sites]

    def operators(self) -> list[tuple[str, int]]:
        """(name, version) of every operator, subgraph by subgraph."""
        return [(name, version) for name, version, _ in uses(self._model)]

    def left(self, decisions: Sequence[Decision] = ()) -> list[Use]:
        """(name, version, element types) of every operator that stays, without the new ones.

        Args:
            decisions: about the sites that `sites` returned last, not yet carried out.
        """
        return uses(self._model, decisions)

    def unseen(self) -> list[str]:
        """The custom operators whose computation is unknown, by name."""
        codes = self._model.operatorCodes
        customs = (
            operator_name(self._model, operator)
            for graph in self._model.subgraphs
            for operator in graph.operators or ()
            if builtin(codes[operator.opcodeIndex]) == schema().BuiltinOperator.CUSTOM
        )
        return unseen.names(customs)

    def inputs(self) -> list[ModelInput]:
        """The inputs of every entry point."""
        return [entrance.port for entrance in entrances(self._model)]

    def fix(self, shapes: list[Shape | None]) -> None:
        """Fix open dimensions of inputs and of dependent tensors; LiteRT infers the shapes.

        Args:
            shapes: one per input; None for an input that stays.

        Raises:
            SplitDeconvError: a dimension of an input to fix would stay open, or LiteRT rejects the
                model at these shapes.
        """
        places = entrances(self._model)
        given: dict[tuple[int, int], tuple[int, ...]] = {}
        for entrance, shape in zip(places, shapes, strict=True):
            if shape is None:
                continue
            sizes = tuple(n for n in shape if n is not None)
            if len(sizes) < len(shape):
                raise SplitDeconvError(
                    "dimensions other than the batch are open",
                    where=f"{self._where}, input {entrance.port.name}",
                    expected="-1 in the first dimension only",
                    got=f"shape {entrance.port.declared}",
                    fix=f"fix all of them with {advice([entrance.port for entrance in places])}",
                )
            given[entrance.subgraph, entrance.tensor] = sizes
        fix(self._model, given, self._where)
        self._was_fixed = True

    def apply(self, decisions: Sequence[Decision]) -> None:
        """Rewrite the sites whose verdict is "convert".

        Args:
            decisions: about the sites that `sites` returned last.

        Raises:
            SplitDeconvError: an interleave has no kernel for the type. The model is then unchanged.
        """
        chosen = [decision for decision in decisions if decision.verdict == "convert"]
        for decision in chosen:
            if decision.interleave == "depth_to_space" and decision.site.dtype == "int16x8":
                raise SplitDeconvError(
                    "DEPTH_TO_SPACE has no int16 kernel",
                    where=decision.site.name,
                    expected="interleave concat, batch_to_space or transpose",
                    got=decision.interleave,
                )
        self._fixed += [_fixed(decision) for decision in chosen if _is_fixed(decision)]
        before = used(self._model)
        replacements: dict[int, dict[int, list[OperatorT]]] = {}
        for decision in chosen:
            handle: Handle = decision.site.key
            replacements.setdefault(handle.subgraph, {})[handle.operator] = self._rewrite(decision)
        for number, of_graph in replacements.items():
            substitute(self._model, self._model.subgraphs[number], of_graph)
        if self._was_fixed:
            for graph in self._model.subgraphs:
                drop(self._model, graph)
        if replacements or self._was_fixed:
            sweep(self._model, before)

    def _rewrite(self, decision: Decision) -> list[OperatorT]:
        site = decision.site
        handle: Handle = site.key
        graph = self._model.subgraphs[handle.subgraph]
        makers = producers(graph)
        pairs = (handle.stored_weights, handle.weights), (handle.stored_bias, handle.bias)
        unpackers = {
            stored: makers[tensor]
            for stored, tensor in pairs
            if stored is not None and tensor is not None and stored != tensor
        }
        # TensorFlow's converter joins the names of all parts of a fused operator: NAME;NAME.
        prefix = site.name.split(";")[0] + "/split"
        opened = (site.batch is None, *(axis.n is None for axis in site.known_axes))
        editor = Editor(self._model, graph, prefix, opened)
        interleave = decision.interleave or "concat"
        return split_site(editor, site, decision.plan, interleave, unpackers)

    def notes(self) -> tuple[str, ...]:
        """Notes for the user of the converted file."""
        return tuple(self._fixed)

    def serialize(self) -> bytes:
        """The bytes of a .tflite file, which are identical for equal models and decisions.

        Raises:
            SplitDeconvError: it has become too large for one flatbuffer.
        """
        return write(self._model, self._tail)

    def write(self, path: Path) -> None:
        """Write the result of `serialize` to a file.

        Raises:
            SplitDeconvError: as for `serialize`.
        """
        save(self._model, path, self._tail)


def _is_fixed(decision: Decision) -> bool:
    """Whether an operator is now limited to its image size, unlike the original in LiteRT."""
    site = decision.site
    strided = max(axis.s for axis in site.known_axes) > 1
    reshapes = strided and decision.interleave in ("concat", "transpose")
    # Only XNNPACK follows the input; other kernels, such as int16's, use the shape in the file.
    return reshapes and site.dtype != "int16x8" and site.batch is not None


def _fixed(decision: Decision) -> str:
    """The note about such an operator for the user."""
    site, (rows, columns) = decision.site, (axis.n for axis in decision.site.known_axes)
    others = " or ".join(name for name in site.interleaves if name.endswith("_to_space"))
    return (
        f"{site.name}: interleave {decision.interleave} fixes its input size at {rows}x{columns}; "
        f"to resize images (resize_tensor_input), use interleave {others}; the batch can be resized"
    )
