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

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from .flatbuffer.file import read
from .graph import stored_values
from .quantization import known_scales

if TYPE_CHECKING:
    from ...core.typing import NumpyArray
    from ..site import Site
    from .flatbuffer.objects import QuantizationParametersT
    from .rewrite.move import Pads

DTYPE = "float32x8"


def widened(filters: NumpyArray, pads: Pads) -> tuple[NumpyArray, Pads]:
    """Filters with at least two taps, and the pads for them.

    Args:
        filters: of one convolution, (channels, kh, kw, Cin).
        pads: (before, after) per axis; a negative number crops.
    """
    if filters.shape[1:3] != (1, 1):
        return filters, pads
    return np.concatenate([filters, np.zeros_like(filters)], axis=2), longer(pads)


def longer(pads: Pads) -> Pads:
    """The pads of a convolution whose filters have been made one tap wider."""
    rows, (before, after) = pads
    return rows, (before, after + 1)


def needs_channel(quantization: QuantizationParametersT, phases: int, filters: NumpyArray) -> bool:
    """Whether a convolution needs an extra channel so that its activations are quantized as before.

    Args:
        quantization: the parameters of the original filters.
        phases: how many phases the convolution computes.
        filters: its filters.
    """
    return bool(filters.any()) and len(set(_scales(quantization, phases, filters))) == 1


def with_channel(filters: NumpyArray) -> NumpyArray:
    """The filters with an extra channel of zeros."""
    return np.concatenate([filters, np.zeros_like(filters[:1])])


def with_scale(
    quantization: QuantizationParametersT, phases: int, filters: NumpyArray
) -> QuantizationParametersT:
    """The quantization of filters extended by `with_channel`; the extra channel has another scale.

    Args:
        quantization: the parameters of the original filters.
        phases, filters: as for `needs_channel`.
    """
    extended = copy(quantization)
    scale = _scales(quantization, phases, filters)
    other = scale[0] * np.float32(2 if scale[0] < 1 else 0.5)
    extended.scale = np.append(scale, other).astype("<f4")
    extended.zeroPoint = np.zeros(len(scale) + 1, "<i8")
    extended.quantizedDimension, extended.min, extended.max = 0, None, None
    return extended


def _scales(quantization: QuantizationParametersT, phases: int, filters: NumpyArray) -> NumpyArray:
    """The scale of each channel of a convolution."""
    scale = np.asarray(quantization.scale, np.float32)
    return np.tile(scale, phases) if len(scale) > 1 else np.repeat(scale, len(filters))


def bound_of(site: Site, data: bytes) -> Callable[[NumpyArray], float] | None:
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
    taps = np.abs(stored_values(model, tensor).astype(np.float64)).sum(axis=3)
    taps *= known_scales(tensor).astype(np.float64).reshape(-1, 1, 1)
    down, right = (axis.s for axis in site.known_axes)
    phases = (taps[:, i::down, j::right] for i in range(down) for j in range(right))
    most = max(phase.sum(axis=(1, 2)).max(initial=0.0) for phase in phases)
    return lambda x: most * _step(x)


def _step(x: NumpyArray) -> float:
    """The largest quantization step of the images in `x`."""
    images = x.reshape(len(x), -1)
    low, high = (np.asarray(f(images, axis=1), np.float64) for f in (np.min, np.max))
    return float(((np.maximum(high, 0) - np.minimum(low, 0)) / 255).max(initial=0.0))
