"""Inputs for the trained generators, and their outputs as 8-bit images: seeded, NumPy alone."""

import numpy as np

from ..core.arguments import positive
from ..core.typing import NumpyArray
from ..errors import SplitDeconvError, shown
from ..extras import require
from .registry import generator

LATENTS = 100
# Photographs inside scikit-image's wheel: no download.
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
SIZE = 256
#: Numbers drawn in one call, 512 MiB in float64.
MOST_VALUES = 2**26


def samples(name: str, count: int = 8, seed: int = 0) -> NumpyArray:
    """Inputs for the generator `name`.

    Args:
        name: one of `splitdeconv.pretrained.names()`.
        count: how many. A prefix of a longer list with the same seed is the same.
        seed: of the latents, or of the photographs' crops.

    Returns:
        float32. DCGANs: (count, latents), standard normals; in a conditional one, the one-hot class
        of each sample follows, taking the classes in turn. CycleGAN: (count, 256, 256, 3) in [-1,
        1], square crops of scikit-image's astronaut, coffee, chelsea and rocket in turn, the first
        four of full height, later ones closer.

    Raises:
        SplitDeconvError: no such name, an invalid seed, a count below 1 or of more than
            `MOST_VALUES` numbers, or scikit-image is missing where photographs are needed.

    Example:
        >>> import splitdeconv as sd
        >>> sd.pretrained.samples("face_dcgan", 2).shape
        (2, 100)
    """
    known = generator(name)
    count = positive(count, "count")
    values = LATENTS + len(known.classes)
    if known.architecture == "cyclegan":
        values = 3 * SIZE**2
    most = MOST_VALUES // values
    if count > most:
        raise SplitDeconvError(
            "too many samples", where="count", expected=f"at most {most:,}", got=shown(count)
        )
    try:
        random = np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise SplitDeconvError(
            "the seed does not fit", where="seed", expected="int >= 0", got=shown(seed)
        ) from error
    if known.architecture == "cyclegan":
        return np.stack([_photograph(index, random) for index in range(count)])
    latents, classes = random.standard_normal((count, LATENTS)), len(known.classes)
    one_hot = np.eye(classes)[np.arange(count) % classes] if classes else np.empty((count, 0))
    return np.concatenate([latents, one_hot], axis=1).astype("float32")


def to_uint8(images: NumpyArray) -> NumpyArray:
    """Images in [-1, 1] as 8-bit: 127.5 * (x + 1) in float64, rounded to even, in 0..255.

    Example:
        >>> import numpy as np
        >>> import splitdeconv as sd
        >>> sd.pretrained.to_uint8(np.array([-1.0, 0.0, 1.0])).tolist()
        [0, 128, 255]
    """
    return np.clip(np.rint((np.asarray(images, "float64") + 1) * 127.5), 0, 255).astype("uint8")


def _photograph(index: int, random: np.random.Generator) -> NumpyArray:
    data, transform = (require(f"skimage.{part}", "notebooks") for part in ("data", "transform"))
    image = getattr(data, PHOTOGRAPHS[index % len(PHOTOGRAPHS)])()
    closeness, down, right = random.random(3)
    side = min(image.shape[:2])
    if index >= len(PHOTOGRAPHS):
        side = round(side * (0.5 + 0.5 * closeness))
    height, width = image.shape[:2]
    top, left = round((height - side) * down), round((width - side) * right)
    crop = image[top : top + side, left : left + side] / 255.0
    resized = transform.resize(crop, (SIZE, SIZE), order=1, anti_aliasing=True)
    return (resized * 2 - 1).astype("float32")
