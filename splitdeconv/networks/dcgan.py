"""DCGAN's generator (Radford et al., arXiv 1511.06434) in the size that the paper measured.

A latent vector, projected to 8x8x256, then three 5x5 transposed convolutions of stride 2 to
64x64x3. Sizes, channels and activations are those of the paper's authors' configuration
(warmthless/split-deconvolution, networks_configuration/DCGAN.csv, commit ba61081); kernel, SAME
padding and batch normalisation those of the public TensorFlow implementation
(carpedm20/DCGAN-tensorflow, model.py), which starts one layer earlier, at 4x4x512.
"""

import keras

from .blocks import Blocks


def dcgan(make: Blocks, latent: int = 100) -> keras.Model:
    """(batch, latent), normal or uniform in [-1, 1], to images (batch, 64, 64, 3) in [-1, 1].

    Args:
        make: the layers' factory.
        latent: length of the latent vector.
    """
    z = keras.Input((latent,), name="latent")
    x = make.dense(z, "fc", 8 * 8 * 256, norm="batch", activation="relu")
    x = keras.layers.Reshape((8, 8, 256), name="reshape")(x)
    x = make.deconv(x, "deconv1", 128, 5, norm="batch", activation="relu")
    x = make.deconv(x, "deconv2", 64, 5, norm="batch", activation="relu")
    x = make.deconv(x, "deconv3", 3, 5, activation="tanh")
    return keras.Model(z, x, name="dcgan")
