"""Values of converted .tflite files whose height, width or both are open, at several sizes."""

import numpy as np
import pytest

from splitdeconv.core.forms import FILE_FORMS
from tests.formats.tflite.models import Deconv, convert, deconv_model, edit, operators, run, unpack

FORMS = FILE_FORMS
CASE = Deconv(sizes=(5, 4), kernel=(5, 3), strides=(2, 2), cin=3, cout=4)


def _scattered(data, x, strides, same):
    """The definition in float64: every pixel adds the filter times its value to the output."""
    model = unpack(data)
    stored = {
        t.name: np.asarray(model.buffers[t.buffer].data, "u1").view("f4").reshape(t.shape)
        for t in model.subgraphs[0].tensors
        if t.name in (b"weights", b"bias")
    }
    w = stored[b"weights"].astype("f8")
    (h, v), (kh, kv) = strides, w.shape[1:3]
    _, n, m, _ = x.shape
    y = np.zeros((len(x), (n - 1) * h + kh, (m - 1) * v + kv, len(w)))
    for i, j in np.ndindex(n, m):
        y[:, i * h : i * h + kh, j * v : j * v + kv] += np.einsum("bc,oklc->bklo", x[:, i, j], w)
    if same:
        top, left = (kh - h) // 2, (kv - v) // 2
        y = y[:, top : top + n * h, left : left + m * v]
    return y + stored[b"bias"]


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("fixed", [{}, {1: 5}, {2: 4}, {1: 1}])
def test_open_directions_follow_the_definition(fixed, same):
    """Both directions, or one; an image of height 1 is a sequence."""
    strides = (1 if fixed == {1: 1} else 2, 3)
    kernel = (1, 5) if fixed == {1: 1} else (3, 4)
    padding = "SAME" if same else "VALID"
    case = CASE.with_(kernel=kernel, strides=strides, padding=padding, open_image=True)

    def partly(_, graph):
        tensor = graph.tensors[graph.inputs[0]]
        for name in ("shape", "shapeSignature"):
            numbers = enumerate(getattr(tensor, name))
            setattr(tensor, name, np.array([fixed.get(i, n) for i, n in numbers], "<i4"))

    data = edit(deconv_model(case), partly)
    for form in FORMS:
        rewritten = convert(data, form, "batch_to_space")
        assert "TRANSPOSE_CONV" not in operators(rewritten)
        for sizes in ((1, 1), (5, 4), (7, 9), (12, 3)):
            x = case.input(1, tuple(fixed.get(i + 1, n) for i, n in enumerate(sizes)))
            y, z = _scattered(data, x, strides, same), run(rewritten, x)
            assert z.shape == y.shape
            limit = 4e-6 * np.abs(y).max()
            assert np.abs(y - z).max() <= limit, (form, sizes)
            # The control: a reference of which one pixel differs is not met.
            x[:, -1, -1] += 1
            assert np.abs(_scattered(data, x, strides, same) - z).max() > limit
