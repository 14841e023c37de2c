"""Time a model file of one's own before and after its conversion, in the runtime of its format."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import bench
from ..convert.api import Result, convert
from ..convert.timing import time_models
from ..convert.verify.difference import Output
from ..core.forms import FILE_FORMS
from ..errors import SplitDeconvError
from ..extras import require

if TYPE_CHECKING:
    import keras

#: The forms in which a model file can be timed.
FORMS = ("native", "auto", *FILE_FORMS)


def conversions(path: str | os.PathLike[str], forms: Sequence[str], seed: int = 0) -> list[Result]:
    """A model file in each of some forms of `FORMS`, verified by value; "native" is left out."""
    return [convert(Path(path), form=form, seed=seed) for form in forms if form != "native"]


def time_conversions(
    path: str | os.PathLike[str],
    converted: Mapping[str, Result],
    *,
    threads: Sequence[int] = (1, 2),
    turns: int = 31,
    budget: float = 20.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Time a model file, called "native", and conversions of it on this CPU.

    Args:
        path: a .tflite, .onnx or .keras file. LiteRT, ONNX Runtime and the library of Keras'
            backend run them; the last with its own number of threads, whatever `threads` says.
        converted: results of `splitdeconv.convert` for it, by name.
        threads, turns, budget, seed: as for `splitdeconv.convert.timing.time_models`.

    Returns:
        DataFrame, one row per number of threads and model, with the columns of that function.
    """
    kind = Path(path).suffix.lower()
    if kind != ".keras":
        models = {"native": Path(path).read_bytes()}
        models |= {name: result.model for name, result in converted.items()}
        options: dict[str, Any] = {
            "threads": threads,
            "turns": turns,
            "budget": budget,
            "seed": seed,
        }
        return time_models(models, paths={"native": str(path)}, **options)
    # Keras is loaded only where a file needs it.
    from ..formats.keras.file import load

    models = {"native": load(Path(path), str(path))}
    models |= {name: result.model for name, result in converted.items()}
    inputs = _inputs(models["native"], str(path), seed)
    functions: dict[str, Callable[[], Any]] = {
        name: bench.frozen(model, *inputs) for name, model in models.items()
    }
    times = bench.interleaved(functions, turns=turns, budget=budget)
    part = bench.summarize(times, seed=seed).rename(columns={"name": "form"})
    fed = ", ".join("x".join(map(str, x.shape)) for x in inputs)
    return part.assign(threads=os.cpu_count(), inputs=fed, skipped=None)


def time_file(
    path: str | os.PathLike[str],
    *,
    forms: Sequence[str],
    turns: int = 15,
    budget: float = 60.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Time a whole model file in each form on all cores, as `time_network` times a network.

    Args:
        path: a .tflite, .onnx or .keras file.
        forms: those that files cannot have are skipped with the reason.
        turns, budget, seed: as for `time_conversions`.

    Returns:
        DataFrame as of `splitdeconv.study.networks.time_network`. `error` is the largest difference
            that the verification found, `allowed` its bound; `magnitude` is not recorded.
    """
    possible = [form for form in forms if form in FORMS]
    made = [form for form in possible if form != "native"]
    results = dict(zip(made, conversions(path, made, seed), strict=True))
    cores = os.cpu_count() or 1
    part = time_conversions(
        path, results, threads=(cores,), turns=turns, budget=budget, seed=seed
    ).set_index("form")
    worst = {form: _worst(result) for form, result in results.items()}
    part["error"] = [worst[form].max_abs if form in worst else 0.0 for form in part.index]
    part["allowed"] = [worst[form].tolerance if form in worst else 0.0 for form in part.index]
    part = part.reindex(list(forms)).rename_axis("form").reset_index()
    reason = f"files are converted to {', '.join(FILE_FORMS)} alone"
    reasons = [None if form in possible else reason for form in part["form"]]
    skipped = pd.Series(reasons, dtype=object)
    return part.assign(magnitude=np.nan, skipped=skipped).drop(columns=["threads", "inputs"])


def runtime(path: str | os.PathLike[str]) -> str | None:
    """What runs a model file here, as named in figures; None for a .keras file."""
    return {".tflite": "LiteRT", ".onnx": "ONNX Runtime"}.get(Path(path).suffix.lower())


def _worst(result: Result) -> Output:
    """The output that comes nearest to what its verification allows."""
    proof = result.report.verification
    assert proof is not None, "a conversion that rewrites nothing is refused"
    return max(proof.outputs, key=lambda output: output.max_abs / (output.tolerance or 1))


def _inputs(model: "keras.Model", where: str, seed: int) -> list[np.ndarray]:
    """Standard normal inputs of a model, batch 1."""
    require("keras", "tensorflow")
    rng = np.random.default_rng(seed)
    shapes = [tuple(x.shape[1:]) for x in model.inputs]
    if any(n is None for shape in shapes for n in shape):
        raise SplitDeconvError(
            "a model of open sizes cannot be timed",
            where=where,
            expected="inputs whose sizes are fixed, except for the batch",
            got=", ".join(map(str, shapes)),
        )
    return [rng.standard_normal((1, *shape), "float32") for shape in shapes]
