"""Int8 filters over float32 activations: "dynamic range" quantization, TensorFlow's default.

Kernels quantize the activations as they run, each image by its own range, zero included, to 256 steps. A rewritten
convolution sums the same integers as long as four things hold (tflite/kernels/conv.cc, transpose_conv.cc and
delegates/xnnpack/xnnpack_delegate.cc of google-ai-edge/LiteRT at f6745779):

* **It reads the whole image.** A slice has a range of its own, hence other steps; zeros around an image change nothing.
  A window that falls short of the input is therefore cut from the convolution's result.
* **Its scales are not all the same.** Otherwise LiteRT's own CONV_2D kernels take the filters to have one scale, and
  quantize to 255 steps that are symmetric about zero; TRANSPOSE_CONV's never do. Such a convolution gets one more
  channel: of zeros, with another scale, sliced off its result. XNNPACK makes no difference between the two.
* **Its filters have two taps at least.** XNNPACK quantizes each pixel by its own range where they have one; it does not
  do so for its transposed convolution. A tap of zero is added to such filters.
* **Filters have no zero point.** No kernel applies it.
"""

from copy import copy

import numpy as np

from .flatbuffer.file import read
from .graph import constant
from .quantization import scales

DTYPE = "float32x8"


def widened(filters, pads):
    """Filters of two taps at least, and the pads that go with them.

    Args:
        filters: of one convolution, (channels, kh, kw, Cin).
        pads: (before, after) per axis; a negative number cuts.
    """
    if filters.shape[1:3] != (1, 1):
        return filters, pads
    return np.concatenate([filters, np.zeros_like(filters)], axis=2), longer(pads)


def longer(pads):
    """The pads of a convolution whose filters are one tap wider than those that they were meant for."""
    rows, (before, after) = pads
    return rows, (before, after + 1)


def needs_channel(quantization, phases, filters) -> bool:
    """Whether a convolution needs another channel for its activations to be quantized as the original's are.

    Args:
        quantization: the original filters' parameters.
        phases: how many phases the convolution yields.
        filters: its filters.
    """
    return bool(filters.any()) and len(set(_scales(quantization, phases, filters))) == 1


def with_channel(filters) -> np.ndarray:
    """The filters and one more, of zeros."""
    return np.concatenate([filters, np.zeros_like(filters[:1])])


def with_scale(quantization, phases, filters):
    """The quantization of filters that `with_channel` has extended: the added channel's scale is another.

    Args:
        quantization: the original filters' parameters.
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
    """What a result of a site may be off by if the kernel quantizes every activation to the step beside the right one.

    Args:
        site: a transposed convolution of a .tflite file.
        data: the file.

    Returns:
        A function from the input's array to a bound; None if the site's kernel quantizes no activations.
    """
    if site.dtype != DTYPE:
        return None
    model, _ = read(data, "the model")
    tensor = model.subgraphs[site.key.subgraph].tensors[site.key.stored_weights]
    taps = np.abs(constant(model, tensor).astype(np.float64)).sum(axis=3)
    taps *= scales(tensor).astype(np.float64).reshape(-1, 1, 1)
    down, right = (axis.s for axis in site.axes)
    most = max(taps[:, i::down, j::right].sum(axis=(1, 2)).max(initial=0.0) for i in range(down) for j in range(right))
    return lambda x: most * _step(x)


def _step(x):
    """The largest step to which an image of `x` is quantized."""
    low, high = (np.asarray(f(x.reshape(len(x), -1), axis=1), np.float64) for f in (np.min, np.max))
    return float(((np.maximum(high, 0) - np.minimum(low, 0)) / 255).max(initial=0.0))
