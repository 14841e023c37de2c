"""Hold few copies of large weights while a .keras file is read or written.

Keras fills each variable with random values before it reads the file, and copies what it reads and
writes several times. A tensor of 480 MB would need 2.5 GB. With `reading`, large variables have no
values until they are assigned, and equal weights of two models are held once. `writing` saves one
copy. Values are not affected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...extras import require

if TYPE_CHECKING:
    import keras

    from ...core.typing import NumpyArray
else:
    keras = require("keras", "tensorflow")

#: Bytes from which a variable is large.
LARGE = 1 << 20
#: The alignment that TensorFlow requires of memory that it adopts.
_ALIGNMENT = 64
#: Bytes compared at a time; the first ones suffice for most tensors that differ.
_FIRST, _CHUNK = 1 << 12, 1 << 22
# Methods of a class are replaced, so only one thread at a time may do so.
_lock = RLock()

#: A method of `keras.Variable`.
_Method: TypeAlias = "Callable[..., Any]"


class Reading:
    """The large variables created in `reading` that wait for their values."""

    def __init__(self) -> None:
        self._waiting: list[tuple[keras.Variable, _Method]] = []

    def __bool__(self) -> bool:
        """Whether there was any."""
        return bool(self._waiting)

    def add(self, variable: keras.Variable, initializer: _Method) -> None:
        """Create a variable without values."""
        variable._initialize(_without_values(variable))
        self._waiting.append((variable, initializer))

    def finish(self) -> None:
        """Give initial values to the variables that the file does not contain."""
        for variable, initializer in self._waiting:
            if not variable.value.is_initialized():
                variable.assign(initializer(variable.shape, dtype=variable.dtype))


@contextmanager
def reading(like: keras.Model | None = None) -> Iterator[Reading]:
    """A context in which this thread loads a model with few copies of its large weights.

    Args:
        like: a model whose weights the new model shares where they are bitwise equal; neither may
            be trained afterwards.
    """
    tensorflow = keras.backend.backend() == "tensorflow"
    waits = tensorflow and not require("tensorflow", "tensorflow").distribute.has_strategy()
    state, known = Reading(), _Known(like)

    def initialize(original: _Method, variable: keras.Variable, initializer: _Method) -> Any:
        if waits and _size(variable.shape, variable.dtype) >= LARGE:
            return state.add(variable, initializer)
        return original(variable, initializer)

    def assign(original: _Method, variable: keras.Variable, value: Any) -> Any:
        fits = isinstance(value, np.ndarray) and value.dtype == variable.dtype
        if fits and value.nbytes >= LARGE:
            same = known.find(value)
            if same is not None:
                value = _tensor(same)
            elif tensorflow and value.dtype.kind in "fiu":
                value = _adopted(value)
        return original(variable, value)

    with _replaced("_initialize_with_initializer", initialize), _replaced("assign", assign):
        yield state


@contextmanager
def writing() -> Iterator[None]:
    """A context in which Keras copies a variable only once to save it."""

    def array(
        original: _Method, variable: keras.Variable, dtype: Any = None, copy: Any = None
    ) -> NumpyArray:
        values: NumpyArray = np.array(view(variable), dtype) if copy else original(variable, dtype)
        return values

    with _replaced("__array__", array):
        yield


def view(variable: keras.Variable) -> NumpyArray:
    """The values of a variable, not copied."""
    return np.asarray(_tensor(variable))


class _Known:
    """The large weights of a model, to be found by value."""

    def __init__(self, model: keras.Model | None) -> None:
        self._of: dict[tuple[tuple[int, ...], np.dtype[Any]], list[keras.Variable]] = {}
        for variable in () if model is None else model.variables:
            if _size(variable.shape, variable.dtype) >= LARGE:
                values = view(variable)
                self._of.setdefault((values.shape, values.dtype), []).append(variable)

    def find(self, values: NumpyArray) -> keras.Variable | None:
        """The first of these that has the same bits; None if there is none."""
        alike = self._of.get((values.shape, values.dtype), ())
        return next((each for each in alike if _equal(view(each), values)), None)


def _equal(first: NumpyArray, second: NumpyArray) -> bool:
    """Whether two arrays of one shape and type have the same bits."""
    a, b = (np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (first, second))
    starts = (0, *range(_FIRST, a.size, _CHUNK))
    ends = (*starts[1:], a.size)
    return all(np.array_equal(a[i:j], b[i:j]) for i, j in zip(starts, ends, strict=True))


def _size(shape: Any, dtype: str) -> int:
    """Bytes of a variable; as if 4 bytes an element for types that NumPy does not know."""
    try:
        return prod(shape) * np.dtype(dtype).itemsize
    except TypeError:
        return prod(shape) * 4


def _tensor(variable: keras.Variable) -> Any:
    """The values of a variable as a tensor that shares its memory."""
    value = variable.value
    return value.read_value() if hasattr(value, "read_value") else value


def _without_values(variable: keras.Variable) -> Any:
    """A TensorFlow variable like the one that Keras would create, but without values."""
    from tensorflow.python.ops.resource_variable_ops import UninitializedVariable

    tf = require("tensorflow", "tensorflow")
    with tf.init_scope():
        return UninitializedVariable(
            shape=tuple(variable.shape),
            dtype=tf.as_dtype(variable.dtype),
            trainable=variable.trainable,
            name=variable.name,
            aggregation=variable._map_aggregation(variable.aggregation),
            synchronization=variable._map_synchronization(variable.synchronization),
        )


def _adopted(values: NumpyArray) -> Any:
    """A tensor of these values, copied once, where TensorFlow itself would copy them twice."""
    held = np.empty(values.nbytes + _ALIGNMENT, np.uint8)
    start = -held.ctypes.data % _ALIGNMENT
    aligned = held[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    aligned[...] = values
    return require("tensorflow", "tensorflow").experimental.dlpack.from_dlpack(aligned.__dlpack__())


@contextmanager
def _replaced(name: str, method: _Method) -> Iterator[None]:
    """A context in which a method of `keras.Variable` is replaced for this thread.

    Args:
        name: of the method.
        method: called with the original method and its arguments.
    """
    cls, thread = keras.Variable, get_ident()

    def replacement(variable: keras.Variable, *args: Any, **kwargs: Any) -> Any:
        if get_ident() != thread:
            return original(variable, *args, **kwargs)
        return method(original, variable, *args, **kwargs)

    with _lock:
        original, own = getattr(cls, name), vars(cls).get(name)
        setattr(cls, name, replacement)
        try:
            yield
        finally:
            if own is None:
                delattr(cls, name)
            else:
                setattr(cls, name, own)
