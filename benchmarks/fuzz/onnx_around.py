"""What stands before and behind a transposed convolution, and graphs it may be inside of."""

import numpy as np
from onnx import TensorProto, helper

from benchmarks.fuzz.case import chance, pick, whole
from benchmarks.fuzz.onnx_draft import Value


def surround(draft, x):
    """An operator on `x`, any that keeps channels and sizes."""
    fits = [make for make, opset in _SAME if draft.opset >= opset]
    return Value(pick(draft.rng, fits)(draft, x), x.channels, x.sizes)


def _unary(draft, x):
    kind = pick(draft.rng, ("Relu", "LeakyRelu", "Tanh", "Sigmoid", "Identity", "Neg", "Abs"))
    return draft.add(kind, [x.name])


def _batch_norm(draft, x):
    rng, channels = draft.rng, x.channels
    parts = [rng.standard_normal(channels), rng.standard_normal(channels)]
    parts += [rng.standard_normal(channels), rng.uniform(0.5, 2, channels)]
    names = [draft.plain("norm", part.astype("f4")) for part in parts]
    return draft.add("BatchNormalization", [x.name, *names])


def _add(draft, x):
    values = draft.rng.standard_normal((x.channels, *(1,) * x.rank)).astype("f4")
    kind = pick(draft.rng, ("Add", "Mul", "Sub"))
    return draft.add(kind, [x.name, draft.plain("c", values)])


def _conv(draft, x):
    w = draft.rng.standard_normal((x.channels, x.channels, *(3,) * x.rank)).astype("f4") / 3
    return draft.add("Conv", [x.name, draft.plain("cw", w)], pads=[1] * 2 * x.rank)


def _microsoft(draft, x):
    """An operator that ONNX cannot infer the shapes of."""
    draft.tell("custom domain")
    if chance(draft.rng, 0.5):
        return draft.add("QuickGelu", [x.name], domain="com.microsoft", alpha=1.0)
    return draft.add("Gelu", [x.name], domain="com.microsoft")


def _through_shape(draft, x):
    """Flattened, and brought back by a shape that is computed: open sizes all the way."""
    draft.tell("computed shape")
    flat = draft.add("Reshape", [x.name, draft.plain("shape", np.array([-1], np.int64))])
    return draft.add("Reshape", [flat, draft.add("Shape", [x.name])])


def _clip(draft, x):
    limits = [draft.plain("limit", np.float32(n)) for n in (-2, 3)]
    return draft.add("Clip", [x.name, *limits])


def _masked(draft, x):
    """Chosen by a condition that does depend on the values."""
    zero = draft.plain("zero", np.float32(0))
    test = draft.add("Greater", [x.name, zero])
    return draft.add("Where", [test, x.name, draft.add("Mul", [x.name, zero])])


def _dynamic_quantized(draft, x):
    """Quantized with a scale that is found while it runs."""
    draft.tell("DynamicQuantizeLinear")
    q, scale, zero = draft.add("DynamicQuantizeLinear", [x.name], outputs=3)
    if x.rank == 2 and chance(draft.rng, 0.5):
        w = draft.rng.integers(-5, 6, (x.channels, x.channels, 1, 1)).astype("i1")
        draft.tell("ConvInteger")
        y = draft.add("ConvInteger", [q, draft.plain("cw", w), zero])
        y = draft.add("Cast", [y], to=TensorProto.FLOAT)
        return draft.add("Mul", [y, scale])
    return draft.add("DequantizeLinear", [q, scale, zero])


_SAME = (
    (_unary, 7),
    (_unary, 7),
    (_batch_norm, 9),
    (_add, 7),
    (_conv, 7),
    (_microsoft, 7),
    (_through_shape, 7),
    (_clip, 11),
    (_masked, 9),
    (_dynamic_quantized, 11),
)


def nested(draft, x, body):
    """`body(draft, x)` inside a branch, a loop, a scan or a function; returns its `Value`."""
    fits = [(how, opset) for how, opset in _NESTS if draft.opset >= opset]
    how = pick(draft.rng, fits)[0]
    draft.tell(how.__name__[1:])
    return how(draft, x, body)


def _branch(draft, x, body):
    inner, other = draft.inside(), draft.inside()
    y = body(inner, x)
    inner.outputs.append(inner.port(y.name, "f4", None))
    z = other.add(pick(draft.rng, ("Identity", "Neg")), [x.name])
    other.outputs.append(other.port(z, "f4", None))
    branches = [inner.graph(draft.fresh("then")), other.graph(draft.fresh("else"))]
    if chance(draft.rng, 0.3):
        branches.reverse()
    condition = draft.fresh("condition")
    if draft.outer is None and chance(draft.rng, 0.6):
        draft.inputs.append(draft.port(condition, bool, []))
    else:
        total = draft.add("ReduceMax", [x.name], keepdims=0)
        half = draft.plain("half", np.float32(1))
        condition = draft.add("Greater", [total, half])
    name = draft.add("If", [condition], then_branch=branches[0], else_branch=branches[1])
    return Value(name, 0, y.sizes)


def _loop(draft, x, body):
    """The result of the last turn; the state that goes round is not looked at."""
    inner = draft.inside()
    turn, go, state = (inner.fresh(stem) for stem in ("turn", "go", "state"))
    inner.inputs += [inner.port(turn, "i8", []), inner.port(go, bool, [])]
    inner.inputs.append(inner.port(state, "f4", None))
    y = body(inner, x)
    on = inner.add("Identity", [go])
    inner.outputs += [inner.port(on, bool, []), inner.port(y.name, "f4", None)]
    trips = draft.plain("trips", np.int64(whole(draft.rng, 1, 2)))
    start = draft.plain("start", np.array(True))
    name = draft.add("Loop", [trips, start, x.name], body=inner.graph(draft.fresh("body")))
    return Value(name, y.channels, y.sizes)


def _scan(draft, x, body):
    inner = draft.inside()
    part = inner.fresh("part")
    inner.inputs.append(inner.port(part, "f4", None))
    y = body(inner, Value(part, x.channels, x.sizes))
    inner.outputs.append(inner.port(y.name, "f4", None))
    pair = draft.axes("Unsqueeze", x.name, [0])
    if chance(draft.rng, 0.5):
        pair = draft.add("Concat", [pair, draft.add("Neg", [pair])], axis=0)
        name = draft.add("Scan", [pair], body=inner.graph(draft.fresh("body")), num_scan_inputs=1)
        name = draft.add(
            "ReduceSum", [name, draft.plain("axes", np.array([0], np.int64))], keepdims=0
        )
        return Value(name, y.channels, y.sizes)
    name = draft.add("Scan", [pair], body=inner.graph(draft.fresh("body")), num_scan_inputs=1)
    return Value(draft.axes("Squeeze", name, [0]), y.channels, y.sizes)


def _function(draft, x, body):
    """A function of the model's own; called twice at times."""
    inner = draft.inside(sealed=True)
    inner.outer = None
    inner.outer = draft
    argument = inner.fresh("argument")
    y = body(inner, Value(argument, x.channels, x.sizes))
    title = draft.fresh("Block")
    imports = [helper.make_opsetid("", draft.opset), helper.make_opsetid("com.microsoft", 1)]
    imports.append(helper.make_opsetid("local", 1))
    draft.functions.append(
        helper.make_function("local", title, [argument], [y.name], inner.nodes, imports)
    )
    name = draft.add(title, [x.name], domain="local")
    if chance(draft.rng, 0.3):
        again = draft.add(title, [draft.add("Neg", [x.name])], domain="local")
        name = draft.add("Add", [name, again])
    return Value(name, y.channels, y.sizes)


# With the operator set that each is drawn from; a function also needs an IR version, which goes
# along.
_NESTS = ((_branch, 11), (_loop, 13), (_scan, 13), (_function, 15))
