"""Segmentation of images and volumes."""

import keras
from keras import layers


def unet(size=96, base=16):
    """U-Net, Ronneberger et al. (arXiv 1505.04597), with a quarter of its channels."""
    x = given = keras.Input((size, size, 3), name="image")
    skips = []
    for level in range(4):
        x = _twice(x, base << level)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = _twice(x, base << 4)
    for level in range(3, -1, -1):
        x = layers.Conv2DTranspose(base << level, 2, 2)(x)
        x = _twice(layers.Concatenate()([x, skips[level]]), base << level)
    return keras.Model(given, layers.Conv2D(2, 1)(x))


def _twice(x, filters):
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return x


def unet_xception(size=96):
    """The U-Net of keras.io/examples/vision/oxford_pets_image_segmentation: strides of 1."""
    x = given = keras.Input((size, size, 3), name="image")
    x = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(32, 3, 2, "same")(x)))
    before = x
    for filters in (64, 128, 256):
        for _ in range(2):
            x = layers.SeparableConv2D(filters, 3, padding="same")(layers.Activation("relu")(x))
            x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(3, 2, "same")(x)
        before = x = layers.add([x, layers.Conv2D(filters, 1, 2, "same")(before)])
    for filters in (256, 128, 64, 32):
        for _ in range(2):
            x = layers.Conv2DTranspose(filters, 3, padding="same")(layers.Activation("relu")(x))
            x = layers.BatchNormalization()(x)
        x = layers.UpSampling2D(2)(x)
        before = layers.Conv2D(filters, 1, padding="same")(layers.UpSampling2D(2)(before))
        before = x = layers.add([x, before])
    return keras.Model(given, layers.Conv2D(3, 3, activation="softmax", padding="same")(x))


def mobilenet_unet(size=96):
    """The modified U-Net of tensorflow.org/tutorials/images/segmentation, on MobileNetV2."""
    trunk = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), include_top=False, weights=None, alpha=0.5
    )
    names = ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu")
    skips = [trunk.get_layer(name).output for name in (*names, "block_13_expand_relu")]
    x = trunk.get_layer("block_16_project").output
    for filters, skip in zip((256, 128, 64, 32), skips[::-1], strict=True):
        x = layers.Conv2DTranspose(filters, 3, 2, "same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Concatenate()([x, skip])
    given = keras.Input((size, size, 3), name="image")
    whole = keras.Model(trunk.input, layers.Conv2DTranspose(3, 3, 2, "same")(x))
    return keras.Model(given, whole(given))


def linknet(size=96, base=16):
    """LinkNet, Chaurasia and Culurciello (arXiv 1707.03718): 3x3 layers between 1x1 layers."""
    x = given = keras.Input((size, size, 3), name="image")
    skips = []
    for level in range(4):
        skips.append(x) if level else None
        x = _normal(layers.Conv2D(base << level, 3, 2, "same")(x))
    for level in range(3, -1, -1):
        filters = base << max(level - 1, 0)
        x = _normal(layers.Conv2D(max(x.shape[-1] // 4, 4), 1)(x))
        x = _normal(layers.Conv2DTranspose(x.shape[-1], 3, 2, "same")(x))
        x = _normal(layers.Conv2D(filters, 1)(x))
        if level:
            x = layers.Add()([x, skips[level - 1]])
    return keras.Model(given, layers.Conv2DTranspose(2, 2, 1, "same")(x))


def _normal(x):
    return layers.ReLU()(layers.BatchNormalization()(x))


def fcn8s(size=96, base=8):
    """FCN-8s, Long et al. (arXiv 1411.4038): 4x4 layers and one of 16x16, for 21 classes."""
    x = given = keras.Input((size, size, 3), name="image")
    scores = []
    for level, count in enumerate((2, 2, 3, 3, 3)):
        for _ in range(count):
            filters = base << min(level, 3)
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
        scores.append(layers.Conv2D(21, 1)(x))
    x = scores[4]
    for lower in (scores[3], scores[2]):
        x = layers.Add()([layers.Conv2DTranspose(21, 4, 2, "same", use_bias=False)(x), lower])
    return keras.Model(given, layers.Conv2DTranspose(21, 16, 8, "same", use_bias=False)(x))


def vnet(size=16, base=8):
    """V-Net, Milletari et al. (arXiv 1606.04797), three levels of it, with ELU: 2x2x2 layers."""
    x = given = keras.Input((size, size, size, 1), name="volume")
    skips = []
    for level in range(3):
        x = layers.Conv3D(base << level, 5, padding="same")(x)
        x = layers.ELU()(x)
        skips.append(x)
        x = layers.Conv3D(base << level + 1, 2, 2)(x)
    for level in range(2, -1, -1):
        x = layers.Conv3DTranspose(base << level, 2, 2)(x)
        x = layers.Conv3D(base << level, 5, padding="same")(layers.Concatenate()([x, skips[level]]))
        x = layers.ELU()(x)
    return keras.Model(given, layers.Conv3D(2, 1)(x))


NETWORKS = (unet, unet_xception, mobilenet_unet, linknet, fcn8s, vnet)
