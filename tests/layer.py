"""One layer per rank with nothing symmetric about it, to test what is around the geometry."""

import numpy as np

import splitdeconv as sd
from splitdeconv.core.definition import conv_transpose
from splitdeconv.core.forms import COMPUTED_FORMS

#: As the tests that use this module call them.
FORMS = COMPUTED_FORMS

FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
# One layer per rank, with nothing symmetric about it.
SIZES, KERNEL, STRIDES = (5, 4, 3), (4, 3, 2), (2, 3, 2)
CIN, COUT = 3, 2


def operator(rank):
    return getattr(sd, f"conv{rank}d_transpose")


def data(rank, dtype=np.float64):
    rng = np.random.default_rng(rank)
    x, w = (
        rng.standard_normal((2, *SIZES[:rank], CIN)),
        rng.standard_normal((*KERNEL[:rank], COUT, CIN)),
    )
    return x.astype(dtype), w.astype(dtype)


def definition(x, w, **more):
    """Of tensors of any type, from what they hold exactly; 2-D and SAME by default."""
    x, w = (np.asarray(a).astype(np.float64) for a in (x, w))
    rank = x.ndim - 2
    return conv_transpose(
        x, w, sd.plan(x.shape[1:-1], w.shape[:rank], **{"strides": STRIDES[:rank], **more})
    )


def channels_first(a):
    return np.moveaxis(np.asarray(a), -1, 1)
