"""PyTorch's forward passes in NumPy, channels first, float64, from its documentation.

An oracle for the Keras models: it shares no code, no layout and no framework with them.
"""

import numpy as np

EPSILON = 1e-5  # default of BatchNorm2d and InstanceNorm2d


def conv_transpose(x, weight, stride, padding, output_padding=0, bias=None):
    """ConvTranspose2d by its definition: every input scatters a kernel, then a crop."""
    batch, _, height, width = x.shape
    _, filters, kernel, _ = weight.shape
    full = np.zeros(
        (
            batch,
            filters,
            (height - 1) * stride + kernel + output_padding,
            (width - 1) * stride + kernel + output_padding,
        )
    )
    for u in range(kernel):
        for v in range(kernel):
            rows, columns = (
                slice(u, u + stride * height, stride),
                slice(v, v + stride * width, stride),
            )
            full[:, :, rows, columns] += np.einsum(
                "nchw,co->nohw", x, weight[:, :, u, v], optimize=True
            )
    size = [
        (length - 1) * stride - 2 * padding + kernel + output_padding for length in (height, width)
    ]
    y = full[:, :, padding : padding + size[0], padding : padding + size[1]]
    return y if bias is None else y + bias[:, None, None]


def conv(x, weight, bias, stride=1, padding=0):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))[
        :, :, ::stride, ::stride
    ]
    return (
        np.moveaxis(np.tensordot(windows, weight, ((1, 4, 5), (1, 2, 3))), 3, 1)
        + bias[:, None, None]
    )


def batch_norm(x, weights, key):
    scale, shift, mean, variance = (
        weights[f"{key}.{part}"].astype("f8")[:, None, None]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + EPSILON) * scale + shift


def instance_norm(x, weights, key):
    mean, variance = (
        x.mean((2, 3), keepdims=True),
        x.var((2, 3), keepdims=True),
    )  # biased, as InstanceNorm2d's
    scale, shift = (
        weights[f"{key}.{part}"].astype("f8")[:, None, None] for part in ("weight", "bias")
    )
    return (x - mean) / np.sqrt(variance + EPSILON) * scale + shift


def reflect(x, width):
    return np.pad(x, ((0, 0), (0, 0), (width, width), (width, width)), mode="reflect")


def relu(x):
    return np.maximum(x, 0)


def dcgan(weights, latent, flip=False):
    """Generator of PyTorch's DCGAN tutorial; `flip` turns the kernels over, as a control."""
    x = latent.astype("f8")[:, :, None, None]
    kernels = [key for key, array in weights.items() if array.ndim == 4]
    for key in kernels:
        kernel = weights[key].astype("f8")[:, :, :: -1 if flip else 1, :: -1 if flip else 1]
        x = (
            conv_transpose(x, kernel, 1, 0)
            if key == kernels[0]
            else conv_transpose(x, kernel, 2, 1)
        )
        if key != kernels[-1]:
            x = relu(batch_norm(x, weights, f"main.{int(key.split('.')[1]) + 1}"))
    return np.tanh(x).transpose(0, 2, 3, 1)


def cyclegan(weights, photographs, blocks, crop_at_start=True):
    """CycleGAN's residual generator; without `crop_at_start` shifted by one pixel."""

    def layer(x, index, **options):
        return conv(
            x,
            weights[f"model.{index}.weight"].astype("f8"),
            weights[f"model.{index}.bias"].astype("f8"),
            **options,
        )

    x = relu(
        instance_norm(
            layer(reflect(photographs.astype("f8").transpose(0, 3, 1, 2), 3), 1), weights, "model.2"
        )
    )
    for index in (4, 7):
        x = relu(instance_norm(layer(x, index, stride=2, padding=1), weights, f"model.{index + 1}"))
    for index in range(10, 10 + blocks):
        y = relu(
            instance_norm(
                layer(reflect(x, 1), f"{index}.block.1"), weights, f"model.{index}.block.2"
            )
        )
        x = x + instance_norm(
            layer(reflect(y, 1), f"{index}.block.5"), weights, f"model.{index}.block.6"
        )
    for index in (10 + blocks, 13 + blocks):
        kernel, bias = (
            weights[f"model.{index}.{part}"].astype("f8") for part in ("weight", "bias")
        )
        if crop_at_start:
            x = conv_transpose(x, kernel, 2, padding=1, output_padding=1, bias=bias)
        else:
            x = conv_transpose(x, kernel, 2, padding=0, bias=bias)[:, :, :-1, :-1]
        x = relu(instance_norm(x, weights, f"model.{index + 1}"))
    return np.tanh(layer(reflect(x, 3), 17 + blocks)).transpose(0, 2, 3, 1)
