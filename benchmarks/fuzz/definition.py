"""The transposed convolution by its definition, in float64, and a bound for float32 sums."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Definition:
    """One transposed convolution, channels first.

    Args:
        w: filters, (input channels, output channels per group, *kernel).
        bias: of the output channels, or None.
        groups: of channels.
        strides, dilations: per axis.
        firsts: how many outputs are cut off in front, per axis; None where this is left to the
            runtime.
        lengths: of the output, per axis, for the input sizes the model was drawn for.
    """

    w: np.ndarray
    bias: np.ndarray | None
    groups: int
    strides: tuple
    dilations: tuple
    firsts: list | None
    lengths: list

    def __call__(self, x):
        """(The output, twice the bound of a float32 sum's rounding), both float64."""
        y, bound = self._scatter(x, self.w), self._scatter(np.abs(x), np.abs(self.w))
        if self.bias is not None:
            bias = self.bias.astype("f8").reshape(-1, *(1,) * (x.ndim - 2))
            y, bound = y + bias, bound + np.abs(bias)
        terms = self.w.size // self.w.shape[1] // self.groups + 2
        return y, 2 * terms * 2.0**-24 * bound + 1e-37

    def _scatter(self, x, w):
        """Each input times each tap, added to where it lands."""
        x, w, groups = x.astype("f8"), w.astype("f8"), self.groups
        batch, cin, *sizes = x.shape
        kernel = w.shape[2:]
        last = [
            max((n - 1) * s + d * (k - 1) + 1, f + o)
            for n, s, d, k, f, o in zip(
                sizes, self.strides, self.dilations, kernel, self.firsts, self.lengths, strict=True
            )
        ]
        canvas = np.zeros((batch, groups, w.shape[1], *last))
        x = x.reshape(batch, groups, cin // groups, *sizes)
        w = w.reshape(groups, cin // groups, *w.shape[1:])
        for tap in np.ndindex(*kernel):
            there = tuple(
                slice(t * d, t * d + (n - 1) * s + 1, s)
                for t, d, n, s in zip(tap, self.dilations, sizes, self.strides, strict=True)
            )
            canvas[:, :, :, *there] += np.einsum("bgc...,gcm->bgm...", x, w[:, :, :, *tap])
        kept = tuple(slice(f, f + o) for f, o in zip(self.firsts, self.lengths, strict=True))
        return canvas[:, :, :, *kept].reshape(batch, groups * w.shape[2], *self.lengths)
