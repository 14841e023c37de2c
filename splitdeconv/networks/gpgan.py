"""GP-GAN's blending network, an encoder and a decoder at 64x64 (Wu et al., arXiv 1703.07195).

Layers, channels and the bottleneck of 4000 are the authors' (wuhuikai/GP-GAN, commit 0047f43,
model.py `EncoderDecoder` and the defaults of run_gp_gan.py): 4x4 convolutions and transposed
convolutions of stride 2 without bias, batch normalisation but on the outermost layers, leaky ReLU
(slope 0.2) in the encoder, ReLU in the decoder. Their padding of 1 is SAME at these sizes. The
decoder's first layer, a 4x4 transposed convolution of a single pixel, is a dense layer;
the published count holds one such bottleneck, the encoder's.
"""

import keras

from .blocks import Blocks


def gpgan(make: Blocks, bottleneck: int = 4000) -> keras.Model:
    """(batch, 64, 64, 3), a copied-and-pasted image in [-1, 1], to the blended image, likewise.

    Args:
        make: the layers' factory.
        bottleneck: channels between encoder and decoder.
    """
    x = image = keras.Input((64, 64, 3), name="image")
    for index, filters in enumerate((64, 128, 256, 512), start=1):
        norm = "batch" if index > 1 else None
        x = make.conv(
            x, f"conv{index}", filters, 4, 2, norm=norm, activation="leaky_relu", use_bias=False
        )
    x = make.conv(x, "bottleneck", bottleneck, 4, 1, "valid", "batch", "leaky_relu", use_bias=False)
    x = keras.layers.Flatten(name="flatten")(x)
    x = make.dense(x, "project", 4 * 4 * 512, "batch", "relu", use_bias=False)
    x = keras.layers.Reshape((4, 4, 512), name="reshape")(x)
    for index, filters in enumerate((256, 128, 64), start=1):
        x = make.deconv(
            x, f"deconv{index}", filters, 4, norm="batch", activation="relu", use_bias=False
        )
    x = make.deconv(x, "deconv4", 3, 4, activation="tanh", use_bias=False)
    return keras.Model(image, x, name="gpgan")
