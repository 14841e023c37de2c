"""How similar images are: SSIM and PSNR of each, means with intervals, crops of larger images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import bootstrap
from ..core.typing import NumpyArray
from ..errors import SplitDeconvError
from ..extras import require
from ..pretrained import to_uint8

if TYPE_CHECKING:
    import keras

REFERENCE = Path(__file__).resolve().parents[2] / "data" / "reference"
# Wang et al., IEEE TIP 13(4) 2004: Gaussian windows of 1.5 pixels, population covariance; these
# make scikit-image's result theirs, as its documentation says.
_SSIM = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 255,
    "channel_axis": -1,
}


def authors_images() -> pd.DataFrame:
    """What the authors of split deconvolution show of each conversion's image.

    Returns:
        DataFrame, one row per network and method: ``network``, ``method`` ("split", "shi",
            "chang"), ``pixels``, the side of the image in their repository, ``top`` and ``left``,
            its place in the native image, ``ssim`` with that part, ``remembered_ssim``, quoted from
            memory of arXiv 1907.01773, whose text was not at hand, and ``source``.
    """
    return pd.read_csv(REFERENCE / "authors_images.csv")


def scores(images: NumpyArray, reference: NumpyArray) -> pd.DataFrame:
    """Each image against its reference.

    Args:
        images: uint8 array ``(count, height, width, channels)``.
        reference: the same, as large or larger; of a larger one, the part that `favouring_crop`
            finds is used.

    Returns:
        DataFrame, one row per image: ``ssim`` (Wang et al. 2004, by scikit-image); ``ssim_global``,
            the same formula over the whole image as one window, which is what the published code of
            Xu et al. computes (warmthless/split-deconvolution, utils/utils.py); ``psnr`` in dB (by
            scikit-image), infinite where nothing differs; ``changed``, the share of 8-bit values
            that differ.

    Raises:
        SplitDeconvError: images of different types, counts or channels, larger than the reference,
            or under 11 pixels; or scikit-image is missing.
    """
    metrics = require("skimage.metrics", "notebooks")
    if min(images.shape[1:3]) < 11:
        raise _misfit("images of at least 11x11, the window of SSIM", images, reference)
    top, left = favouring_crop(images, reference)
    _, height, width, _ = images.shape
    rows = []
    for image, whole in zip(images, reference, strict=True):
        part = whole[top : top + height, left : left + width]
        with np.errstate(divide="ignore"):  # of identical images the PSNR is infinite
            psnr = metrics.peak_signal_noise_ratio(part, image, data_range=255)
        rows.append(
            {
                "ssim": metrics.structural_similarity(part, image, **_SSIM),
                "ssim_global": _global(part, image),
                "psnr": float(psnr),
                "changed": np.mean(part != image),
            }
        )
    return pd.DataFrame(rows)


def _global(a: NumpyArray, b: NumpyArray) -> float:
    """SSIM of the whole image as one window; constants as in Wang et al. 2004, equation 13."""
    a, b = a.astype("float64"), b.astype("float64")
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * a.mean() * b.mean() + c1) / (a.mean() ** 2 + b.mean() ** 2 + c1)
    covariance = np.mean((a - a.mean()) * (b - b.mean()))
    return luminance * (2 * covariance + c2) / (a.var() + b.var() + c2)


def favouring_crop(images: NumpyArray, reference: NumpyArray, most: int = 32) -> tuple[int, int]:
    """The crop of larger images that smaller ones resemble most, the same for all of them.

    Args:
        images, reference: uint8 arrays ``(count, height, width, channels)``.
        most: images to compare.

    Returns:
        (top, left) of the crop of `reference` with the least mean square difference.

    Raises:
        SplitDeconvError: as for `scores`.
    """
    fits = images.ndim == reference.ndim == 4 and len(images) == len(reference) > 0
    fits = fits and images.dtype == reference.dtype == np.uint8
    fits = fits and images.shape[3] == reference.shape[3]
    if not fits or any(a > b for a, b in zip(images.shape[1:3], reference.shape[1:3], strict=True)):
        raise _misfit("as many 8-bit images, no larger, with as many channels", images, reference)
    _, height, width, _ = images.shape
    small, large = images[:most].astype("float32"), reference[:most].astype("float32")
    places = np.ndindex(reference.shape[1] - height + 1, reference.shape[2] - width + 1)

    def difference(at: tuple[int, ...]) -> float:
        return np.square(_part(large, at, height, width) - small).mean(dtype="float64")

    top, left = min(places, key=difference)
    return top, left


def _part(images: NumpyArray, at: tuple[int, ...], height: int, width: int) -> NumpyArray:
    return images[:, at[0] : at[0] + height, at[1] : at[1] + width]


def outputs(model: "keras.Model", inputs: NumpyArray, batch: int = 32) -> NumpyArray:
    """The outputs of a model whose layers run one by one.

    `predict` gives the same values, but first compiles the model, which takes longer than a few
    images do.

    Args:
        model: a model with one output.
        inputs: its inputs.
        batch: inputs at once.
    """
    values_of = require("keras", "tensorflow").ops.convert_to_numpy
    parts = range(0, len(inputs), batch)
    return np.concatenate([values_of(model(inputs[i : i + batch], training=False)) for i in parts])


def drawn(model: "keras.Model", inputs: NumpyArray, batch: int = 32) -> NumpyArray:
    """The `outputs` of a generator as images, reduced to 8 bits."""
    return to_uint8(outputs(model, inputs, batch))


def distinct(
    images: Mapping[str, NumpyArray], most: float = 1e-4
) -> dict[tuple[str, ...], NumpyArray]:
    """Images of forms, forms of the same images together.

    Args:
        images: dict of form to uint8 array.
        most: the share of values that may differ, by one level: two orders of summation do that.

    Returns:
        dict of forms to the images of the first of them, in order of appearance.
    """
    groups: dict[tuple[str, ...], NumpyArray] = {}
    for form, batch in images.items():
        same = next((forms for forms, other in groups.items() if _alike(batch, other, most)), None)
        first = batch if same is None else groups[same]
        groups = {(*k, form) if k == same else k: v for k, v in groups.items()}
        if same is None:
            groups[form,] = first
    return groups


def _alike(a: NumpyArray, b: NumpyArray, most: float) -> bool:
    if a.shape != b.shape:
        return False
    apart = np.abs(a.astype(int) - b)
    return bool(apart.max() <= 1 and np.mean(apart > 0) <= most)


def summarize(
    table: pd.DataFrame,
    by: Sequence[str],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Means over images, with bootstrap intervals over images.

    Args:
        table: rows of `scores`, with further columns.
        by: columns that define the groups, which are returned in order of appearance.
        confidence: of the intervals.
        resamples: bootstrap resamples.
        seed: of the resampling.

    Returns:
        DataFrame, one row per group: images; ssim, ssim_global and psnr, each with _low and _high;
            changed. ``psnr`` is that of the mean square error over all images, infinite where no
            value differs.
    """
    rows = []
    for group, part in table.groupby(by, sort=False):
        row: dict[str, Any] = dict(zip(by, group, strict=True)) | {"images": len(part)}
        for name in ("ssim", "ssim_global", "psnr"):
            values = part[name].to_numpy()
            # Decibels are averaged as the quantity behind them, the mean square error over 255
            # squared.
            values = 10 ** (-values / 10) if name == "psnr" else values
            ends = bootstrap.interval(
                values, np.mean, confidence=confidence, resamples=resamples, seed=seed
            )
            three = np.array([values.mean(), *ends])
            if name == "psnr":
                with np.errstate(divide="ignore"):
                    three = -10 * np.log10(three[[0, 2, 1]])
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), three, strict=True))
        rows.append(row | {"changed": part["changed"].mean()})
    return pd.DataFrame(rows)


def _misfit(expected: str, images: NumpyArray, reference: NumpyArray) -> SplitDeconvError:
    return SplitDeconvError(
        "the images cannot be compared",
        where="images, reference",
        expected=expected,
        got=f"{images.dtype} {images.shape} against {reference.dtype} {reference.shape}",
    )
