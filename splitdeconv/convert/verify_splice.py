"""Why two quantized ONNX models differ: steps of quantizers, or something else.

A quantizer turns a difference in the last bit of a float into a whole step where the value lies
between two steps, and whatever reads it goes on from there. No tolerance on a model's outputs tells
this from a fault. Two comparisons do, and both are strict:

* each rewritten operator, on the very values that reach it in the converted model, yields what the
  original operator yields for them, up to rounding, or up to one step of the quantizer that reads it;
* the rest of the original model, handed what the rewritten operators yielded, puts out what the
  converted model does, up to rounding: both run the same operators on the same numbers.
"""

from dataclasses import replace
from functools import cached_property

from ..extras import require
from .verify_bytes import content
from .verify_cut import Cut, UncutError, cut
from .verify_entry import greatest
from .verify_measure import measure, rounding
from .verify_run import load
from .verify_steps import forgive_steps

_QUANTIZERS = ("QuantizeLinear", "DynamicQuantizeLinear")


class Splice:
    """Tells whether a difference is that of quantizers.

    Args:
        pair: the two models.
        sites: the rewritten transposed convolutions of the original.
    """

    def __init__(self, pair, sites):
        self._pair, self._sites, self._loaded = pair, sites, {}

    @cached_property
    def _parts(self) -> list[Cut] | None:
        """The operators alone; None where the models cannot be taken apart so."""
        onnx = require("onnx", "onnx")
        model = onnx.load_model_from_string(content(self._pair.original))
        known = {node.op_type for node in model.graph.node}
        if not known & set(_QUANTIZERS) or any(site.key.place for site in self._sites):
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
        kernels = entry.kernels
        if self._parts is None:
            return record
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
        again = rest(feed | given)[record.name]
        if not measure(record.name, again, theirs, bound).passed:
            return record
        finding = (
            f"{record.finding}; by steps of quantizers: each rewritten operator agrees on the values that reach "
            f"it ({moved} differ in rounding), and the rest of the model on what it yields"
        )
        return replace(record, passed=True, tolerance=record.max_abs, finding=finding)

    def _load(self, kernels):
        """(the converted model with inner values put out, the original without its sites, each site alone)."""
        pair = self._pair
        exposed = _exposed(content(pair.converted), self._sites, self._parts)
        rest = _rest(content(pair.original), self._sites)
        runs = [
            load("onnx", data, path, kernels)[""] for data, path in ((exposed, pair.converted_path), (rest, pair.path))
        ]
        return *runs, [load("onnx", part.original, pair.path, kernels)[""] for part in self._parts]


def _exposed(data, sites, parts):
    """The converted model, which also puts out what each rewritten operator reads and yields."""
    onnx = require("onnx", "onnx")
    model = onnx.load_model_from_string(data)
    present = {value.name for value in (*model.graph.output, *model.graph.input)}
    for site, part in zip(sites, parts, strict=True):
        source = onnx.load_model_from_string(part.original).graph.input[0]
        kind = source.type.tensor_type.elem_type
        for name, type_ in ((source.name, kind), (site.key.node.output[0], site.key.computes)):
            if name not in present:
                present.add(name)
                model.graph.output.append(onnx.helper.make_tensor_value_info(name, type_, None))
    return model.SerializeToString()


def _rest(data, sites):
    """The original model with inputs in place of its transposed convolutions."""
    onnx = require("onnx", "onnx")
    model = onnx.load_model_from_string(data)
    names = {site.key.node.output[0]: site.key.computes for site in sites}
    for index in reversed(range(len(model.graph.node))):
        if set(model.graph.node[index].output) & names.keys():
            del model.graph.node[index]
    for name, kind in names.items():
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, None))
    return model.SerializeToString()
