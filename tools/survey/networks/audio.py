"""Signals along time."""

import keras
from keras import layers


def wavegan(base=8):
    """WaveGAN's generator, Donahue et al. (arXiv 1802.04208): kernels of 25, strides of 4."""
    x = given = keras.Input((100,), name="z")
    x = layers.Reshape((16, 16 * base))(layers.Dense(256 * base)(x))
    for filters in (8 * base, 4 * base, 2 * base, base):
        x = layers.ReLU()(layers.Conv1DTranspose(filters, 25, 4, "same")(x))
    return keras.Model(given, layers.Conv1DTranspose(1, 25, 4, "same", activation="tanh")(x))


def melgan(frames=32, base=256):
    """MelGAN's generator of keras.io/examples/audio/melgan_spectrogram_inversion, narrower."""
    x = given = keras.Input((frames, 80), name="mel")
    x = layers.Conv1D(base, 7, padding="same")(x)
    for filters, strides in ((base // 2, 8), (base // 4, 8), (base // 8, 2), (base // 16, 2)):
        x = layers.Conv1DTranspose(filters, 2 * strides, strides, "same")(layers.LeakyReLU()(x))
        for dilation in (1, 3, 9):
            y = layers.Conv1D(filters, 3, dilation_rate=dilation, padding="same")(x)
            y = layers.Conv1D(filters, 3, padding="same")(layers.LeakyReLU()(y))
            # Without weight normalization, sums would grow until the last activation saturates.
            x = layers.Rescaling(0.7)(layers.Add()([x, y]))
    return keras.Model(given, layers.Conv1D(1, 7, padding="same", activation="tanh")(x))


def anomaly_autoencoder():
    """Autoencoder of keras.io/examples/timeseries/timeseries_anomaly_detection."""
    x = given = keras.Input((288, 1), name="series")
    for filters in (32, 16):
        x = layers.Conv1D(filters, 7, padding="same", strides=2, activation="relu")(x)
    for filters in (16, 32):
        x = layers.Conv1DTranspose(filters, 7, 2, "same", activation="relu")(x)
    return keras.Model(given, layers.Conv1DTranspose(1, 7, padding="same")(x))


NETWORKS = (wavegan, melgan, anomaly_autoencoder)
