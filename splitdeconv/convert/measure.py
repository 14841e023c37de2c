"""Time model files against each other in their own runtime, on this CPU."""

from functools import partial

import pandas as pd

from .. import bench
from ..errors import SplitDeconvError
from .detect import detect
from .verify_inputs import find_recipe
from .verify_run import load


def time_models(models, *, inputs=None, threads=(1, 2), turns=31, budget=20.0, seed=0) -> pd.DataFrame:
    """Time models on the same inputs, in turn: LiteRT for .tflite, ONNX Runtime for .onnx.

    Args:
        models: dict of name to bytes, all of one format and with the same inputs; the first is the baseline.
        inputs: arrays by input name; None for synthetic ones.
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
        runs = {name: _runner(name, data, count) for name, data in models.items()}
        if inputs is None:
            run = runs[baseline]
            recipe, said = find_recipe(run, run.inputs, seed)
            if recipe is None:
                raise SplitDeconvError(
                    "no synthetic input suits the model",
                    where=baseline,
                    got=said,
                    fix="pass inputs, a dict of arrays by input name",
                )
            inputs = recipe.draw(run.inputs, 0, seed)
        functions = {name: partial(run, inputs) for name, run in runs.items()}
        times = bench.interleaved(functions, turns=turns, budget=budget)
        part = bench.summarize(times, baseline=baseline, seed=seed)
        parts.append(part.rename(columns={"name": "form"}).assign(threads=count, skipped=None))
    return pd.concat(parts, ignore_index=True)


def _runner(name, data, threads):
    kind = detect(data, name)
    if kind not in ("tflite", "onnx"):
        raise SplitDeconvError(
            "only .tflite and .onnx models are timed here", where=name, expected="their bytes", got=kind
        )
    return next(iter(load(kind, data, threads=threads).values()))
