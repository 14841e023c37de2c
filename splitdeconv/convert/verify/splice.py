"""Find out whether two quantized ONNX models differ only by quantizer steps.

A quantizer turns a difference in the last bit of a float into a whole step if the value lies
halfway between two steps, and every later operator computes with the result. No tolerance on the
outputs of a model separates this from a real error. Two strict comparisons do:

* Each rewritten operator, given the values that reach it in the converted model, must yield the
  results of the original operator, up to rounding or one step of the quantizer that reads it.
* The rest of the original model, given the results of the rewritten operators, must reproduce the
  outputs of the converted model and the inputs of its rewritten operators up to rounding: both run
  the same operators on the same numbers.

Models that cannot be taken apart this way are compared in double precision; see `double`.
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
    """Decides whether a difference is caused by quantizers alone.

    Args:
        pair: the two models.
        sites: the rewritten transposed convolutions of the original.
    """

    def __init__(self, pair, sites):
        self._pair, self._sites, self._loaded = pair, sites, {}
        self._double = Double(pair, sites)

    @cached_property
    def _quantized(self) -> bool:
        """Whether there are any quantizers, including those in branches, loops and functions."""
        model = require("onnx", "onnx").load_model_from_string(content(self._pair.original))
        return any(
            node.op_type in _QUANTIZERS for scope in scopes(model) for node in scope.graph.node
        )

    @cached_property
    def _parts(self) -> list[Cut] | None:
        """The operators in isolation; None if the models cannot be taken apart this way."""
        if any(site.key.place for site in self._sites):
            return None
        try:
            return [cut(self._pair, site) for site in self._sites]
        except UncutError:
            return None

    def explain(self, entry, feed, record, theirs, bound):
        """Re-evaluate a differing output; it passes if quantizers are the only reason.

        Args:
            entry: the `Entry` of both models.
            feed: the sample.
            record: the result of comparing the output.
            theirs: the output of the converted model.
            bound: how far floating-point rounding may move it.

        Raises:
            RejectedError: a runtime rejected one of the parts.
        """
        if not self._quantized:
            return record
        again = record
        if self._parts is not None:
            again = self._spliced(entry.kernels, feed, record, theirs, bound)
        return again if again.passed else self._double.explain(feed, record, theirs)

    def _spliced(self, kernels, feed, record, theirs, bound):
        """Re-evaluate the record with the two comparisons described above."""
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
            if not measure(
                name, again[name], seen[name], self._pair.delta * greatest(again[name])
            ).passed:
                return record
        finding = (
            f"{record.finding}; due to quantizer steps: each rewritten operator agrees on its "
            f"actual inputs ({moved} values differ by rounding), and so does the rest of the model "
            "on their results"
        )
        return replace(record, passed=True, tolerance=record.max_abs, finding=finding)

    def _load(self, kernels):
        """Load the parts.

        Returns:
            The converted model with inner values as outputs, the original model without its sites,
            and the list of all sites in isolation.
        """
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
        rest.graph.input.extend(
            onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in sinks.items()
        )
        _put_out(rest.graph, sources)
        runs = [
            load(pair.format, model.SerializeToString(), path, kernels)[""]
            for model, path in ((exposed, pair.converted_path), (rest, pair.path))
        ]
        return *runs, [
            load(pair.format, part.original, pair.path, kernels)[""] for part in self._parts
        ]


def _put_out(graph, types):
    """Add the values of a graph with these names and data types to its outputs."""
    present = {value.name for value in (*graph.output, *graph.input)}
    value = require("onnx", "onnx").helper.make_tensor_value_info
    graph.output.extend(
        value(name, kind, None) for name, kind in types.items() if name not in present
    )
