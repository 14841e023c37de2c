"""ONNX files by number: sound ones, with transposed convolutions among all that exporters write."""

import numpy as np
import onnx
from onnx import helper

from benchmarks.fuzz.case import Case, chance, draw_options, generator, pick, whole
from benchmarks.fuzz.onnx_around import nested, surround
from benchmarks.fuzz.onnx_damage import damage
from benchmarks.fuzz.onnx_draft import Draft, Value
from benchmarks.fuzz.onnx_site import site

NEWEST = min(27, onnx.defs.onnx_opset_version())


def draw(number):
    """The `number`-th file: four in ten sound, the others injured."""
    case = sound(number)
    rng = generator("onnx", number, 1)
    return case if chance(rng, 0.4) else damage(case, rng)


def sound(number):
    """The sound file that the `number`-th is, or was before it was injured."""
    rng = generator("onnx", number)
    opset = whole(rng, 7, NEWEST) if chance(rng, 0.5) else pick(rng, (11, 13, 17, 18, 21))
    ir_version = _ir_version(rng, opset)
    draft = Draft(rng, opset, ir_version)
    x = Value(
        "x", whole(rng, 1, 6), tuple(whole(rng, 1, 6) for _ in range(pick(rng, (1, 2, 2, 2, 3))))
    )
    batch = pick(rng, (1, 1, 2))
    draft.inputs.append(draft.port("x", "f4", _declared(draft, x, batch)))
    with np.errstate(all="ignore"):  # filters with values at the edge of their type
        y, definition = _body(draft, x)
    draft.outputs.insert(0, draft.port(y.name, "f4", None))
    model = _model(draft)
    _value_info(draft, model)
    files = {"weights.bin": bytes(draft.blob)} if draft.blob else {}
    story = f"opset {opset}, IR {ir_version}: {', '.join(draft.told) or 'plain'}"
    return Case("onnx", model.SerializeToString(), story, files, (), draw_options(rng), definition)


# (Operator set, the IR version that all earlier ones allow.)
_IR_VERSIONS = ((9, 3), (11, 4), (13, 6), (15, 7), (19, 8), (21, 9))


def _ir_version(rng, opset):
    """One that allows the operator set, sometimes an old one where initializers are inputs."""
    least = next((version for end, version in _IR_VERSIONS if opset < end), 10)
    return pick(rng, [least, *range(least, 12)])


def _declared(draft, x, batch):
    """The input's shape, open in parts."""
    rng = draft.rng
    lengths = [batch, x.channels, *x.sizes]
    open_batch, open_sizes = chance(rng, 0.4), chance(rng, 0.35)
    names = ["n", None, "h", "v", "d"]
    if open_batch:
        lengths[0] = pick(rng, (names[0], None))
    if open_sizes:
        draft.tell("open sizes")
        for i in range(2, len(lengths)):
            if chance(rng, 0.8):
                lengths[i] = pick(rng, (names[i], names[i], "h", None))
    return lengths


def _body(draft, x):
    """The graph from `x` on; returns the last `Value`, and a `Definition` if the site is alone."""
    rng = draft.rng
    quantized = draft.opset >= 10 and chance(rng, 0.2)
    if chance(rng, 0.3):
        y, _, definition = site(draft, x, quantized=quantized)
        return y, None if quantized else definition
    y, filters = x, None
    for _ in range(pick(rng, (1, 1, 1, 2, 2, 3))):
        for _ in range(whole(rng, 0, 2)):
            y = surround(draft, y)
        reused = (
            filters if filters and filters[1].shape[0] == y.channels and chance(rng, 0.5) else None
        )
        if reused:
            draft.tell("shared filters")
        if reused is None and draft.opset >= 11 and chance(rng, 0.2):
            y = nested(draft, y, lambda inner, z: site(inner, z, quantized=quantized)[0])
            if y.channels == 0:  # two branches of different shapes: nothing is known any more
                return y, None
        else:
            y, filters, _ = site(draft, y, reused, quantized)
        if chance(rng, 0.2):
            draft.outputs.append(draft.port(y.name, "f4", None))
    for _ in range(whole(rng, 0, 2)):
        y = surround(draft, y)
    if chance(rng, 0.1):
        draft.tell("output that depends on nothing")
        zero = draft.add("Mul", [y.name, draft.plain("nil", np.float32(0))])
        draft.outputs.append(draft.port(zero, "f4", None))
    if chance(rng, 0.05):
        draft.outputs.append(draft.port(draft.add("Shape", [y.name]), "i8", None))
    return y, None


def _model(draft):
    imports = [helper.make_opsetid("", draft.opset)]
    imports += [helper.make_opsetid(domain, 1) for domain in sorted(draft.domains)]
    return helper.make_model(
        draft.graph("graph"),
        opset_imports=imports,
        ir_version=max(draft.ir_version, 8 if draft.functions else 0),
        functions=draft.functions,
        producer_name="fuzz",
    )


def _value_info(draft, model):
    """What exporters leave: nothing, what can be inferred, or also sizes of a traced image."""
    how = pick(draft.rng, ("none", "none", "inferred", "traced"))
    if how == "none":
        return
    traced = onnx.ModelProto.FromString(model.SerializeToString())
    if how == "traced":
        draft.tell("stale value_info")
        for port in traced.graph.input:
            for i, dim in enumerate(port.type.tensor_type.shape.dim):
                if not dim.HasField("dim_value"):
                    dim.dim_value = 1 if i == 0 else whole(draft.rng, 2, 6)
    try:
        inferred = onnx.shape_inference.infer_shapes(traced)
    except Exception:  # shape inference knows less than runtimes do
        return
    del model.graph.value_info[:]
    model.graph.value_info.extend(inferred.graph.value_info)
