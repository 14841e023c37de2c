"""The format of TensorFlow Lite: flatbuffers, run by LiteRT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..content import content
from ..format import Format
from ..graph import Node, alive

if TYPE_CHECKING:
    from ...core.typing import NumpyArray
    from ..content import Bytes
    from ..cut import Cut
    from ..model import Model
    from ..port import Arrays, Runner
    from ..row import Row
    from ..site import Site


class TFLite(Format):
    """See `splitdeconv.formats.format`; what a method needs is imported when it is called."""

    name = "tflite"
    runs_empty = False
    exact_sums = True

    def begins(self, head: Bytes) -> bool:
        return head[4:8] == b"TFL3"

    def parse(self, data: bytes | Path, path: str | Path | None = None) -> Model:
        from .model import TFLiteModel

        return TFLiteModel.parse(content(data), path=path)

    def load(
        self,
        model: bytes | Path,
        path: str | None = None,
        kernels: str = "default",
        native: bool = False,
        threads: int | None = None,
    ) -> dict[str, Runner]:
        from .runtime import load

        return load(model, kernels, threads)

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
        """The model with the weights of the operator in another order."""
        from .flatbuffer.file import read, view, write

        parsed, _ = read(content(model), "the model")
        graph = parsed.subgraphs[site.key.subgraph]
        buffer = parsed.buffers[graph.tensors[site.key.stored_weights].buffer]
        buffer.data = np.ascontiguousarray(view(buffer)[::-1])
        return write(parsed)

    def tables(self, model: bytes | Path) -> Iterator[tuple[str, int]]:
        from .indices import tables

        return tables(model)

    def lengths(self, model: bytes | Path) -> Iterator[str]:
        from .indices import lengths

        return lengths(model)

    def step_bound(self, data: bytes | Path, site: Site) -> Callable[[NumpyArray], float] | None:
        from .hybrid import bound_of

        return bound_of(site, content(data))

    def keeps_state(
        self,
        model: bytes | Path,
        run: Runner,
        fresh: Callable[[], Runner],
        feed: Arrays,
        same: Callable[[Arrays, Arrays], bool],
    ) -> bool:
        """Whether variables cause the difference: models with state start equally when reloaded."""
        return same(fresh()(feed), fresh()(feed))

    def layers(
        self,
        data: bytes | Path,
        where: str,
        path: str | Path | None = None,
        size: Sequence[int] | None = None,
    ) -> list[Row]:
        from .layers import layers

        return layers(content(data), where)

    def nodes(self, data: bytes) -> list[Node]:
        from .flatbuffer.check import check
        from .flatbuffer.file import read
        from .graph import constant, operator_name, ports

        model, _ = read(data, "the TFLite model")
        check(model, "the TFLite model")
        graph = model.subgraphs[0]
        # A conversion changes indices but not names, so tensors are identified by name if it is
        # unique.
        names = [(tensor.name or b"").decode(errors="replace") for tensor in graph.tensors]
        counts = Counter(names)
        unique = [bool(name) and counts[name] == 1 for name in names]
        pairs = enumerate(zip(names, unique, strict=True))
        labels = [name if alone else f"{name}:{i}" for i, (name, alone) in pairs]
        fixed = {i for i, tensor in enumerate(graph.tensors) if constant(model, tensor) is not None}
        operators = []
        for operator in graph.operators:
            inputs = tuple(i for i in ports(operator.inputs) if i >= 0)
            outputs = tuple(ports(operator.outputs))
            operators.append(Node(operator_name(model, operator), inputs, outputs))
        return [node.renamed(labels) for node in alive(operators, fixed)]

    def arena_peak(self, model: bytes | Path) -> int:
        from .arena import arena_peak

        return arena_peak(content(model))


FORMAT = TFLite()
