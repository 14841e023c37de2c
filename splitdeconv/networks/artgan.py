"""ArtGAN's generator (Tan et al., arXiv 1702.03410), 64x64: the nearest documented architecture.

The split-deconvolution paper publishes only this network's sums, not its layers. The authors' own
code (cs-chan/ArtGAN) holds the later, improved ArtGAN (arXiv 1708.09533), which has no transposed
convolution at all: it resizes and convolves. Two independent public reimplementations of the
earlier paper (sebastienmeyer2/image-synthesis-artgan, src/gan/generator.py, commit 2cd2242;
aliciafmachado/artgan-implementation, nn/Generator.py, commit 11f9050) agree on what is built here:
4x4x1024, three 4x4 transposed convolutions of stride 2, a 3x3 one of stride 1, and a last 4x4 one
of stride 2, batch normalisation and ReLU between, a sigmoid at the end. They differ in how latent
vector and label become 4x4x1024; the former's 4x4 transposed convolution of a single pixel is
taken, which is a dense layer.
"""

import keras

from .blocks import Blocks


def artgan(make: Blocks, latent: int = 100, classes: int = 10) -> keras.Model:
    """[(batch, latent), (batch, classes)] to (batch, 64, 64, 3) in [0, 1].

    The inputs are a latent vector and a one-hot label.

    Args:
        make: the layers' factory.
        latent: length of the latent vector.
        classes: how many labels; WikiArt's genres are ten.
    """
    z, label = keras.Input((latent,), name="latent"), keras.Input((classes,), name="label")
    x = keras.layers.Concatenate(name="condition")([z, label])
    x = make.dense(x, "project", 4 * 4 * 1024, norm="batch", activation="relu")
    x = keras.layers.Reshape((4, 4, 1024), name="reshape")(x)
    for index, filters in enumerate((512, 256, 128), start=1):
        x = make.deconv(x, f"deconv{index}", filters, 4, norm="batch", activation="relu")
    x = make.deconv(x, "deconv4", 128, 3, strides=1, norm="batch", activation="relu")
    x = make.deconv(x, "deconv5", 3, 4, activation="sigmoid")
    return keras.Model([z, label], x, name="artgan")
