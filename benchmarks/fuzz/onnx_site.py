"""One transposed convolution of any geometry, with its filters, as ONNX states it."""

import numpy as np

from benchmarks.fuzz.case import chance, pick, whole
from benchmarks.fuzz.definition import Definition
from benchmarks.fuzz.edges import edge_array
from benchmarks.fuzz.onnx_draft import Value
from benchmarks.fuzz.onnx_filters import quantization, realize, rounded


def site(draft, x, shared=None, quantized=False):
    """A ConvTranspose on `x`.

    Args:
        draft: where the nodes go.
        x: its input, a `Value`.
        shared: (name, array) of filters of another site.
        quantized: whether to put it between QuantizeLinear and DequantizeLinear.

    Returns:
        (the result's `Value`, (name, array) of the filters, its `Definition`).
    """
    rng = draft.rng
    groups, cout = _channels(rng, x.channels)
    kernel = tuple(whole(rng, 1, (5, 4, 3)[x.rank - 1]) for _ in range(x.rank))
    if shared is None:
        w = rng.standard_normal((x.channels, cout // groups, *kernel)).astype("f4")
        if chance(rng, 0.03):
            w = edge_array(rng, w)
            draft.tell("edge filters")
    else:
        w = shared[1]
        groups, cout, kernel = 1, w.shape[1], w.shape[2:]
    source = draft.add("Identity", [x.name]) if chance(rng, 0.1) else x.name
    if quantized:
        source = _quantized(draft, source)
    name, w = shared or (
        _quantized_filters(draft, w) if quantized else realize(draft, "w", w, whole(rng, 0, 3))
    )
    geometry, attributes, lengths = _geometry(rng, x.sizes, kernel, draft)
    inputs, bias = [source, name], None
    if chance(rng, 0.5):
        bias = rng.standard_normal(cout).astype("f4")
        bias_name, bias = realize(draft, "b", bias, whole(rng, 0, 2))
        inputs.append(bias_name)
    elif chance(rng, 0.05):
        inputs.append("")
    if groups > 1 or chance(rng, 0.3):
        attributes["group"] = groups
    y = draft.add("ConvTranspose", inputs, **attributes)
    if quantized:
        y = _quantized(draft, y, 0.2)
    made = Definition(w, bias, groups, *geometry)
    return Value(y, cout, lengths), (name, w), made


def _channels(rng, cin):
    groups = pick(rng, [g for g in (1, 1, 1, 2, 3) if cin % g == 0])
    return groups, groups * whole(rng, 1, 3)


def _geometry(rng, sizes, kernel, draft):
    """((strides, dilations, first crops, output lengths), attributes, lengths if known)."""
    rank = len(sizes)
    strides = tuple(pick(rng, (1, 2, 2, 2, 3, 4)) for _ in range(rank))
    dilations = (1,) * rank
    if chance(rng, 0.3):
        dilations = tuple(whole(rng, 1, 3) for _ in range(rank))
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))
    attributes = {}
    for key, values in (("strides", strides), ("dilations", dilations)):
        if any(n != 1 for n in values) or chance(rng, 0.3):
            attributes[key] = values
    if chance(rng, 0.5):
        attributes["kernel_shape"] = kernel
    extra = (0,) * rank
    if chance(rng, 0.3):
        extra = tuple(whole(rng, 0, max(s, d) - 1) for s, d in zip(strides, dilations, strict=True))
        attributes["output_padding"] = extra
    full = [(n - 1) * s + e + p for n, s, e, p in zip(sizes, strides, spans, extra, strict=True)]
    how = pick(rng, ("none", "pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID", "output_shape"))
    firsts, lengths = [0] * rank, list(full)
    if how == "pads":
        pairs = [(whole(rng, 0, e), whole(rng, 0, e)) for e in spans]
        pairs = [p if sum(p) < f else (0, 0) for p, f in zip(pairs, full, strict=True)]
        attributes["pads"] = [p[0] for p in pairs] + [p[1] for p in pairs]
        firsts = [p[0] for p in pairs]
        lengths = [f - sum(p) for f, p in zip(full, pairs, strict=True)]
    elif how == "output_shape":
        draft.tell("output_shape")
        lengths = [max(1, f - whole(rng, 0, min(s, f))) for f, s in zip(full, strides, strict=True)]
        attributes["output_shape"] = lengths
        upper = chance(rng, 0.3)
        if upper or chance(rng, 0.2):
            attributes["auto_pad"] = "SAME_UPPER" if upper else "NOTSET"
        firsts = None  # operator sets and runtimes differ on which end gets the odd one
    elif how != "none":
        attributes["auto_pad"] = how
        if how != "VALID":
            lengths, firsts = [n * s for n, s in zip(sizes, strides, strict=True)], None
    return (strides, dilations, firsts, lengths), attributes, tuple(lengths)


def _quantized(draft, x, scale=0.05):
    """QuantizeLinear and DequantizeLinear."""
    rng = draft.rng
    scale = np.float32(pick(rng, (scale, rng.uniform(scale / 2, scale * 2), 2.0**-5)))
    zero = (
        np.array(whole(rng, -9, 9), "i1")
        if chance(rng, 0.6)
        else np.array(whole(rng, 100, 150), "u1")
    )
    parts = [draft.plain("scale", scale), draft.plain("zero", zero)]
    draft.tell("QDQ")
    return draft.add("DequantizeLinear", [draft.add("QuantizeLinear", [x, *parts]), *parts])


def _quantized_filters(draft, w):
    """Filters of a quantized model: integers, per tensor or per output channel."""
    scale, zero, _, low, high = quantization(draft, w, per_axis=False)
    q = rounded(w, scale, zero, low, high)
    extra = {}
    if draft.opset >= 13 and chance(draft.rng, 0.4):
        axis = pick(draft.rng, (1, 1, 1, 0))
        scale, extra = np.full(w.shape[axis], scale), {"axis": axis}
        zero = np.full(w.shape[axis], zero)
    parts = [draft.plain("scale", scale), draft.plain("zero", zero)]
    name, q = realize(draft, "w", q, whole(draft.rng, 0, 2))
    flat = np.ravel(scale)[0], np.ravel(zero)[0]
    value = (q.astype("i4") - int(flat[1])).astype("f4") * flat[0]
    return draft.add("DequantizeLinear", [name, *parts], **extra), value
