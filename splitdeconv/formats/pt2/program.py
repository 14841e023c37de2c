"""Exported programs: a copy whose transposed convolutions are plain ATen convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.plan import SplitPlan
from ...errors import SplitDeconvError, one_line
from ...extras import require
from ..input_shapes import ModelInput
from ..model import Model
from .archive import file
from .constants import Constants
from .folding import found_in
from .layout import laid_out, layout_of
from .nodes import calls, graphs, lengths, place_of, shown_name
from .rewrite import Change, copy_of, rewrite
from .sites import site_of

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from ..input_shapes import Shape
    from ..site import Decision, Site

#: Operators whose computation PyTorch knows.
KNOWN = ("aten.", "prims.", "operator.", "higher_order.", "quantized", "<built-in", "torchvision.")


class ProgramModel(Model):
    """An exported program and the places of its transposed convolutions."""

    def __init__(self, program: ExportedProgram) -> None:
        self._program = program

    def sites(self) -> list[Site]:
        constants = Constants(self._program)
        return [
            site_of(this, constants)
            for graph, path in graphs(self._program)
            for this in found_in(graph, constants, place_of(self._program, path))
        ]

    def operators(self) -> list[tuple[str, int]]:
        """Every operator; the version is 1, because ATen's have none."""
        return [
            (shown_name(node), 1) for graph, _ in graphs(self._program) for node in calls(graph)
        ]

    def unseen(self) -> list[str]:
        """Operators that a user or another library has registered."""
        names = (name for name, _ in self.operators())
        return sorted({name for name in names if not name.startswith(KNOWN)})

    def inputs(self) -> list[ModelInput]:
        return [ModelInput(name, shape) for name, shape, _ in tensors_of(self._program)]

    def fix(self, shapes: list[Shape | None]) -> None:
        """Export the program anew for inputs of these shapes."""
        torch = require("torch", "torch")
        given = iter(shapes)
        examples: list[Any] = []
        for value in values_of(self._program):
            shape = next(given) if hasattr(value, "shape") else None
            if hasattr(value, "shape"):
                sizes = [n if isinstance(n, int) else None for n in value.shape]
                asked = sizes if shape is None else [*shape]
                # What stays open is fixed to the size of the example that it was exported with.
                hints = [getattr(getattr(n, "node", None), "hint", n) for n in value.shape]
                whole = [h if n is None else n for n, h in zip(asked, hints, strict=True)]
                zeros = torch.zeros(whole, dtype=value.dtype, device=value.device)
                value = laid_out(zeros, layout_of(value))
            examples.append(value)
        args, kwargs = torch.utils._pytree.tree_unflatten(examples, self._program.call_spec.in_spec)
        try:
            self._program = torch.export.export(self._program.module(), args, kwargs)
        # Tracing runs the operators of the program, which raise whatever they raise.
        except Exception as error:
            raise SplitDeconvError(
                "the program cannot be exported at these sizes",
                where="input_shape",
                expected="sizes that its conditions and its operators accept",
                got=one_line(error, typed=True),
                fix="choose other sizes, or export the module anew at them",
            ) from None

    def apply(self, decisions: Sequence[Decision]) -> None:
        changes = [
            Change(
                decision.site.key,
                SplitPlan(
                    decision.site.known_axes,
                    decision.site.groups,
                    str(decision.form),
                    decision.kernels,
                ),
                str(decision.interleave),
                bool(decision.folded),
            )
            for decision in decisions
            if decision.verdict == "convert"
        ]
        self._program = copy_of(self._program)
        rewrite(self._program, changes)

    def serialize(self) -> ExportedProgram:
        return self._program

    def write(self, path: Path) -> None:
        path.write_bytes(file.save(self._program))

    def let_go(self) -> None:
        pass  # the nodes of the sites need the graph


def values_of(program: ExportedProgram) -> list[Any]:
    """What the program takes, in order: fake tensors with their shapes, or constants."""
    kinds = require("torch.export.graph_signature", "torch")
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    values: list[Any] = []
    for spec in program.graph_signature.input_specs:
        if spec.kind != kinds.InputKind.USER_INPUT:
            continue
        constant = isinstance(spec.arg, kinds.ConstantArgument)
        values.append(spec.arg.value if constant else nodes[spec.arg.name].meta["val"])
    return values


def tensors_of(program: ExportedProgram) -> list[tuple[str, Shape, Any]]:
    """(name, shape, fake tensor) of each tensor that the program takes."""
    names = [n for n in program.graph_signature.user_inputs if isinstance(n, str)]
    nodes = [node for node in program.graph.nodes if node.name in names]
    return [
        (node.name, shape, node.meta["val"])
        for node in nodes
        if node.op == "placeholder" and (shape := lengths(node)) is not None
    ]
