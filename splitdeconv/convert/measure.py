"""Time model files against each other in their own runtime, on this CPU."""

from functools import partial

import pandas as pd

from .. import bench
from ..errors import SplitDeconvError
from . import exchange
from .detect import detect
from .verify_inputs import find_recipe, read_inputs
from .verify_run import RejectedError, load


def time_files(
    original,
    converted,
    *,
    threads=(1, 2),
    turns=31,
    budget=20.0,
    seed=0,
    inputs=None,
    timeout=None,
    memory=None,
    progress=None,
) -> pd.DataFrame:
    """`time_models` of two files that nobody vouches for, in a child process with limits on time and memory.

    Args:
        original, converted: path or bytes of two .tflite or .onnx models.
        threads, turns, budget, seed: as for `time_models`.
        inputs: as for `time_models`.
        timeout, memory: limits of the child process in seconds and GiB; by default grown with the file.
        progress: called with the name of each stage the child enters.

    Returns:
        What `time_models` returns, of "original" and "converted".

    Raises:
        SplitDeconvError: as `time_models`; limits hit; inputs that the model does not take.
    """
    options = {"threads": list(threads), "turns": turns, "budget": budget, "seed": seed}
    with exchange.job("time", original, timeout, memory, inputs, converted, options=options) as job:
        return pd.DataFrame(job.run(progress))


def time_models(models, *, paths=None, inputs=None, threads=(1, 2), turns=31, budget=20.0, seed=0) -> pd.DataFrame:
    """Time models on the same inputs, in turn: LiteRT for .tflite, ONNX Runtime for .onnx.

    Args:
        models: dict of name to bytes, all of one format and with the same inputs; the first is the baseline.
        paths: dict of name to where the bytes came from, for external data.
        inputs: as for `splitdeconv.verify`, of which the first sample is taken; None for a synthetic one.
        threads: thread counts to time with.
        turns, budget: as for `splitdeconv.bench.interleaved`, for each thread count.
        seed: of synthetic inputs and of the bootstrap.

    Returns:
        DataFrame, one row a thread count and model: form (the model's name), threads, the columns of
        `splitdeconv.bench.summarize`, and skipped (empty: every model is run).

    Raises:
        SplitDeconvError: a model of another kind, or one that the runtime does not run on synthetic inputs.
    """
    baseline = next(iter(models))
    parts = []
    for count in threads:
        runs = {name: _runner(name, data, (paths or {}).get(name), count) for name, data in models.items()}
        sample = _sample(runs[baseline], baseline, inputs, seed)
        functions = {name: partial(run, sample) for name, run in runs.items()}
        try:
            times = bench.interleaved(functions, turns=turns, budget=budget)
        except RejectedError as error:
            raise SplitDeconvError(
                "the models do not take the same inputs", where=", ".join(models), got=str(error)
            ) from None
        part = bench.summarize(times, baseline=baseline, seed=seed)
        parts.append(part.rename(columns={"name": "form"}).assign(threads=count, skipped=None))
    return pd.concat(parts, ignore_index=True)


def _sample(run, name, inputs, seed):
    """One input for a model, by name."""
    if inputs is not None:
        return read_inputs(inputs, run.inputs)[0]
    recipe, said = find_recipe(run, run.inputs, seed)
    if recipe is None:
        fix = "pass inputs, a dict of arrays by input name"
        raise SplitDeconvError("no synthetic input suits the model", where=name, got=said, fix=fix)
    return recipe.draw(run.inputs, 0, seed)


def _runner(name, data, path, threads):
    kind = detect(data, name)
    if kind not in ("tflite", "onnx"):
        raise SplitDeconvError(
            "only .tflite and .onnx models are timed here", where=name, expected="their bytes", got=kind
        )
    try:
        return next(iter(load(kind, data, path, threads=threads).values()))
    except RejectedError as error:
        raise SplitDeconvError("the runtime does not take the model", where=name, got=str(error)) from None
