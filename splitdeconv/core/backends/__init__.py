"""The operations a plan is run with, one small module per array library.

A backend is a module with the functions of `Backend`, on channels-last arrays. It is chosen by the
array it is given;
no framework is imported that the caller has not imported already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from ...errors import SplitDeconvError
from ...extras import default_library, require
from ..typing import Array, ArrayLike
from .interface import Backend as Backend

_P = ParamSpec("_P")
_R = TypeVar("_R")


def of(array: Array) -> Backend:
    """The backend module that computes with `array`.

    Raises:
        SplitDeconvError: the array is of none of the supported libraries.
    """
    if isinstance(array, np.ndarray):
        return _load("numpy")
    # Asking sys.modules first keeps frameworks unloaded: an array of a library that was never
    # imported cannot exist.
    if "jax" in sys.modules and isinstance(array, sys.modules["jax"].Array):
        return _load("jax")
    if "tensorflow" in sys.modules and sys.modules["tensorflow"].is_tensor(array):
        return _load("tensorflow")
    if "torch" in sys.modules and isinstance(array, sys.modules["torch"].Tensor):
        return _load("torch")
    raise SplitDeconvError(
        "no backend for this kind of array",
        where="the array",
        expected="a NumPy array, a TensorFlow or PyTorch tensor, or a JAX array",
        got=f"{type(array).__module__}.{type(array).__name__}",
        fix="convert it first, for example with tf.convert_to_tensor or torch.as_tensor",
    )


def _load(name: str) -> Backend:
    return cast(Backend, import_module(f".{name}", __name__))


def tensor(value: ArrayLike) -> Array:
    """`value`, which belongs to no library with a backend, as an array of the default library.

    Raises:
        SplitDeconvError: neither TensorFlow, JAX nor PyTorch is installed, or `value` is float64,
            which JAX would silently convert to float32.
    """
    library = default_library()
    if library == "torch":
        return _load("torch").as_tensor(value)
    if library == "tensorflow":
        return require("tensorflow", "tensorflow").convert_to_tensor(value)
    jax = require("jax", "jax")
    if np.asarray(value).dtype == np.float64 and not jax.config.jax_enable_x64:
        raise SplitDeconvError(
            "JAX would round this float64 input to float32",
            where="input",
            expected="float32, or JAX set to keep float64",
            got="float64",
            fix="jax.config.update('jax_enable_x64', True) first, or convert the input to float32",
        )
    return jax.numpy.asarray(value)


@contextmanager
def double_precision() -> Iterator[None]:
    """Let JAX keep float64 within the block, where it is in use; the other libraries always do.

    JAX then computes on the CPU, because a TPU has no float64.
    """
    if "jax" not in sys.modules and default_library() != "jax":
        yield
        return
    jax = require("jax", "jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            yield
    finally:
        jax.config.update("jax_enable_x64", before)


def stay_on_cpu() -> None:
    """Keep JAX, if in use, off accelerators in this process; call it before JAX computes.

    A TPU serves one process at a time, and rounds the factors of float32 products. Child processes
    are not affected. PyTorch computes on the CPU unless a tensor is moved.
    """
    if "jax" in sys.modules or default_library() == "jax":
        require("jax", "jax").config.update("jax_platforms", "cpu")


def static_shape(array: Array) -> tuple[int | None, ...]:
    """Lengths of all axes as far as they are known statically; empty if the rank is unknown."""
    if getattr(array.shape, "rank", 0) is None:
        return ()
    # A length that PyTorch traces as a symbol is not known either.
    return tuple(n if isinstance(n, int) else None for n in array.shape)


def untranslated(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Keep TensorFlow's AutoGraph from rewriting `function`, which depends on no tensor's value.

    This happens at the call, because TensorFlow may not be imported earlier.
    """

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if "tensorflow" not in sys.modules or compiling():
            return function(*args, **kwargs)
        unconverted: Any = sys.modules["tensorflow"].autograph.experimental.do_not_convert(function)
        return cast(_R, unconverted(*args, **kwargs))

    return call


#: What PyTorch's compiler runs, on tensors without values, instead of reading its Python code.
_IN_GRAPH: list[Callable[..., Any]] = []


def in_graph(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let `torch.compile` record what `function` does to tensors, instead of reading its code.

    Planning is more Python than the compiler can read. The arguments must be tensors, numbers,
    texts, None and sequences of them, and no result may depend on a tensor's value.
    """

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if compiling():
            _allow_in_graph()
        return function(*args, **kwargs)

    _IN_GRAPH.append(function)
    return call


def settled(value: Any) -> Any:
    """`value` with lengths that PyTorch's compiler keeps open, in sequences too, as numbers."""
    if isinstance(value, list | tuple):
        return tuple(map(settled, value))
    return int(value) if type(value).__name__ == "SymInt" else value


def compiling() -> bool:
    """Whether PyTorch's compiler is reading this code, rather than Python running it."""
    return "torch" in sys.modules and bool(sys.modules["torch"].compiler.is_dynamo_compiling())


def _allow_in_graph() -> None:
    """Register the functions of `in_graph` with the compiler."""
    sys.modules["torch"].compiler.allow_in_graph(_IN_GRAPH)


# The compiler calls this while it compiles. `torch.compiler.assume_constant_result` would set the
# same mark, but load the compiler, which takes seconds.
_allow_in_graph.__dict__["_dynamo_marked_constant"] = True
