"""Realistic inputs: crops of photographs, normal values, whole numbers and masks."""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont

#: Means and deviations of ImageNet's channels, which most vision networks are trained with.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


def draw(spec: Mapping[str, Any], name: str, count: int) -> np.ndarray:
    """Values of one input for several samples, by its name and a specification of the table.

    Args:
        spec: one key, the kind, and its shape: ``photo`` and ``photo_last`` (RGB with channels
            first and last), ``page`` (a photo with lines of text on it), ``scan`` (smooth values,
            as of a medical image), ``normal``, ``ones``, and ``below: [N, shape]`` (whole numbers
            from 0 to N - 1).
        name: of the input; seeds the values.
        count: of samples.

    Returns:
        An array of (count, *shape).
    """
    ((kind, shape),) = spec.items()
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if kind == "below":
        most, shape = shape
        return random.integers(0, most, (count, *shape), dtype=np.int64)
    if kind == "ones":
        return np.ones((count, *shape), np.float32)
    if kind == "normal":
        return random.standard_normal((count, *shape), dtype=np.float32)
    if kind == "scan":
        return _smooth(random.standard_normal((count, *shape), dtype=np.float32), len(shape) - 2)
    if kind == "photo":
        return np.moveaxis(_photographs(count, (shape[0], *shape[2:]), random), -1, 2)
    if kind == "page":
        photographs = _photographs(count, (shape[0], *shape[2:]), random, written=True)
        return np.moveaxis(photographs, -1, 2)
    if kind == "photo_last":
        return _photographs(count, shape[:-1], random)
    raise ValueError(f"unknown kind of input {kind!r} of {name}")


def _photographs(count, shape, random, written=False):
    """Random crops, normalized as ImageNet's are: (count, batch, height, width, 3).

    Those that are written on have lines of text, as a detector of text should find.
    """
    batch, height, width = shape
    made = np.empty((count, batch, height, width, 3), np.float32)
    for index in np.ndindex(count, batch):
        photo = getattr(skimage.data, _PHOTOGRAPHS[sum(index) % len(_PHOTOGRAPHS)])()
        repeats = [
            -(-most // size) for most, size in zip((height, width), photo.shape, strict=False)
        ]
        photo = np.tile(photo, (*repeats, 1))
        top, left = (
            random.integers(0, size - most + 1)
            for size, most in zip(photo.shape, (height, width), strict=False)
        )
        crop = photo[top : top + height, left : left + width]
        crop = (_written(crop) if written else crop) / np.float32(255)
        made[index] = (crop - np.float32(_MEAN)) / np.float32(_DEVIATION)
    return made


def _written(image):
    """The image with a line of text on a white bar every 60 pixels."""
    page = Image.fromarray(image)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=28)
    for top in range(20, image.shape[0] - 40, 60):
        pen.rectangle((10, top, image.shape[1] - 10, top + 36), fill="white")
        pen.text((16, top + 2), f"Line {top} of a page", fill="black", font=font)
    return np.asarray(page)


def _smooth(values, axes):
    """Mean over neighbours along the last axes, so that nearby values are similar."""
    for axis in range(-axes, 0):
        values = values + np.roll(values, 1, axis) + np.roll(values, 2, axis)
    return (values / values.std()).astype(np.float32)
