"""FCN-32s, FCN-16s and FCN-8s over VGG16 (Long, Shelhamer and Darrell, CVPR 2015).

Layer for layer the authors' Caffe definitions (shelhamer/fcn.berkeleyvision.org, commit 6c59617,
voc-fcn32s/net.py and voc-fcn16s/net.py; fcn8s/deploy.prototxt, commit 796c087, which has the
500x500 input): the image padded by 100, 2x2 pooling that rounds up, fc6 and fc7 as convolutions, 21
classes, transposed convolutions without padding or bias that interpolate bilinearly (the authors
leave them so), and crops at Caffe's offsets. Dropout acts in training only.
"""

import keras

from ..core.typing import Array
from .blocks import Blocks, image_size

# Block, channels, convolutions.
VGG16 = ((1, 64, 2), (2, 128, 2), (3, 256, 3), (4, 512, 3), (5, 512, 3))


def fcn32s(
    make: Blocks, size: int | tuple[int, int] = 500, classes: int = 21, width: int = 4096
) -> keras.Model:
    """Images (batch, height, width, 3) to class scores (batch, height, width, classes).

    The images are given less the VGG means.

    One 64x64 transposed convolution of stride 32. As "split" this is 1,024 convolutions; "rows" is
    quicker.

    Args:
        make: the layers' factory.
        size: height and width.
        classes: how many, background included; 21 for PASCAL VOC.
        width: channels of fc6 and fc7.
    """
    image, scores, _ = _trunk(make, size, classes, width)
    return _finish(make, "fcn32s", image, scores, "upscore", 32, offset=19)


def fcn16s(
    make: Blocks, size: int | tuple[int, int] = 500, classes: int = 21, width: int = 4096
) -> keras.Model:
    """As `fcn32s`; 4x4 of stride 2, joined by pool4's scores, then 32x32 of stride 16."""
    image, scores, pools = _trunk(make, size, classes, width)
    scores = _fuse(make, scores, "upscore2", pools[4], "pool4", offset=5)
    return _finish(make, "fcn16s", image, scores, "upscore16", 16, offset=27)


def fcn8s(
    make: Blocks, size: int | tuple[int, int] = 500, classes: int = 21, width: int = 4096
) -> keras.Model:
    """As `fcn16s`; a second 4x4 of stride 2, joined by pool3's scores, then 16x16 of stride 8."""
    image, scores, pools = _trunk(make, size, classes, width)
    scores = _fuse(make, scores, "upscore2", pools[4], "pool4", offset=5)
    scores = _fuse(make, scores, "upscore_pool4", pools[3], "pool3", offset=9)
    return _finish(make, "fcn8s", image, scores, "upscore8", 8, offset=31)


def _trunk(
    make: Blocks, size: int | tuple[int, int], classes: int, width: int
) -> tuple[Array, Array, dict[int, Array]]:
    """VGG16 as far as the coarsest scores; also the pooled maps of each block."""
    image = keras.Input((*image_size(size), 3), name="image")
    x, pools = keras.layers.ZeroPadding2D(100, name="pad")(image), {}
    for block, filters, convolutions in VGG16:
        for index in range(1, convolutions + 1):
            padding = "valid" if (block, index) == (1, 1) else "same"
            x = make.conv(x, f"conv{block}_{index}", filters, 3, padding=padding, activation="relu")
        # SAME rounds up and leaves the padding out of the maximum, as Caffe's pooling does.
        x = pools[block] = keras.layers.MaxPooling2D(2, padding="same", name=f"pool{block}")(x)
    x = make.conv(x, "fc6", width, 7, padding="valid", activation="relu")
    x = keras.layers.Dropout(0.5, name="drop6")(x)
    x = make.conv(x, "fc7", width, 1, activation="relu")
    x = keras.layers.Dropout(0.5, name="drop7")(x)
    return image, make.conv(x, "score_fr", classes, 1), pools


def _upscore(make: Blocks, scores: Array, name: str, factor: int) -> Array:
    """Enlarge by `factor`: a bilinear transposed convolution twice as long."""
    return make.deconv(
        scores, name, scores.shape[-1], 2 * factor, factor, "valid", use_bias=False, bilinear=True
    )


def _fuse(
    make: Blocks, scores: Array, name: str, pool: Array, pool_name: str, offset: int
) -> Array:
    """Enlarge the scores twice and add those of a finer map, cropped to match."""
    scores = _upscore(make, scores, name, 2)
    finer = make.conv(pool, f"score_{pool_name}", scores.shape[-1], 1)
    return keras.layers.Add(name=f"fuse_{pool_name}")(
        [scores, _crop(finer, scores, offset, f"score_{pool_name}c")]
    )


def _finish(
    make: Blocks, model: str, image: Array, scores: Array, name: str, factor: int, offset: int
) -> keras.Model:
    scores = _crop(_upscore(make, scores, name, factor), image, offset, "score")
    return keras.Model(image, scores, name=model)


def _crop(x: Array, like: Array, offset: int, name: str) -> Array:
    """The part of `x` that starts at `offset` and is as large as `like`."""
    crops = tuple(
        (offset, n - offset - m) for n, m in zip(x.shape[1:3], like.shape[1:3], strict=True)
    )
    return keras.layers.Cropping2D(crops, name=name)(x)
