"""FST: fast style transfer, 256x256 (Johnson et al., arXiv 1603.08155).

Channels and layers are those of the authors' instance-normalised networks
(jcjohnson/fast-neural-style, default of `-arch` in train.lua, commit 138faf1, and
fast_neural_style/models.lua): 9x9 to 32, two 3x3 of stride 2 to 128, five residual blocks of two
3x3, two 3x3 transposed convolutions of stride 2, 9x9 to RGB, tanh times 150. Padding is SAME
throughout, as in the published rows; the original reflects 40 pixels around the image and leaves
residual blocks unpadded.
"""

import keras

from .blocks import Blocks, image_size


def fst(make: Blocks, size: int | tuple[int, int] = 256, blocks: int = 5) -> keras.Model:
    """Images (batch, height, width, 3) to stylised ones, within -150 to 150.

    Both are less the VGG means.

    Args:
        make: the layers' factory.
        size: height and width, multiples of 4.
        blocks: residual blocks.
    """
    x = image = keras.Input((*image_size(size, 4), 3), name="image")
    x = make.conv(x, "conv1", 32, 9, norm="instance", activation="relu")
    x = make.conv(x, "conv2", 64, 3, 2, norm="instance", activation="relu")
    x = make.conv(x, "conv3", 128, 3, 2, norm="instance", activation="relu")
    for index in range(1, blocks + 1):
        y = make.conv(x, f"residual{index}a", 128, 3, norm="instance", activation="relu")
        y = make.conv(y, f"residual{index}b", 128, 3, norm="instance")
        x = keras.layers.Add(name=f"residual{index}")([x, y])
    x = make.deconv(x, "deconv1", 64, 3, norm="instance", activation="relu")
    x = make.deconv(x, "deconv2", 32, 3, norm="instance", activation="relu")
    x = make.conv(x, "to_rgb", 3, 9, activation="tanh")
    x = keras.layers.Rescaling(150.0, name="colours")(x)
    return keras.Model(image, x, name="fst")
