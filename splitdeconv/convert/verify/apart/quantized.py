"""Find out whether two quantized ONNX models differ only by quantizer steps.

Both are taken apart at their rewritten operators; see `splice`. Models that cannot be taken apart
this way are compared in double precision; see `double`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ....core.typing import NumpyArray
from ....extras import require
from ....formats.content import content
from ....formats.cut import Cut, UncutError
from ....formats.onnx.graph import scopes
from ....formats.port import Arrays
from ....formats.site import Site
from ..alone import cut
from ..difference import Output
from ..entry import Entry, Pair
from ..run import load
from .double import Double
from .splice import Alone, Ends, explain

if TYPE_CHECKING:
    import onnx

_QUANTIZERS = ("QuantizeLinear", "DynamicQuantizeLinear")


class QuantizedSplice:
    """Decides whether a difference is caused by quantizers alone.

    Args:
        pair: the two models.
        sites: the rewritten transposed convolutions of the original.
    """

    def __init__(self, pair: Pair, sites: Sequence[Site]) -> None:
        self._pair, self._sites = pair, sites
        self._loaded: dict[str, _Parts] = {}
        self._double = Double(pair, sites)

    @cached_property
    def _quantized(self) -> bool:
        """Whether there are any quantizers, including those in branches, loops and functions."""
        model = require("onnx", "onnx").load_model_from_string(content(self._pair.original))
        return any(
            node.op_type in _QUANTIZERS for scope in scopes(model) for node in scope.graph.node
        )

    @cached_property
    def _cuts(self) -> list[Cut] | None:
        """The operators in isolation; None if the models cannot be taken apart this way."""
        if any(site.key.place for site in self._sites):
            return None
        try:
            return [cut(self._pair, site) for site in self._sites]
        except UncutError:
            return None

    def explain(
        self, entry: Entry, feed: Arrays, record: Output, theirs: NumpyArray, bound: float
    ) -> Output:
        """Re-evaluate a differing output; see `entry.Explain`."""
        if not self._quantized:
            return record
        if self._cuts is None:
            return self._double.explain(feed, record, theirs)
        # What taking apart does not explain stays a difference: double precision would only tell
        # that the models mean the same, not that the runtime computes the same.
        if entry.kernels not in self._loaded:
            parts = _Parts(self._pair, self._sites, self._cuts, entry.kernels)
            self._loaded[entry.kernels] = parts
        parts = self._loaded[entry.kernels]
        return explain(parts, self._pair.delta, feed, record, theirs, bound)


class _Parts:
    """The converted model with inner values as outputs, the original without sites, the sites."""

    def __init__(
        self, pair: Pair, sites: Sequence[Site], cuts: Sequence[Cut], kernels: str
    ) -> None:
        onnx = require("onnx", "onnx")
        parse = onnx.load_model_from_string
        graphs = [parse(part.original).graph for part in cuts]
        lasts = [graph.output[0] for graph in graphs]
        sinks = {port.name: port.type.tensor_type.elem_type for port in lasts}
        firsts = [graph.input[0] for graph in graphs]
        sources = {port.name: port.type.tensor_type.elem_type for port in firsts}
        exposed, rest = parse(content(pair.converted)), parse(content(pair.original))
        _put_out(exposed.graph, sources | sinks)
        for index in reversed(range(len(rest.graph.node))):
            if set(rest.graph.node[index].output) & sinks.keys():
                del rest.graph.node[index]
        rest.graph.input.extend(
            onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in sinks.items()
        )
        _put_out(rest.graph, sources)
        self._sources = [port.name for port in firsts]
        self._sinks = [port.name for port in lasts]
        self._exposed, self._rest = (
            load(pair.format, model.SerializeToString(), path, kernels)[""]
            for model, path in ((exposed, pair.converted_path), (rest, pair.path))
        )
        self.alone: Sequence[Alone] = [
            Alone(part, pair, site, kernels) for part, site in zip(cuts, sites, strict=True)
        ]

    def seen(self, feed: Arrays) -> list[Ends]:
        """See `splice.Parts`."""
        values = self._exposed(feed) | feed
        ends = zip(self._sources, self._sinks, strict=True)
        return [Ends(values[source], values[sink]) for source, sink in ends]

    def rest(self, feed: Arrays, results: Sequence[NumpyArray]) -> tuple[Arrays, list[NumpyArray]]:
        """See `splice.Parts`."""
        given = feed | dict(zip(self._sinks, results, strict=True))
        outputs = self._rest(given)
        # An operator may read an input of the model or the result of another one.
        values = given | outputs
        return outputs, [values[source] for source in self._sources]


def _put_out(graph: onnx.GraphProto, types: Mapping[str, int]) -> None:
    """Add the values of a graph with these names and data types to its outputs."""
    present = {value.name for value in (*graph.output, *graph.input)}
    value = require("onnx", "onnx").helper.make_tensor_value_info
    graph.output.extend(
        value(name, kind, None) for name, kind in types.items() if name not in present
    )
