"""Time model files against each other in their own runtime on this CPU."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from .. import bench
from ..errors import SplitDeconvError
from ..formats.port import Arrays, Input, RejectedError, Runner
from ..formats.recognition.detect import detect, likely, look
from ..formats.registry import format_of
from ..limits.sandbox import Progress
from . import exchange
from .exchange import Inputs, ModelFile
from .verify.inputs import find_recipe, read_inputs
from .verify.run import load
from .verify.tables import described


def time_files(
    original: ModelFile,
    converted: ModelFile,
    *,
    threads: Sequence[int] = (1, 2),
    turns: int = 31,
    budget: float = 20.0,
    seed: int = 0,
    inputs: Inputs | None = None,
    timeout: float | None = None,
    memory: float | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """`time_models` for two untrusted files, in a child process with limits on time and memory.

    Args:
        original, converted: path or bytes of two .tflite, .onnx or .pt2 models.
        threads, turns, budget, seed: as for `time_models`.
        inputs: as for `time_models`.
        timeout, memory: limits of the child process in seconds and GiB; by default they grow with
            the size of the file.
        progress: called with the name of each stage the child enters.

    Returns:
        The result of `time_models` for the models "original" and "converted".

    Raises:
        SplitDeconvError: as for `time_models`; or a limit was exceeded, or the model rejected the
            inputs.
    """
    for model in (original, converted):
        check_format(model)
    options = {"threads": list(threads), "turns": turns, "budget": budget, "seed": seed}
    with exchange.job("time", original, timeout, memory, inputs, converted, options=options) as job:
        return pd.DataFrame(job.run(progress))


def check_format(model: ModelFile) -> None:
    """Reject formats that cannot be timed, before a model is read; the child checks the rest.

    Args:
        model: path or bytes.

    Raises:
        SplitDeconvError: the model cannot be read, or is a .keras model.
    """
    kind = likely(model)
    if kind is not None and not kind.runs_files:
        path = look(model)[2]
        raise _untimed("the model" if path is None else path, f"a {kind.name} model")


def time_models(
    models: Mapping[str, bytes],
    *,
    paths: Mapping[str, str | None] | None = None,
    inputs: Inputs | None = None,
    threads: Sequence[int] = (1, 2),
    turns: int = 31,
    budget: float = 20.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Time models on the same inputs, in turn, each in the runtime of its format.

    Args:
        models: dict from name to bytes, all of one format and with the same inputs; the first is
            the baseline.
        paths: dict from name to the path that the bytes came from, for external data.
        inputs: as for `splitdeconv.verify`; only the first sample is used. None for a synthetic
            one.
        threads: thread counts to time with.
        turns, budget: as for `splitdeconv.bench.interleaved`, for each thread count.
        seed: seed of the synthetic inputs and of the bootstrap.

    Returns:
        DataFrame with one row per thread count and model: form (the name of the model), threads,
        the columns of `splitdeconv.bench.summarize`, inputs (their names and shapes as timed), and
        skipped (empty, because every model is run).

    Raises:
        SplitDeconvError: a model has an unsupported format, the models differ in format or inputs,
            or the runtime cannot run a model on synthetic inputs.
    """
    baseline = next(iter(models))
    kinds = {name: _kind(data, name) for name, data in models.items()}
    if len(set(kinds.values())) > 1:
        got = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
        raise SplitDeconvError(
            "the models are of different formats", where="models", expected="one format", got=got
        )
    parts = []
    for count in threads:
        runs = {
            name: _runner(name, data, kinds[name], (paths or {}).get(name), count)
            for name, data in models.items()
        }
        ports = described(format_of(kinds[baseline]), models[baseline], _common(runs))
        sample = _sample(runs[baseline], baseline, ports, inputs, seed)
        functions = {name: partial(run, sample) for name, run in runs.items()}
        try:
            times = bench.interleaved(functions, turns=turns, budget=budget)
        except RejectedError as error:
            raise SplitDeconvError(
                "the models do not accept the same inputs",
                where=", ".join(models),
                expected="models with the same input names and shapes",
                got=str(error),
                fix="give the original and its conversion",
            ) from None
        part = bench.summarize(times, baseline=baseline, seed=seed).rename(columns={"name": "form"})
        fed = ", ".join(
            f"{name} {'x'.join(map(str, values.shape)) or 'scalar'}"
            for name, values in sample.items()
        )
        parts.append(part.assign(threads=count, inputs=fed, skipped=None))
    return pd.concat(parts, ignore_index=True)


def _common(runs: Mapping[str, Runner]) -> tuple[Input, ...]:
    """The inputs common to all models, with every length fixed that any model fixes.

    LiteRT would silently resize a model to the inputs of another, and would not report a missing
    input. The models that are timed would then differ from the models that were passed.
    """
    (baseline, first), *others = runs.items()
    common = {port.name: port for port in first.inputs}
    for name, run in others:
        ports = {port.name: port for port in run.inputs}
        alike = ports.keys() == common.keys() and all(
            _alike(port, common[port.name]) for port in run.inputs
        )
        if not alike:
            raise SplitDeconvError(
                "the models do not have the same inputs",
                where=name,
                expected=f"the inputs of {baseline}: {_listed(first.inputs)}",
                got=_listed(run.inputs),
            )
        common = {name: _fixed(port, ports[name]) for name, port in common.items()}
    return tuple(common.values())


def _fixed(one: Input, other: Input) -> Input:
    """An input with every length fixed that is known of one of two."""
    shape = one.shape or other.shape
    if one.shape and other.shape:
        shape = tuple(n or m for n, m in zip(one.shape, other.shape, strict=True))
    return replace(one, shape=shape)


def _alike(one: Input, other: Input) -> bool:
    """Whether two inputs can be the same array; an empty shape may stand for an unknown rank."""
    lengths = [port.shape for port in (one, other) if port.shape]
    ranks = {len(shape) for shape in lengths}
    fits = len(ranks) < 2 and all(
        len({*sizes} - {None}) < 2 for sizes in zip(*lengths, strict=False)
    )
    return fits and one.dtype == other.dtype


def _listed(ports: Sequence[Input]) -> str:
    shapes = {
        port.name: "x".join("?" if n is None else str(n) for n in port.shape or ())
        for port in ports
    }
    listed = (f"{port.name} {shapes[port.name]} {port.dtype}".replace("  ", " ") for port in ports)
    return ", ".join(listed) or "none"


def _sample(
    run: Runner, name: str, ports: Sequence[Input], inputs: Inputs | None, seed: int
) -> Arrays:
    """One input for a model, by name."""
    if inputs is not None:
        return read_inputs(inputs, ports)[0]
    recipe, rejection = find_recipe(run, ports, seed)
    if recipe is None:
        raise SplitDeconvError(
            "no synthetic input suits the model",
            where=name,
            got=rejection,
            fix="pass inputs, a dict of arrays by input name",
        )
    return recipe.draw(ports, 0, seed)


def _kind(data: bytes, where: str) -> str:
    kind = detect(data, where)
    if not format_of(kind).runs_files:
        raise _untimed(where, f"a {kind} model")
    return kind


def _untimed(where: str, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        "only .tflite, .onnx and .pt2 models can be timed",
        where=where,
        expected="a model that LiteRT, ONNX Runtime or PyTorch reads",
        got=got,
        fix="export it to .tflite or .onnx and time that file",
    )


def _runner(name: str, data: bytes, kind: str, path: str | None, threads: int) -> Runner:
    try:
        return next(iter(load(format_of(kind), data, path, threads=threads).values()))
    except RejectedError as error:
        raise SplitDeconvError(
            "the runtime rejected the model",
            where=name,
            expected="a model that its runtime loads on this CPU",
            got=str(error),
            fix="splitdeconv verify shows which operator is the cause; --memory grants more memory",
        ) from None
