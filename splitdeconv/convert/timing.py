"""Time model files against each other in their own runtime on this CPU."""

from dataclasses import replace
from functools import partial

import pandas as pd

from .. import bench
from ..errors import SplitDeconvError
from ..formats.port import RejectedError
from ..formats.recognition.detect import detect, look
from ..formats.registry import format_of
from . import exchange
from .verify.inputs import find_recipe, read_inputs
from .verify.run import load
from .verify.tables import described


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
    """`time_models` for two untrusted files, in a child process with limits on time and memory.

    Args:
        original, converted: path or bytes of two .tflite or .onnx models.
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


def check_format(model):
    """Reject formats that cannot be timed, by their first bytes; the child checks the rest.

    Args:
        model: path or bytes.

    Raises:
        SplitDeconvError: the model cannot be read, or is a .keras archive.
    """
    head, _, path = look(model)
    if head.startswith(b"PK\x03\x04"):
        raise _untimed("the model" if path is None else path, "a zip archive, like a .keras model")


def time_models(
    models, *, paths=None, inputs=None, threads=(1, 2), turns=31, budget=20.0, seed=0
) -> pd.DataFrame:
    """Time models on the same inputs, in turn: LiteRT for .tflite, ONNX Runtime for .onnx.

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
            "the models are of different formats", where="bench", expected="one format", got=got
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
                "the models do not accept the same inputs", where=", ".join(models), got=str(error)
            ) from None
        part = bench.summarize(times, baseline=baseline, seed=seed).rename(columns={"name": "form"})
        fed = ", ".join(
            f"{name} {'x'.join(map(str, values.shape)) or 'scalar'}"
            for name, values in sample.items()
        )
        parts.append(part.assign(threads=count, inputs=fed, skipped=None))
    return pd.concat(parts, ignore_index=True)


def _common(runs):
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
        common = {
            name: replace(
                port,
                shape=tuple(n or m for n, m in zip(port.shape, ports[name].shape, strict=True)),
            )
            if port.shape and ports[name].shape
            else replace(port, shape=port.shape or ports[name].shape)
            for name, port in common.items()
        }
    return tuple(common.values())


def _alike(one, other):
    """Whether two inputs can be the same array; an empty shape may stand for an unknown rank."""
    lengths = [port.shape for port in (one, other) if port.shape]
    ranks = {len(shape) for shape in lengths}
    fits = len(ranks) < 2 and all(
        len({*sizes} - {None}) < 2 for sizes in zip(*lengths, strict=False)
    )
    return fits and one.dtype == other.dtype


def _listed(ports):
    shapes = {
        port.name: "x".join("?" if n is None else str(n) for n in port.shape or ())
        for port in ports
    }
    return (
        ", ".join(
            f"{port.name} {shapes[port.name]} {port.dtype}".replace("  ", " ") for port in ports
        )
        or "none"
    )


def _sample(run, name, ports, inputs, seed):
    """One input for a model, by name."""
    if inputs is not None:
        return read_inputs(inputs, ports)[0]
    recipe, said = find_recipe(run, ports, seed)
    if recipe is None:
        fix = "pass inputs, a dict of arrays by input name"
        raise SplitDeconvError("no synthetic input suits the model", where=name, got=said, fix=fix)
    return recipe.draw(ports, 0, seed)


def _kind(data, where):
    kind = detect(data, where)
    if not format_of(kind).runs_files:
        raise _untimed(where, f"a {kind} model")
    return kind


def _untimed(where, got):
    return SplitDeconvError(
        "only .tflite and .onnx models can be timed",
        where=where,
        expected="a model that LiteRT or ONNX Runtime reads",
        got=got,
        fix="export it to .tflite or .onnx and time that file",
    )


def _runner(name, data, kind, path, threads):
    try:
        return next(iter(load(format_of(kind), data, path, threads=threads).values()))
    except RejectedError as error:
        raise SplitDeconvError(
            "the runtime rejected the model", where=name, got=str(error)
        ) from None
