"""The format of ONNX: protocol buffers, run by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...extras import require
from ..content import content
from ..format import Format
from ..graph import Node, alive
from ..port import DEFINITION, Runner
from ..recognition import wire

if TYPE_CHECKING:
    from ..content import Bytes
    from ..cut import Cut
    from ..site import Site
    from .model import OnnxModel


class Onnx(Format):
    """See `splitdeconv.formats.format`; what a method needs is imported when it is called."""

    name = "onnx"
    alone = (DEFINITION,)
    sized = True
    external = True

    def begins(self, head: Bytes) -> bool:
        return wire.is_onnx(head)

    def source(self, path: Path) -> Path:
        return path

    def bytes_outside(self, model: Path, path: str | None) -> int:
        from .storage.external_data import refers_to_files

        return self.parse(model, path).bytes_outside if refers_to_files(model) else 0

    def parse(self, data: Any, path: str | Path | None = None) -> OnnxModel:
        from .model import OnnxModel

        return OnnxModel.parse(data, path=path)

    def load(
        self,
        model: bytes | Path,
        path: str | None = None,
        kernels: str = "default",
        native: bool = False,
        threads: int | None = None,
    ) -> dict[str, Runner]:
        if kernels == DEFINITION:
            from .definition import Defined

            defined = Defined(content(model), path)
            return {"": Runner(defined.inputs, defined)}
        from .runtime import load

        return load(model, path, kernels, threads)

    def cut(
        self,
        original: bytes | Path,
        converted: bytes | Path,
        site: Site,
        folder: Path | None = None,
    ) -> Cut:
        from .cut import cut

        return cut(original, converted, site, folder)

    def spoiled(self, model: bytes | Path, site: Site) -> bytes:
        """The model with the operator's result negated."""
        from .graph import scopes

        onnx = require("onnx", "onnx")
        proto = onnx.load_model_from_string(content(model))
        graph = scopes(proto)[site.key.place].graph
        index, node = next(
            (i, n) for i, n in enumerate(graph.node) if n.output[:1] == site.key.node.output[:1]
        )
        name = node.output[0]
        node.output[0] = f"{name}_before_negation"
        graph.node.insert(index + 1, onnx.helper.make_node("Neg", [node.output[0]], [name]))
        return proto.SerializeToString()

    def perturbed(
        self, model: bytes | Path, sites: Sequence[Site], amount: float, seed: int
    ) -> bytes | None:
        from .biases import perturbed

        return perturbed(model, sites, amount, seed)

    def tables(self, model: bytes | Path) -> Iterator[tuple[str, int]]:
        from .indices import tables

        return tables(model)

    def lengths(self, model: bytes | Path) -> Iterator[str]:
        from .indices import lengths

        return lengths(model)

    def result(self, content: bytes, folder: Path | None) -> bytes:
        from .storage.saving import completed

        return content if folder is None else completed(content, folder)

    def save(
        self,
        content: bytes,
        folder: Path | None,
        path: str | Path,
        overwrite: bool = False,
        external: bool = False,
    ) -> Path:
        from .storage.saving import save

        return save(content, folder, path, overwrite, external)

    def layers(
        self,
        data: bytes | Path,
        where: str,
        path: str | Path | None = None,
        size: Sequence[int] | None = None,
    ) -> list[dict[str, Any]]:
        from .layers import layers

        return layers(content(data), where, size)

    def nodes(self, data: bytes) -> list[Node]:
        graph = require("onnx", "onnx").load_model_from_string(data).graph
        fixed = {tensor.name for tensor in graph.initializer}
        operators = (
            Node(node.op_type, tuple(name for name in node.input if name), tuple(node.output))
            for node in graph.node
        )
        return alive(operators, fixed)


FORMAT = Onnx()
