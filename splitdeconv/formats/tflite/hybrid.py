"""Int8 filters with float32 activations: "dynamic range" quantization, the default of TensorFlow.

Kernels quantize the activations at run time to 256 steps, each image by its own range, which
includes zero. A rewritten convolution sums the same integers as long as four conditions hold
(tflite/kernels/conv.cc, transpose_conv.cc and delegates/xnnpack/xnnpack_delegate.cc of
google-ai-edge/LiteRT at f6745779):

* **It reads the whole image.** A slice has a different range and hence different steps; zeros
  around an image change nothing. If a window does not cover the input, the result of the
  convolution is sliced instead.
* **Its scales are not all equal.** If they are, LiteRT's own CONV_2D kernels treat the filters as
  having one scale and quantize to 255 steps that are symmetric about zero, which TRANSPOSE_CONV
  never does. Such a convolution gets one more channel, of zeros and with another scale, which is
  sliced off its result. XNNPACK treats both cases alike.
* **Its filters have at least two taps.** XNNPACK quantizes each pixel by its own range if filters
  have one tap, but not in its transposed convolution. A zero tap is added to such filters.
* **Its filters have no zero point.** No kernel applies it.
"""

from copy import copy

import numpy as np

from .flatbuffer.file import read
from .graph import constant
from .quantization import scales

DTYPE = "float32x8"


def widened(filters, pads):
    """Filters with at least two taps, and the pads for them.

    Args:
        filters: of one convolution, (channels, kh, kw, Cin).
        pads: (before, after) per axis; a negative number crops.
    """
    if filters.shape[1:3] != (1, 1):
        return filters, pads
    return np.concatenate([filters, np.zeros_like(filters)], axis=2), longer(pads)


def longer(pads):
    """The pads of a convolution whose filters have been made one tap wider."""
    rows, (before, after) = pads
    return rows, (before, after + 1)


def needs_channel(quantization, phases, filters) -> bool:
    """Whether a convolution needs an extra channel so that its activations are quantized as before.

    Args:
        quantization: the parameters of the original filters.
        phases: how many phases the convolution computes.
        filters: its filters.
    """
    return bool(filters.any()) and len(set(_scales(quantization, phases, filters))) == 1


def with_channel(filters) -> np.ndarray:
    """The filters with an extra channel of zeros."""
    return np.concatenate([filters, np.zeros_like(filters[:1])])


def with_scale(quantization, phases, filters):
    """The quantization of filters extended by `with_channel`; the extra channel has another scale.

    Args:
        quantization: the parameters of the original filters.
        phases, filters: as for `needs_channel`.
    """
    found = copy(quantization)
    scale = _scales(quantization, phases, filters)
    other = scale[0] * np.float32(2 if scale[0] < 1 else 0.5)
    found.scale = np.append(scale, other).astype("<f4")
    found.zeroPoint = np.zeros(len(found.scale), "<i8")
    found.quantizedDimension, found.min, found.max = 0, None, None
    return found


def _scales(quantization, phases, filters):
    """The scale of each channel of a convolution."""
    scale = np.asarray(quantization.scale, np.float32)
    return np.tile(scale, phases) if len(scale) > 1 else np.repeat(scale, len(filters))


def bound_of(site, data):
    """A bound on the error of a site if its kernel misrounds every activation by one step.

    Args:
        site: a transposed convolution of a .tflite file.
        data: the file.

    Returns:
        A function from the input array to a bound; None if the kernel quantizes no activations.
    """
    if site.dtype != DTYPE:
        return None
    model, _ = read(data, "the model")
    tensor = model.subgraphs[site.key.subgraph].tensors[site.key.stored_weights]
    taps = np.abs(constant(model, tensor).astype(np.float64)).sum(axis=3)
    taps *= scales(tensor).astype(np.float64).reshape(-1, 1, 1)
    down, right = (axis.s for axis in site.axes)
    most = max(
        taps[:, i::down, j::right].sum(axis=(1, 2)).max(initial=0.0)
        for i in range(down)
        for j in range(right)
    )
    return lambda x: most * _step(x)


def _step(x):
    """The largest quantization step of the images in `x`."""
    low, high = (np.asarray(f(x.reshape(len(x), -1), axis=1), np.float64) for f in (np.min, np.max))
    return float(((np.maximum(high, 0) - np.minimum(low, 0)) / 255).max(initial=0.0))
