"""Keras' layers and their twins, made and fed alike."""

import keras
import numpy as np

import splitdeconv as sd

BACKEND = keras.backend.backend()
SIZES, KERNEL, STRIDES, CIN, COUT = (5, 4, 3), (4, 3, 2), (2, 3, 2), 3, 4
# Outputs of these layers sum at most T = 5*5*3 products x*w with |x| about 1 and |w| below 1, as
# initial values are: T * eps * T * 0.3 = 1e-4 in the worst order, sqrt(T) * eps * 3 = 2e-6 in a
# real one.
TOLERANCE = 1e-5


def pair(rank, *arguments, form="auto", interleave="concat", **options):
    """Keras' layer and its twin, each made after the same seed."""
    original, twin = (
        getattr(keras.layers, f"Conv{rank}DTranspose"),
        getattr(sd.layers, f"SplitConv{rank}DTranspose"),
    )
    keras.utils.set_random_seed(4)
    original = original(*arguments, **options)
    keras.utils.set_random_seed(4)
    return original, twin(*arguments, form=form, interleave=interleave, **options)


def drawn(*shape, dtype=np.float32):
    return np.random.default_rng(7).standard_normal(shape).astype(dtype)


def array(y):
    return keras.ops.convert_to_numpy(y)
