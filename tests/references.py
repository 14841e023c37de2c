"""Second references, which share nothing with the library: TensorFlow's, XLA's and PyTorch's own.

TensorFlow's eager CPU kernels have neither dilation nor groups, so a dilated filter is written out
with its zeros and every group is a call of its own.
"""

import numpy as np


def tf_nn(case, x, w):
    """`case` by eager `tf.nn.conv{1,2,3}d_transpose`; differentiable, tensors in and out."""
    import tensorflow as tf

    operator = getattr(tf.nn, f"conv{case.rank}d_transpose")
    full = tuple(
        (n - 1) * s + span for n, s, span in zip(case.sizes, case.strides, case.spans, strict=True)
    )
    rule, output = _rule(case)
    lengths = full if rule == "explicit" else output
    parts = [
        operator(
            xg,
            wg,
            (case.batch, *lengths, case.cout // case.groups),
            case.strides,
            rule.replace("explicit", "VALID"),
        )
        for xg, wg in zip(
            tf.split(x, case.groups, -1),
            tf.split(_spread(tf, w, case), case.groups, -1),
            strict=True,
        )
    ]
    y = tf.concat(parts, -1)
    if rule != "explicit":
        return y
    firsts = _crops(case)
    y = tf.pad(
        y,
        [
            (0, 0),
            *((0, max(p + o - f, 0)) for p, o, f in zip(firsts, output, full, strict=True)),
            (0, 0),
        ],
    )
    return y[(slice(None), *(slice(p, p + o) for p, o in zip(firsts, output, strict=True)))]


def xla(case, x, w):
    """`case` by one `jax.lax.conv_general_dilated` of a dilated input; float64 under x64."""
    import jax

    rank = case.rank
    w = np.flip(w, tuple(range(rank)))
    # Output channels of a grouped convolution are group-major: (group, cout // group).
    w = np.concatenate(np.split(w, case.groups, -1), axis=rank).swapaxes(-1, -2)
    pads = [
        (span - 1 - p, o - 1 + p - (n - 1) * s)
        for span, p, o, n, s in zip(
            case.spans, _crops(case), case.outputs, case.sizes, case.strides, strict=True
        )
    ]
    spatial = "DHW"[3 - rank :]
    with jax.enable_x64(True):
        y = jax.lax.conv_general_dilated(
            x,
            w,
            (1,) * rank,
            pads,
            lhs_dilation=case.strides,
            rhs_dilation=case.dilations,
            dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"),
            feature_group_count=case.groups,
        )
        return np.asarray(y)


def torch_nn(case, x, w):
    """`case` by PyTorch's own transposed convolution; differentiable, tensors in and out."""
    import torch

    rank = case.rank
    operator = getattr(torch.nn.functional, f"conv_transpose{rank}d")
    x, w = x.movedim(-1, 1), w.permute(rank + 1, rank, *range(rank))
    y = operator(x, w, None, case.strides, 0, 0, case.groups, case.dilations)
    full = [
        (n - 1) * s + span for n, s, span in zip(case.sizes, case.strides, case.spans, strict=True)
    ]
    crops = zip(_crops(case), case.outputs, full, strict=True)
    widths = [width for p, o, f in crops for width in (p + o - f, -p)]
    # Outermost axis last; negative widths crop.
    return torch.nn.functional.pad(y, widths[::-1]).movedim(1, -1)


def _rule(case):
    """How tf.nn is to pad: by its own rule where it takes the output size, else with a crop."""
    values = list(zip(case.sizes, case.strides, case.kernel, case.outputs, strict=True))
    # TensorFlow 2.21's conv3d, the gradient here, reads one input too early in float64 where SAME
    # would pad by -2.
    wrong = case.rank == 3 and any((n - 1) * s + k - o <= -2 for n, s, k, o in values)
    if (
        case.padding == "SAME"
        and not wrong
        and all((n - 1) * s < o <= n * s for n, s, _, o in values)
    ):
        return "SAME", case.outputs
    # Keras' output_padding reaches one size below what tf.nn takes for SAME.
    return ("VALID" if case.padding == "VALID" else "explicit"), case.outputs


def _crops(case):
    """Leading outputs dropped, per axis."""
    if case.padding == "VALID":
        return (0,) * case.rank
    if case.padding != "SAME":
        return tuple(before for before, _ in case.padding)
    values = zip(case.sizes, case.strides, case.spans, case.outputs, strict=True)
    return tuple(max((n - 1) * s + span - o, 0) // 2 for n, s, span, o in values)


def _spread(tf, w, case):
    """The filter with d - 1 zeros between its taps; a scatter, so that gradients pass."""
    for axis, (k, d, span) in enumerate(zip(case.kernel, case.dilations, case.spans, strict=True)):
        if d > 1:
            placement = np.zeros((span, k), w.dtype.as_numpy_dtype)
            placement[np.arange(k) * d, np.arange(k)] = 1
            w = tf.experimental.numpy.moveaxis(tf.tensordot(placement, w, [[1], [axis]]), 0, axis)
    return w


def gradients(case, x, w, r):
    """Gradients of ``sum(y * r)`` for x and w, in NumPy: the definition read backwards, tap by tap.

    ``dx[i] = sum_u r[i*s + d*u - p] w[u]``, ``dw[u] = sum_i r[i*s + d*u - p] x[i]``, r being zero
    outside.
    """
    g, rank = case.groups, case.rank
    xs, ws, rs = (a.reshape(*a.shape[:-1], g, -1) for a in (x, w, r))
    dx, dw = np.zeros(xs.shape), np.zeros(ws.shape)
    for u in np.ndindex(*case.kernel):
        values = zip(case.sizes, case.strides, case.dilations, u, _crops(case), strict=True)
        landing = [np.arange(n) * s + d * t - p for n, s, d, t, p in values]
        inside = [
            np.flatnonzero((q >= 0) & (q < o)) for q, o in zip(landing, case.outputs, strict=True)
        ]
        sources = (slice(None), *np.ix_(*inside))
        landed = rs[(slice(None), *np.ix_(*(q[i] for q, i in zip(landing, inside, strict=True))))]
        dx[sources] += np.einsum("...gm,mgc->...gc", landed, ws[u])
        dw[u] = np.einsum("tgm,tgc->mgc", _flat(landed, rank), _flat(xs[sources], rank))
    return dx.reshape(x.shape), dw.reshape(w.shape)


def _flat(a, rank):
    """Batch and space as one axis."""
    return a.reshape(-1, *a.shape[rank + 1 :])
