"""Time functions against each other: interleaved, repeated, as ratios with bootstrap intervals.

A machine's speed drifts, so functions are called in turn and compared within a turn; the reported
number is the median of the paired ratios. Each turn starts with a different function (A B C, B C A,
C A B), because caches remember the previous one. Timings are results, never tests.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from . import bootstrap
from .core.typing import ArrayLike
from .errors import SplitDeconvError
from .extras import require

#: Bytes: more than the filters of any transposed convolution here, less than VGG16's dense layers.
LARGEST_CONSTANT = 64 * 2**20


def interleaved(
    functions: Mapping[str, Callable[[], object]],
    *,
    turns: int = 15,
    warmup: int = 2,
    budget: float | None = None,
) -> pd.DataFrame:
    """Call every function once per turn and time each call.

    Args:
        functions: dict of name to a function without arguments that returns when its result is
            ready.
        turns: timed turns.
        warmup: untimed turns before.
        budget: seconds after which no further turn starts (three turns are always run); None for no
            limit.

    Returns:
        DataFrame, one row per call: turn, name, seconds.
    """
    for _ in range(warmup):
        for function in functions.values():
            function()
    names, rows, start = list(functions), [], perf_counter()
    for turn in range(turns):
        if budget is not None and turn >= 3 and perf_counter() - start > budget:
            break
        for name in (*names[turn % len(names) :], *names[: turn % len(names)]):
            begin = perf_counter()
            functions[name]()
            rows.append({"turn": turn, "name": name, "seconds": perf_counter() - begin})
    return pd.DataFrame(rows)


def summarize(
    times: pd.DataFrame,
    *,
    baseline: str = "native",
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Median time of each function, and its speedup over a baseline.

    Args:
        times: what `interleaved` returned.
        baseline: name of the function to divide by.
        confidence: of the bootstrap interval, over turns.
        resamples: bootstrap resamples.
        seed: of the resampling.

    Returns:
        DataFrame, one row per name in order of first call: seconds (median), speedup (median over
            turns of baseline time / time), low and high (its interval), turns.

    Raises:
        SplitDeconvError: the baseline was not timed.
    """
    names = list(dict.fromkeys(times["name"]))
    table = times.pivot(index="turn", columns="name", values="seconds")[names]
    if baseline not in table:
        raise SplitDeconvError(
            "the baseline was not timed",
            where="baseline",
            expected=", ".join(table),
            got=repr(baseline),
        )
    ratios = table[[baseline]].to_numpy() / table.to_numpy()
    low, high = bootstrap.interval(
        ratios, np.median, confidence=confidence, resamples=resamples, seed=seed
    )
    return pd.DataFrame(
        {
            "name": table.columns,
            "seconds": table.median().to_numpy(),
            "speedup": np.median(ratios, axis=0),
            "low": low,
            "high": high,
            "turns": len(table),
        }
    )


def compiled(function: Callable[..., Any], *inputs: ArrayLike) -> Callable[[], Any]:
    """Compile `function` on fixed inputs with the library of Keras' backend.

    Args:
        function: takes arrays of that library. NumPy arrays that it uses become constants of the
            program.
        inputs: arrays, float32.

    Returns:
        A function that returns the output when it has been computed, as NumPy array. JAX computes
        on the CPU, whatever else it has.
    """
    if _on_jax():
        jax = require("jax", "jax")
        arguments = _on_cpu(jax, inputs)
        run = jax.jit(function).lower(*arguments).compile()
        return lambda: jax.tree.map(np.asarray, run(*arguments))
    tf = require("tensorflow", "tensorflow")
    arguments = [tf.constant(x) for x in inputs]
    graph = tf.function(function, autograph=False).get_concrete_function(*arguments)
    return lambda: tf.nest.map_structure(lambda y: y.numpy(), graph(*arguments))


def frozen(model: Any, *inputs: ArrayLike) -> Callable[[], Any]:
    """Compile a Keras model on fixed inputs, with its weights as constants.

    This is how a model is deployed: when the function is compiled, TensorFlow or XLA computes
    everything that depends only on weights, including the split filters. Weights of
    `LARGEST_CONSTANT` bytes or more stay variables, because TensorFlow keeps several copies of each
    constant.

    Args:
        model: a Keras model on the tensorflow or jax backend, or a layer that has been built.
        inputs: arrays, one for each input of the model.

    Returns:
        A function that returns the output when it has been computed, as NumPy array or list of
        them.
    """
    return (_frozen_jax if _on_jax() else _frozen_tensorflow)(model, inputs)


def _frozen_tensorflow(model: Any, inputs: Sequence[ArrayLike]) -> Callable[[], Any]:
    tf = require("tensorflow", "tensorflow")

    def constant(v: Any) -> Any:
        large = tf.size(v.value) * v.value.dtype.size >= LARGEST_CONSTANT
        return v.value if large else v.numpy()

    variables = (model.trainable_variables, model.non_trainable_variables)
    weights = [[constant(v) for v in some] for some in variables]
    arguments = [tf.constant(x, "float32") for x in inputs]
    arguments = arguments[0] if len(arguments) == 1 else arguments

    @tf.function(autograph=False)
    def run(arguments: Any) -> Any:
        # Constants made in here are part of the graph; made outside, they would be inputs, which
        # are not folded.
        constants = [list(map(tf.convert_to_tensor, values)) for values in weights]
        outputs, _ = model.stateless_call(*constants, arguments, training=False)
        return outputs

    graph = run.get_concrete_function(arguments)
    return lambda: tf.nest.map_structure(lambda y: y.numpy(), graph(arguments))


def _frozen_jax(model: Any, inputs: Sequence[ArrayLike]) -> Callable[[], Any]:
    jax = require("jax", "jax")
    values = [np.asarray(v) for v in (*model.trainable_variables, *model.non_trainable_variables)]
    count = len(model.trainable_variables)
    heavy = [index for index, w in enumerate(values) if w.nbytes >= LARGEST_CONSTANT]
    large = {index: _on_cpu(jax, [values[index]])[0] for index in heavy}
    arguments = _on_cpu(jax, [np.asarray(x, "float32") for x in inputs])
    arguments = arguments[0] if len(arguments) == 1 else arguments

    def run(large: dict[int, Any], arguments: Any) -> Any:
        weights = [large.get(index, w) for index, w in enumerate(values)]
        parts = weights[:count], weights[count:]
        outputs, _ = model.stateless_call(*parts, arguments, training=False)
        return outputs

    program = jax.jit(run).lower(large, arguments).compile()
    return lambda: jax.tree.map(np.asarray, program(large, arguments))


def _on_jax() -> bool:
    return require("keras", "tensorflow").backend.backend() == "jax"


def _on_cpu(jax: Any, arrays: Iterable[ArrayLike]) -> list[Any]:
    return [jax.device_put(array, jax.local_devices(backend="cpu")[0]) for array in arrays]
