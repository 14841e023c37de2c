"""Int8 filters over float32 activations: every family of kernels sums the same integers."""

from itertools import cycle

import numpy as np
import pytest

from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.formats.tflite import hybrid as tflite_hybrid
from splitdeconv.formats.tflite.model import TFLiteModel
from splitdeconv.formats.tflite.rewrite import split as tflite_split
from tests.formats.tflite.cases import CASES
from tests.formats.tflite.models import (
    OPTIMIZED,
    REFERENCE,
    XNNPACK,
    Deconv,
    change,
    convert,
    deconv_model,
    edit,
    on_xnnpack,
    operators,
    run,
    unpack,
)

FORMS = FILE_FORMS
# Kernels of every parity against strides of every parity, batches, channels, scales and biases, in
# turn.
TURNS = list(zip(CASES, cycle(("concat", "batch_to_space", "transpose")), strict=False))
HYBRID = Deconv(sizes=(6, 5), kernel=(4, 3), strides=(2, 2), cin=7, cout=5, kind="float32x8")


def _apart(case, data, rewritten, x):
    """The greatest difference on each family of kernels, relative to the greatest value."""
    for kernels in (XNNPACK, OPTIMIZED, REFERENCE):
        y, z = (run(model, x, kernels=kernels) for model in (data, rewritten))
        assert y.shape == z.shape, case
        yield np.abs(y - z).max() / max(np.abs(y).max(), 1e-3)


@pytest.mark.parametrize("part", range(4))
def test_every_family_of_kernels_agrees(part):
    for case, interleave in TURNS[part::4]:
        case = case.with_(kind="float32x8")
        data, x = deconv_model(case), case.input()
        for form in FORMS:
            default, *plain = _apart(case, data, convert(data, form, interleave), x)
            # XNNPACK sums integers. It leaves SAME with a kernel shorter than its stride to other
            # kernels, which may round an activation to another step; nothing here makes them.
            assert default <= (1e-7 if on_xnnpack(data) else 1e-6), (case, form)
            # The plain TRANSPOSE_CONV adds up products in float32, the plain CONV_2D integers.
            assert max(plain) <= 2e-6, (case, form)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("cout", [1, 5])
def test_scales_biases_and_batches(batch, bias, per_channel, cout):
    case = HYBRID.with_(batch=batch, bias=bias, per_channel=per_channel, cout=cout)
    data, x = deconv_model(case), case.input()
    x[-1] *= 30  # each image has its own range
    for form in FORMS:
        default, *plain = _apart(case, data, convert(data, form), x)
        assert default == 0
        assert max(plain) <= 1e-6


def test_the_weights_stay_int8_with_their_scales():
    data = deconv_model(HYBRID)
    (old,) = (t for t in unpack(data).subgraphs[0].tensors if t.name == b"weights")
    model = unpack(convert(data))
    found = [t for t in model.subgraphs[0].tensors if b"/weights_" in t.name]
    assert len(found) == 4
    for tensor in found:
        np.testing.assert_array_equal(tensor.quantization.scale, old.quantization.scale)
        assert tensor.type == old.type


@pytest.mark.parametrize("output", [(13, 9), (16, 12)])
def test_a_window_that_falls_short_of_the_input_does_not_change_its_range(output):
    """The largest activation lies where one window does not reach."""
    case = Deconv(
        sizes=(4, 3), kernel=(5, 3), strides=(4, 4), output=output, cin=2, cout=3, kind="float32x8"
    )
    data, x = deconv_model(case), case.input()
    x[:, 0, 0] = 1000
    for form in (*FORMS, "nzp"):
        default, *plain = _apart(case, data, convert(data, form), x)
        assert default <= 1e-6
        assert max(plain) <= 1e-6


def test_a_single_tap_would_be_quantized_pixel_by_pixel(monkeypatch):
    """The control: XNNPACK's shortcut for 1x1 filters, which its transposed convolution has not."""
    case = HYBRID.with_(kernel=(2, 2))
    data, x = deconv_model(case), case.input()
    assert max(_apart(case, data, convert(data), x)) <= 1e-6
    monkeypatch.setattr(tflite_hybrid, "widened", lambda filters, pads: (filters, pads))
    default, *plain = _apart(case, data, convert(data), x)
    assert default > 1e-3
    assert max(plain) <= 1e-6


def test_a_single_scale_would_be_quantized_otherwise(monkeypatch):
    """The control: without the added channel the plain kernels take other steps."""
    case = HYBRID.with_(per_channel=False)
    data, x = deconv_model(case), case.input()
    x[..., 0] += 3  # no range symmetric about zero
    monkeypatch.setattr(tflite_hybrid, "needs_channel", lambda *_: False)
    default, *plain = _apart(case, data, convert(data), x)
    assert default == 0
    assert min(plain) > 1e-3


def test_an_input_cut_first_would_be_quantized_otherwise(monkeypatch):
    """The control: the steps follow from what the convolution reads."""
    case = Deconv(sizes=(4, 5), kernel=(5, 3), strides=(4, 2), output=(13, 9), kind="float32x8")
    data, x = deconv_model(case), case.input()
    x[:, 0] *= 50
    whole = convert(data)

    def cut_first(self, feed, pads, filters, phases, dilations, label):
        return self.conv(feed(pads), filters, phases, "VALID", dilations, label)

    monkeypatch.setattr(tflite_split._Rewrite, "windowed", cut_first)
    assert max(_apart(case, data, whole, x)) <= 1e-6
    assert min(_apart(case, data, convert(data), x)) > 1e-3


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"scale": np.zeros(0, "f4")}, "weights have 0 scales"),
        (
            {"scale": np.zeros(0, "f4"), "zeroPoint": np.zeros(0, "i8")},
            "an integer type but no scale",
        ),
        (
            {"scale": np.array([0.1, np.nan, 1, 1, 1], "f4")},
            "not finite, not positive, or denormal",
        ),
        ({"scale": np.array([0.1, 0, 1, 1, 1], "f4")}, "not finite, not positive, or denormal"),
        ({"scale": np.array([0.1, 1e-40, 1, 1, 1], "f4")}, "not finite, not positive, or denormal"),
        ({"zeroPoint": np.array([3, 3, 3, 3, 3])}, "its int8 weights have a zero point"),
        (
            {"scale": np.ones(1, "f4"), "zeroPoint": np.zeros(1, "i8"), "quantizedDimension": 3},
            "on axis 3",
        ),
        (
            {"scale": np.ones(7, "f4"), "zeroPoint": np.zeros(7, "i8"), "quantizedDimension": 3},
            "on axis 3",
        ),
    ],
)
def test_what_kernels_do_not_take_is_refused(fields, match):
    def spoiled(model, graph):
        (tensor,) = (t for t in graph.tensors if t.name == b"weights")
        change(tensor.quantization, **fields)

    (site,) = TFLiteModel.parse(edit(deconv_model(HYBRID), spoiled)).sites()
    assert match in site.problem


def test_an_open_batch_is_taken():
    case = HYBRID.with_(dynamic=True)
    data = deconv_model(case)
    rewritten = convert(data, interleave="depth_to_space")
    assert "TRANSPOSE_CONV" not in operators(rewritten)
    for batch in (1, 2, 5):
        x = case.input(batch)
        for kernels in (OPTIMIZED, REFERENCE):
            y, z = (run(model, x, kernels=kernels) for model in (data, rewritten))
            assert np.abs(y - z).max() <= 1e-6 * np.abs(y).max()


def test_the_bound_of_one_step_is_what_steps_make():
    """Against the definition: every activation moved by one step in the worst direction."""
    case = HYBRID.with_(cin=2, cout=2, batch=2)
    data, x = deconv_model(case), case.input()
    (site,) = TFLiteModel.parse(data).sites()
    bound = tflite_hybrid.bound_of(site, data)(x)
    model = unpack(data)
    (tensor,) = (t for t in model.subgraphs[0].tensors if t.name == b"weights")
    filters = model.buffers[tensor.buffer].data.view("i1").reshape(2, 4, 3, 2).astype(float)
    sums = np.abs(filters).sum(3) * tensor.quantization.scale.reshape(2, 1, 1)
    phases = [sums[:, i::2, j::2].sum((1, 2)).max() for i in (0, 1) for j in (0, 1)]
    step = max(max(one.max(), 0) - min(one.min(), 0) for one in x) / 255
    assert bound == pytest.approx(step * max(phases))
    assert (
        tflite_hybrid.bound_of(
            *(TFLiteModel.parse(d).sites()[0] for d in [deconv_model(Deconv())]), data
        )
        is None
    )
