"""Networks without transposed convolutions, in which there is nothing to convert."""

import keras
from keras import layers


def application(name, size=64, **config):
    """One of keras.applications, for ten classes and without trained weights."""
    kind = getattr(keras.applications, name)
    trunk = kind(input_shape=(size, size, 3), weights=None, classes=10, **config)
    given = keras.Input((size, size, 3), name="image")
    return keras.Model(given, trunk(given))


def recurrent(kind="LSTM"):
    """A bidirectional recurrent network on sequences, as of keras.io/examples/nlp."""
    x = given = keras.Input((40, 16), name="series")
    x = layers.Bidirectional(getattr(layers, kind)(16, return_sequences=True))(x)
    x = layers.Bidirectional(getattr(layers, kind)(16))(x)
    return keras.Model(given, layers.Dense(3, activation="softmax")(x))


def attention():
    """A transformer block on sequences, as of keras.io/examples/timeseries."""
    x = given = keras.Input((40, 16), name="series")
    y = layers.MultiHeadAttention(4, 8)(x, x)
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    y = layers.Conv1D(16, 1)(layers.Conv1D(32, 1, activation="relu")(x))
    x = layers.GlobalAveragePooling1D()(layers.Add()([x, y]))
    return keras.Model(given, layers.Dense(3, activation="softmax")(x))


def resized_unet(size=64):
    """A U-Net that resizes by repetition, in place of transposed convolutions."""
    x = given = keras.Input((size, size, 3), name="image")
    y = layers.Conv2D(16, 3, 2, "same", activation="relu")(x)
    y = layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(16, 3, padding="same")(y))
    return keras.Model(given, layers.Conv2D(2, 1)(layers.Concatenate()([x, y])))


NETWORKS = (application, recurrent, attention, resized_unet)
