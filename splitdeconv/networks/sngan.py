"""SNGAN's generator for 32x32 images (Miyato et al., arXiv 1802.05957, standard CNN).

A latent vector of 128, projected to 4x4x512, three 4x4 transposed convolutions of stride 2 and a
convolution to RGB, batch normalisation and ReLU between. Spectral normalisation concerns only the
discriminator, in training. The authors' code (pfnet-research/chainer-gan-lib, common/net.py, commit
1fdd767, `DCGANGenerator`) ends in a 3x3 convolution; the published operation count fits a 1x1
convolution, which is used here.
"""

import keras

from .blocks import Blocks


def sngan(make: Blocks, latent: int = 128) -> keras.Model:
    """(batch, latent), normal or uniform in [-1, 1], to images (batch, 32, 32, 3) in [-1, 1].

    Args:
        make: the layers' factory.
        latent: length of the latent vector.
    """
    z = keras.Input((latent,), name="latent")
    x = make.dense(z, "project", 4 * 4 * 512, norm="batch", activation="relu")
    x = keras.layers.Reshape((4, 4, 512), name="reshape")(x)
    for index, filters in enumerate((256, 128, 64), start=1):
        x = make.deconv(x, f"deconv{index}", filters, 4, norm="batch", activation="relu")
    x = make.conv(x, "to_rgb", 3, 1, activation="tanh")
    return keras.Model(z, x, name="sngan")
