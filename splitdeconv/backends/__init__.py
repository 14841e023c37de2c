"""The operations a plan is run with, one small module per array library.

A backend offers ``asarray shape reshape transpose pad take concat split_channels zeros_like depth_to_space conv
conv_transpose`` on channels-last arrays. It is chosen by the array it is given; no framework is imported that the
caller has not imported already.
"""

import sys
from functools import wraps
from importlib import import_module

import numpy as np

from ..errors import SplitDeconvError


def of(array):
    """The backend module that computes with `array`.

    Raises:
        SplitDeconvError: the array is of none of the supported libraries.
    """
    if isinstance(array, np.ndarray):
        return import_module(".numpy", __name__)
    # Asking sys.modules first keeps frameworks unloaded: an array of a library that was never imported cannot exist.
    if "jax" in sys.modules and isinstance(array, sys.modules["jax"].Array):
        return import_module(".jax", __name__)
    if "tensorflow" in sys.modules and sys.modules["tensorflow"].is_tensor(array):
        return import_module(".tensorflow", __name__)
    raise SplitDeconvError(
        "no backend for this kind of array",
        where="backends.of",
        expected="a NumPy array, a TensorFlow tensor or a JAX array",
        got=f"{type(array).__module__}.{type(array).__name__}",
        fix="convert it first, for example with tf.convert_to_tensor",
    )


def static_shape(array):
    """Lengths of all axes as far as they are known without running; empty where not even the rank is."""
    return () if getattr(array.shape, "rank", 0) is None else tuple(array.shape)


def untranslated(function):
    """Keep TensorFlow's AutoGraph from rewriting `function`: nothing in it depends on a tensor's value.

    The decision falls at the call, because TensorFlow is not imported before the caller has done so.
    """

    @wraps(function)
    def call(*args, **kwargs):
        if "tensorflow" not in sys.modules:
            return function(*args, **kwargs)
        return sys.modules["tensorflow"].autograph.experimental.do_not_convert(function)(*args, **kwargs)

    return call
