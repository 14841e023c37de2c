"""Generators of images, autoencoders and super-resolution."""

import keras
from keras import layers


def dcgan_mnist():
    """DCGAN of TensorFlow's tutorial: tensorflow.org/tutorials/generative/dcgan."""
    x = given = keras.Input((100,), name="z")
    x = layers.Dense(7 * 7 * 256, use_bias=False)(x)
    x = layers.LeakyReLU()(layers.BatchNormalization()(x))
    x = layers.Reshape((7, 7, 256))(x)
    for filters, strides in ((128, 1), (64, 2)):
        x = layers.Conv2DTranspose(filters, 5, strides, "same", use_bias=False)(x)
        x = layers.LeakyReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2DTranspose(1, 5, 2, "same", use_bias=False, activation="tanh")(x)
    return keras.Model(given, x)


def dcgan_faces():
    """DCGAN of keras.io/examples/generative/dcgan_overriding_train_step."""
    x = given = keras.Input((128,), name="z")
    x = layers.Reshape((8, 8, 128))(layers.Dense(8 * 8 * 128)(x))
    for filters in (128, 256, 512):
        x = layers.LeakyReLU(0.2)(layers.Conv2DTranspose(filters, 4, 2, "same")(x))
    return keras.Model(given, layers.Conv2D(3, 5, padding="same", activation="sigmoid")(x))


def conditional_gan():
    """Conditional GAN of keras.io/examples/generative/conditional_gan."""
    x = given = keras.Input((138,), name="z")
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Dense(7 * 7 * 138)(x))
    x = layers.Reshape((7, 7, 138))(x)
    for _ in range(2):
        x = layers.Conv2DTranspose(128, 4, 2, "same")(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    return keras.Model(given, layers.Conv2D(1, 7, padding="same", activation="sigmoid")(x))


def variational_autoencoder():
    """Decoder of keras.io/examples/generative/vae."""
    x = given = keras.Input((2,), name="z")
    x = layers.Reshape((7, 7, 64))(layers.Dense(7 * 7 * 64, activation="relu")(x))
    for filters in (64, 32):
        x = layers.Conv2DTranspose(filters, 3, 2, "same", activation="relu")(x)
    x = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(x)
    return keras.Model(given, x)


def vector_quantized_autoencoder():
    """Decoder of keras.io/examples/generative/vq_vae."""
    x = given = keras.Input((7, 7, 16), name="codes")
    for filters in (64, 32):
        x = layers.Conv2DTranspose(filters, 3, 2, "same", activation="relu")(x)
    return keras.Model(given, layers.Conv2DTranspose(1, 3, padding="same")(x))


def denoising_autoencoder():
    """Denoising autoencoder of keras.io/examples/vision/autoencoder."""
    x = given = keras.Input((28, 28, 1), name="image")
    for _ in range(2):
        x = layers.Conv2D(32, 3, activation="relu", padding="same")(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    for _ in range(2):
        x = layers.Conv2DTranspose(32, 3, 2, "same", activation="relu")(x)
    return keras.Model(given, layers.Conv2D(1, 3, activation="sigmoid", padding="same")(x))


def pix2pix(size=128, base=16):
    """Pix2pix's U-Net of tensorflow.org/tutorials/generative/pix2pix, at half size and narrower."""
    x = given = keras.Input((size, size, 3), name="image")
    skips = []
    for index, times in enumerate((1, 2, 4, 4, 4, 4, 4)):
        x = layers.Conv2D(times * base, 4, 2, "same", use_bias=False)(x)
        if index:
            x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU()(x)
        skips.append(x)
    for times, skip in zip((4, 4, 4, 4, 2, 1), skips[-2::-1], strict=True):
        x = layers.Conv2DTranspose(times * base, 4, 2, "same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Concatenate()([x, skip])
    return keras.Model(given, layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh")(x))


def cyclegan(size=64, base=16, blocks=6):
    """CycleGAN's generator of keras.io/examples/generative/cyclegan, narrower."""
    x = given = keras.Input((size, size, 3), name="image")
    x = _normal(layers.Conv2D(base, 7, padding="same", use_bias=False)(x))
    for times in (2, 4):
        x = _normal(layers.Conv2D(times * base, 3, 2, "same", use_bias=False)(x))
    for _ in range(blocks):
        y = _normal(layers.Conv2D(4 * base, 3, padding="same", use_bias=False)(x))
        x = layers.Add()([x, _normal(layers.Conv2D(4 * base, 3, padding="same")(y), None)])
    for times in (2, 1):
        x = _normal(layers.Conv2DTranspose(times * base, 3, 2, "same", use_bias=False)(x))
    return keras.Model(given, layers.Conv2D(3, 7, padding="same", activation="tanh")(x))


def _normal(x, activation="relu"):
    x = layers.GroupNormalization(groups=-1)(x)
    return x if activation is None else layers.Activation(activation)(x)


def super_resolution(size=32, factor=3):
    """FSRCNN, Dong et al. (arXiv 1608.00367), d = 56, s = 12, m = 4: its 9x9 deconvolution."""
    x = given = keras.Input((size, size, 1), name="image")
    for filters, kernel in ((56, 5), (12, 1), *[(12, 3)] * 4, (56, 1)):
        x = layers.Conv2D(filters, kernel, padding="same")(x)
        x = layers.PReLU(shared_axes=[1, 2])(x)
    return keras.Model(given, layers.Conv2DTranspose(1, 9, factor, "same")(x))


NETWORKS = (
    dcgan_mnist,
    dcgan_faces,
    conditional_gan,
    variational_autoencoder,
    vector_quantized_autoencoder,
    denoising_autoencoder,
    pix2pix,
    cyclegan,
    super_resolution,
)
