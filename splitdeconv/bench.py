"""Time functions against each other on this machine: interleaved, repeated, as ratios with bootstrap intervals.

A machine's speed drifts, so functions are called in turn and compared within a turn: what is reported is the median of
the paired ratios. What runs before a function leaves its traces in the caches, so each turn starts with another one:
A B C, B C A, C A B. Timings are results, never tests.
"""

from time import perf_counter

import numpy as np
import pandas as pd

from .errors import SplitDeconvError
from .extras import require

#: Bytes: above every transposed convolution's filters of the benchmark networks, below VGG16's dense layers.
LARGEST_CONSTANT = 64 * 2**20


def interleaved(functions, *, turns=15, warmup=2, budget=None):
    """Call every function once a turn and time each call.

    Args:
        functions: dict of name to a function without arguments that returns when its result is there.
        turns: timed turns.
        warmup: untimed turns before.
        budget: seconds after which no further turn starts (three turns are always run); None for no limit.

    Returns:
        DataFrame, one row a call: turn, name, seconds.
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


def summarize(times, *, baseline="native", confidence=0.95, resamples=2000, seed=0):
    """Median time of each function, and its speedup over a baseline.

    Args:
        times: what `interleaved` returned.
        baseline: name of the function to divide by.
        confidence: of the percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13), over turns.
        resamples: bootstrap resamples.
        seed: of the resampling.

    Returns:
        DataFrame, one row a name in order of first call: seconds (median), speedup (median over turns of baseline time
        / time), low and high (its interval), turns.

    Raises:
        SplitDeconvError: the baseline was not timed.
    """
    table = times.pivot(index="turn", columns="name", values="seconds")[list(dict.fromkeys(times["name"]))]
    if baseline not in table:
        raise SplitDeconvError(
            "the baseline was not timed", where="bench.summarize", expected=", ".join(table), got=repr(baseline)
        )
    ratios = table[[baseline]].to_numpy() / table.to_numpy()
    draws = np.random.default_rng(seed).integers(0, len(ratios), (resamples, len(ratios)))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(np.median(ratios[draws], axis=1), [tail, 100 - tail], axis=0)
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


def frozen(model, *inputs):
    """A function without arguments that runs a Keras model on fixed inputs with its weights as constants.

    This is how a model is deployed: TensorFlow folds what depends on weights alone, the splitting of filters
    included, once, when the function is traced. Weights of `LARGEST_CONSTANT` bytes or more stay variables: of each
    constant TensorFlow keeps several copies.

    Args:
        model: a Keras model on the tensorflow backend, or a layer that has been built.
        inputs: arrays, one for each input of the model.

    Returns:
        A function that returns the output when it has been computed, as NumPy array or list of them.
    """
    tf = require("tensorflow", "tensorflow")
    weights = [
        [v.value if tf.size(v.value) * v.value.dtype.size >= LARGEST_CONSTANT else v.numpy() for v in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]
    arguments = [tf.constant(x, "float32") for x in inputs]
    arguments = arguments[0] if len(arguments) == 1 else arguments

    @tf.function(autograph=False)
    def run(arguments):
        # Constants made in here are part of the graph; made outside they would be inputs, which nothing can fold.
        constants = [list(map(tf.convert_to_tensor, values)) for values in weights]
        outputs, _ = model.stateless_call(*constants, arguments, training=False)
        return outputs

    graph = run.get_concrete_function(arguments)
    return lambda: tf.nest.map_structure(lambda y: y.numpy(), graph(arguments))
