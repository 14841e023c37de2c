"""Steps of an array that are left when structural zeros are skipped, for many processors at once.

A step is issued where the tile of pixels needs a tap and the tile of channels has it, whatever the other tiles do. So
over all pairs of tiles the count is, for each tap, the tiles of pixels that need it times the tiles of channels that
have it. Either depends on one size of the array, which is what makes sweeps cheap: few distinct sizes, one table per
convolution, looked up for each processor.
"""

import numpy as np

from .masks import channel_tiles, pixel_tiles


def issued(work, size, cols, batch, skip, unit):
    """Steps per input channel, or the lanes occupied in them.

    Args:
        work: M convolutions, from `lower`.
        size: pixels per tile.
        cols: channels per tile.
        batch: images. These three are numbers or arrays that broadcast against shape (M,).
        skip: "none", "A", "W" or "WA".
        unit: "tiles" counts pairs of a tile of pixels and one of channels, "lanes" pairs of a pixel and a channel.

    Returns:
        int64 that broadcasts to (..., M).
    """
    if skip == "none":
        pixels, taps = work.out_h * work.out_w * batch, work.taps_h * work.taps_w
        pairs = -(-pixels // size) * -(-work.c_out // cols) if unit == "tiles" else pixels * work.c_out
        return pairs * taps

    def table(entry, sizes, batches, widths):
        axes, c_out = work.axes[entry], int(work.c_out[entry])
        needed = np.array([[_needed(axes, r, b, skip, unit) for b in batches] for r in sizes])
        kept = np.array([_kept(axes, c_out, c, skip, unit) for c in widths])
        return needed @ kept.T

    return _looked_up(work, table, size, batch, cols)


def weight_tiles(work, rows, cols, skip):
    """Tiles of filter rows and output channels that a weight-stationary array holds one after the other.

    Arguments and result as for `issued`; `rows` are filter rows, and `skip` is "none" or "W".
    """
    if skip == "none":
        return -(-work.taps_h * work.taps_w * work.c_in // rows) * -(-work.c_out // cols)

    def table(entry, sizes, widths):
        axes, c_in, c_out = work.axes[entry], int(work.c_in[entry]), int(work.c_out[entry])
        kinds = [channel_tiles(*axes, _per_phase(axes, c_out), c) for c in widths]
        return np.array([[-(-k.masks.sum(1) * c_in // r) @ k.tiles for k in kinds] for r in sizes])

    return _looked_up(work, table, rows, cols)


def _needed(axes, size, batch, skip, unit):
    """For each tap the tiles of pixels, or their pixels, that are not skipped."""
    if "A" in skip:
        counted = pixel_tiles(*axes, size, batch)
        return counted.tiles if unit == "tiles" else counted.pixels
    pixels = axes[0].outputs * axes[1].outputs * batch
    return np.full(axes[0].taps * axes[1].taps, -(-pixels // size) if unit == "tiles" else pixels)


def _kept(axes, c_out, size, skip, unit):
    """For each tap the tiles of channels, or their channels, that are not skipped."""
    if "W" in skip:
        kinds = channel_tiles(*axes, _per_phase(axes, c_out), size)
        return (kinds.tiles if unit == "tiles" else kinds.channels) @ kinds.masks
    return np.full(axes[0].taps * axes[1].taps, -(-c_out // size) if unit == "tiles" else c_out)


def _per_phase(axes, c_out):
    return c_out // (len(axes[0].weights) * len(axes[1].weights))


def _looked_up(work, table, *settings):
    """``table(entry, *distinct values)`` for each convolution, at the settings."""
    settings = [np.atleast_1d(np.asarray(values, dtype=np.int64)) for values in settings]
    distinct, places = [], []
    for values in settings:
        found, place = np.unique(values, return_inverse=True)
        distinct.append(found.tolist())
        places.append(place.reshape(values.shape))
    counts = np.empty(np.broadcast_shapes(*(p.shape for p in places), (len(work),)), dtype=np.int64)
    for entry in range(len(work)):
        at = tuple(place[..., entry if place.shape[-1] > 1 else 0] for place in places)
        counts[..., entry] = table(entry, *distinct)[at]
    return counts
