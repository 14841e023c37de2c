"""Why two quantized ONNX models differ: steps of quantizers, or something else.

A quantizer turns a difference in the last bit of a float into a whole step where the value lies
between two steps, and whatever reads it goes on from there. No tolerance on a model's outputs tells
this from a fault. Two comparisons do, and both are strict:

* each rewritten operator, on the very values that reach it in the converted model, yields what the
  original operator yields for them, up to rounding, or up to one step of the quantizer that reads it;
* the rest of the original model, handed what the rewritten operators yielded, puts out what the
  converted model does, and what the rewritten operators read there, up to rounding: both run the
  same operators on the same numbers.

Where models cannot be taken apart so, they are compared in double precision; see `verify_double`.
"""

from dataclasses import replace
from functools import cached_property

from ...extras import require
from ...formats.content import content
from ...formats.cut import Cut, UncutError
from ...formats.onnx.graph import scopes
from .alone import cut
from .difference import measure, rounding
from .double import Double
from .entry import greatest
from .run import load
from .steps import forgive_steps

_QUANTIZERS = ("QuantizeLinear", "DynamicQuantizeLinear")


class Splice:
    """Tells whether a difference is that of quantizers.

    Args:
        pair: the two models.
        sites: the rewritten transposed convolutions of the original.
    """

    def __init__(self, pair, sites):
        self._pair, self._sites, self._loaded = pair, sites, {}
        self._double = Double(pair, sites)

    @cached_property
    def _quantized(self) -> bool:
        """Whether there are quantizers at all, those of branches, loops and functions among them."""
        model = require("onnx", "onnx").load_model_from_string(content(self._pair.original))
        return any(node.op_type in _QUANTIZERS for scope in scopes(model) for node in scope.graph.node)

    @cached_property
    def _parts(self) -> list[Cut] | None:
        """The operators alone; None where the models cannot be taken apart so."""
        if any(site.key.place for site in self._sites):
            return None
        try:
            return [cut(self._pair, site) for site in self._sites]
        except UncutError:
            return None

    def explain(self, entry, feed, record, theirs, bound):
        """The record of an output that differs again, passed if quantizers are the only reason.

        Args:
            entry: the `Entry` of both models.
            feed: the sample.
            record: what comparing the output came to.
            theirs: the converted model's output.
            bound: how far rounding of floats may move it.

        Raises:
            RejectedError: a runtime does not take one of the parts.
        """
        if not self._quantized:
            return record
        again = record
        if self._parts is not None:
            again = self._spliced(entry.kernels, feed, record, theirs, bound)
        return again if again.passed else self._double.explain(feed, record, theirs)

    def _spliced(self, kernels, feed, record, theirs, bound):
        """The record again, by the two comparisons above."""
        if kernels not in self._loaded:
            self._loaded[kernels] = self._load(kernels)
        exposed, rest, alone = self._loaded[kernels]
        seen = exposed(feed)
        moved = 0
        for site, part, run in zip(self._sites, self._parts, alone, strict=True):
            sink = site.key.node.output[0]
            source = run.inputs[0].name
            values = feed[source] if source in feed else seen[source]
            (ours,) = run({source: values}).values()
            tolerance = rounding([site]) * greatest(ours)
            one = measure(sink, ours, seen[sink], tolerance)
            if not one.passed and part.grid is not None:
                one = forgive_steps(one, ours, seen[sink], tolerance, part.grid)
            if not one.passed:
                return record
            moved += int((ours != seen[sink]).sum())
        given = {site.key.node.output[0]: seen[site.key.node.output[0]] for site in self._sites}
        again = rest(feed | given)
        if not measure(record.name, again[record.name], theirs, bound).passed:
            return record
        for name in again.keys() & {run.inputs[0].name for run in alone}:
            if not measure(name, again[name], seen[name], self._pair.delta * greatest(again[name])).passed:
                return record
        finding = (
            f"{record.finding}; by steps of quantizers: each rewritten operator agrees on the values that reach "
            f"it ({moved} differ in rounding), and the rest of the model on what it yields"
        )
        return replace(record, passed=True, tolerance=record.max_abs, finding=finding)

    def _load(self, kernels):
        """(the converted model with inner values put out, the original without its sites, each site alone)."""
        pair, onnx = self._pair, require("onnx", "onnx")
        parse = onnx.load_model_from_string
        sinks = {site.key.node.output[0]: site.key.computes for site in self._sites}
        firsts = [parse(part.original).graph.input[0] for part in self._parts]
        sources = {port.name: port.type.tensor_type.elem_type for port in firsts}
        exposed, rest = parse(content(pair.converted)), parse(content(pair.original))
        _put_out(exposed.graph, sources | sinks)
        for index in reversed(range(len(rest.graph.node))):
            if set(rest.graph.node[index].output) & sinks.keys():
                del rest.graph.node[index]
        rest.graph.input.extend(onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in sinks.items())
        _put_out(rest.graph, sources)
        runs = [
            load(pair.format, model.SerializeToString(), path, kernels)[""]
            for model, path in ((exposed, pair.converted_path), (rest, pair.path))
        ]
        return *runs, [load(pair.format, part.original, pair.path, kernels)[""] for part in self._parts]


def _put_out(graph, types):
    """Make outputs of the values of a graph that have these names and data types."""
    present = {value.name for value in (*graph.output, *graph.input)}
    value = require("onnx", "onnx").helper.make_tensor_value_info
    graph.output.extend(value(name, kind, None) for name, kind in types.items() if name not in present)
