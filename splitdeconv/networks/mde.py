"""MDE: monocular depth estimation, VGG variant (Godard et al., arXiv 1609.03677), 256x512.

The published deconvolutions are monodepth's seven up-convolutions of the VGG variant (the ResNet
one has six) as transposed convolutions, 3x3 of stride 2. The published encoder is not documented:
the rest is monodepth's own (mrharicot/monodepth, monodepth_model.py `build_vgg`, commit 0b5cc83):
pairs of 7x7, 5x5 and 3x3 convolutions, the second of each of stride 2, ELU throughout, skip
connections, and from 1/8 of the size on a disparity map at each scale, which joins the next scale
enlarged. Padding is SAME where monodepth pads by hand; the operations are the same.
"""

import keras

from ..core.typing import Array
from .blocks import Blocks, image_size

ENCODER = ((32, 7), (64, 5), (128, 3), (256, 3), (512, 3), (512, 3), (512, 3))
DECODER = {7: 512, 6: 512, 5: 256, 4: 128, 3: 64, 2: 32, 1: 16}


def mde(make: Blocks, size: tuple[int, int] = (256, 512)) -> keras.Model:
    """Images (batch, height, width, 3) in [0, 1] to four disparity maps.

    Full size comes first, each further one is half the one before.

    A map (batch, h, w, 2) holds the left and the right view's disparity as a fraction of the width,
    0 to 0.3.

    Args:
        make: the layers' factory.
        size: height and width, multiples of 128.
    """
    x = image = keras.Input((*image_size(size, 128), 3), name="image")
    skips = {}
    for index, (filters, kernel) in enumerate(ENCODER, start=1):
        x = make.conv(x, f"conv{index}", filters, kernel, activation="elu")
        x = make.conv(x, f"conv{index}b", filters, kernel, 2, activation="elu")
        skips[index + 1] = x  # joins the up-convolution that leads to its size
    disparities: list[Array] = []
    for index, filters in DECODER.items():
        x = make.deconv(x, f"upconv{index}", filters, 3, activation="elu")
        joined = [x, skips[index]] if index in skips else [x]
        if disparities:
            joined.append(keras.layers.UpSampling2D(name=f"udisp{index + 1}")(disparities[0]))
        x = keras.layers.Concatenate(name=f"concat{index}")(joined)
        x = make.conv(x, f"iconv{index}", filters, 3, activation="elu")
        if index <= 4:
            disparity = make.conv(x, f"disp{index}", 2, 3, activation="sigmoid")
            disparities.insert(0, keras.layers.Rescaling(0.3, name=f"disparity{index}")(disparity))
    return keras.Model(image, disparities, name="mde")
