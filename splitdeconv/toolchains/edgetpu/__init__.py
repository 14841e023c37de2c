"""The Coral Edge TPU: check operators, compile models, time them, or replay measurements.

The check needs neither a compiler nor a device: it compares a file with the target profile.
`edgetpu_compiler` (x86-64 Linux, the last version is 16.0) is used if it is on PATH, and a device
if libedgetpu finds one. Without either, `published` replays the measurements of the authors of
split deconvolution.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pandas as pd

from ...convert.targets import Target, load_target
from ...errors import SplitDeconvError, check_choice, check_count, check_seconds
from ...formats.tflite.flatbuffer import check as tflite_check
from ...formats.tflite.flatbuffer.file import read
from ...formats.tflite.graph import operator_name, ports, type_name
from ...limits.child import Child
from .. import compiler as vendor
from .log import COMPILER, TOTALS, failure, parse

DELEGATE = "libedgetpu.so.1"
REFERENCE = Path(__file__).parent / "reference"
PUBLISHED = ("published_edge_tpu", "published_ncs2", "published_conv_efficiency_edge_tpu")

_RUNNER = f"{__package__}.child"
#: The operator that replaces all mapped operators in a compiled file.
MAPPED_OPERATOR = "edgetpu-custom-op"
_CHECKED = ["operator", "version", "count", "verdict", "reason"]


def available(compiler: str | None = None) -> str | None:
    """Why nothing can be compiled here, as one sentence, or None if it can."""
    program = compiler or COMPILER
    if which(program) is None:
        return f"{program} is not on PATH: see coral.ai/docs/edgetpu/compiler (x86-64 Linux only)"
    return None


def check(model: bytes, target: str | Target = "edge_tpu") -> pd.DataFrame:
    """Compare the operators of a .tflite file with a target profile, without a compiler.

    Args:
        model: the bytes of the file.
        target: as for `splitdeconv.convert`.

    Returns:
        One row per operator and version: ``operator, version, count, verdict`` ("taken", "refused"
        or "unknown") and ``reason`` with its source; for "taken", including the limits in the
        profile, which are not checked. Operators on floats have separate rows, and are refused if
        all types in the profile are integers.

    Raises:
        SplitDeconvError: the file is not a valid .tflite file, or the target is unknown.
    """
    profile = load_target(target) if isinstance(target, str) else target
    rows = []
    whole = profile.types != "unknown" and not any("float" in kind for kind in profile.types)
    for (name, version, floats), count in sorted(Counter(_operators(model)).items()):
        entry, objections = profile.operators.get(name), profile.objections([(name, version)])
        if floats and whole:
            taken = ", ".join(profile.types)
            verdict, reason = (
                "refused",
                f"on {floats}; supported are {taken} ({profile.types_source})",
            )
        elif objections:
            verdict, reason = "refused", objections[0][1]
        elif entry is not None:
            known = entry.versions != "unknown"
            limits = "" if entry.limits == "unknown" else f"; {entry.limits}"
            verdict = "taken"
            reason = (
                "in a supported version" if known else "listed, versions unknown"
            ) + f"{limits} ({entry.source})"
        else:
            verdict = "taken" if profile.others == "taken" else "unknown"
            reason = f"not in the profile ({profile.others_source})"
        rows.append((name, version, count, verdict, reason))
    return pd.DataFrame(rows, columns=_CHECKED)


def checks(models: Mapping[str, bytes | str], target: str | Target = "edge_tpu") -> pd.DataFrame:
    """`check` several files; a file that cannot be read only affects its own row.

    Args:
        models: dict from form to the bytes of a .tflite, or to the reason why there is none, as
            str.
        target: as for `check`.

    Returns:
        The rows of `check` with the leading column ``form``, and ``skipped``: why a file has no
        rows.

    Raises:
        SplitDeconvError: the target is unknown.
    """
    profile = load_target(target) if isinstance(target, str) else target
    tables = []
    for form, model in models.items():
        try:
            found = check(vendor.given(model, "models"), profile).assign(skipped=None)
        except SplitDeconvError as error:
            found = pd.DataFrame([{"skipped": error.problem}])
        tables.append(found.assign(form=form))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return table.reindex(columns=["form", *_CHECKED, "skipped"])


def compile_model(
    model: bytes, *, timeout: float = 600.0, compiler: str | None = None
) -> tuple[bytes, dict[str, Any], pd.DataFrame]:
    """Compile a full-int8 .tflite for the Edge TPU.

    Args:
        model: the file's bytes.
        timeout: seconds.
        compiler: its path or name; None for `COMPILER`.

    Returns:
        (bytes of the compiled file, totals, operators), the latter two as returned by `parse`.

    Raises:
        SplitDeconvError: there is no compiler; or it failed, took too long, or printed something
            unknown; or the timeout is invalid.
    """
    check_seconds(timeout, "timeout", "edgetpu.compile_model")
    if (reason := available(compiler)) is not None:
        raise SplitDeconvError(
            reason,
            where="edgetpu.compile_model",
            expected="the compiler, version 16.0",
            got="no such program",
            fix="install it, or pass its path (compiler)",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        command = [which(compiler or COMPILER), "-s", "-o", folder, path]
        done = vendor.run(COMPILER, command, timeout, folder)
        text = f"{done.printed}\n{done.errors}"
        if done.code:
            problem = failure(text) or f"{COMPILER} {done.ending}"
            raise vendor.failed(COMPILER, problem, f"a process that {done.ending}")
        totals, operators = parse(text)
        compiled = Path(folder) / "model_edgetpu.tflite"
        if not compiled.is_file():
            problem = f"{COMPILER} reported success but wrote no file"
            raise vendor.failed(COMPILER, problem, "no file")
        return compiled.read_bytes(), totals, operators


def compiled(
    models: Mapping[str, bytes | str], *, timeout: float = 600.0, compiler: str | None = None
) -> tuple[pd.DataFrame, dict[str, bytes]]:
    """Compile several models; a failure only affects its own row.

    Args:
        models: dict from form to the bytes of a full-int8 .tflite, or to the reason why there is
            none, as str.
        timeout, compiler: as for `compile_model`.

    Returns:
        (DataFrame with one row per form: ``form``, the totals of `parse`, ``complete``: whether
        every operator is mapped, ``reasons``: the compiler's reasons for operators that are not
        mapped, or that it gives none, and ``skipped``: why there is no result; dict from form to
        the bytes of the compiled file).

    Raises:
        SplitDeconvError: the timeout is invalid.
    """
    check_seconds(timeout, "timeout", "edgetpu.compiled")
    rows, files = [], {}
    for form, model in models.items():
        row = {"form": form, "complete": False, "reasons": "", "skipped": None}
        try:
            data = vendor.given(model, "models")
            made = compile_model(data, timeout=timeout, compiler=compiler)
            files[form], totals, operators = made
            left = operators[~operators["mapped"]]
            reasons = [
                f"{name} {count}: {status}"
                for name, count, _, status in left.itertuples(index=False)
            ]
            if totals["unmapped"] is None:
                reasons.append("the compiler does not report where every operator runs")
            row |= totals | {
                "complete": totals["unmapped"] == 0 and left.empty,
                "reasons": "; ".join(reasons),
            }
        except SplitDeconvError as error:
            row["skipped"] = error.problem
        rows.append(row)
    return pd.DataFrame(
        rows, columns=["form", "complete", "reasons", "skipped", "compiler", *TOTALS]
    ), files


def run(
    models: Mapping[str, bytes | str],
    *,
    turns: int = 20,
    rounds: int = 3,
    timeout: float = 120.0,
    delegate: str | None = DELEGATE,
    seed: int = 0,
) -> pd.DataFrame:
    """Run compiled models in turn on a device, in a separate process that may crash with it.

    Args:
        models: dict from form to the bytes of a compiled .tflite, or to the reason why there is
            none, as str.
        turns: timed runs per form and round, after one run that is not timed.
        rounds: how often the forms take turns.
        timeout: seconds per form and round.
        delegate: the shared library that drives the device; None runs the models on this CPU.
        seed: seed of the inputs.

    Returns:
        One row per form: ``form``, ``seconds`` (median), ``turns``, ``on_cpu``: the operators that
        are not mapped, whose time on the CPU is included in the seconds, and ``skipped``: why it
        was not run to the end. A model without any mapped operator is not run, because its time
        would be that of the CPU.

    Raises:
        SplitDeconvError: turns, rounds or timeout are invalid.
    """
    turns = check_count(turns, "number of turns", "edgetpu.run")
    rounds = check_count(rounds, "number of rounds", "edgetpu.run")
    timeout = check_seconds(timeout, "timeout", "edgetpu.run")
    times, reasons, on_cpu = {form: [] for form in models}, {}, dict.fromkeys(models, "")
    for form, model in models.items():
        try:
            operators = Counter(name for name, *_ in _operators(vendor.given(model, "models")))
            mapped = operators.pop(MAPPED_OPERATOR, 0) if delegate is not None else 0
            on_cpu[form] = ", ".join(f"{name} {count}" for name, count in sorted(operators.items()))
            if delegate is not None and not mapped:
                reasons[form] = (
                    "no operator is compiled for the Edge TPU: the whole model would run on the CPU"
                )
        except SplitDeconvError as error:
            reasons[form] = error.problem
    with Child(_RUNNER) as child:
        for index, (form, model) in enumerate(list(models.items()) * rounds):
            if form in reasons:
                continue
            path = child.folder / f"{index % len(models)}.tflite"
            path.write_bytes(model)
            task = {"model": str(path), "delegate": delegate, "turns": turns, "seed": seed}
            told = child.ask(task, timeout)
            try:
                times[form] += [float(second) for second in told["seconds"]]
            except (KeyError, TypeError, ValueError):
                unknown = f"unexpected answer: {str(told)[:80]}"
                reasons[form] = told.get("reason", unknown) if isinstance(told, dict) else unknown
    return pd.DataFrame(
        {
            "form": list(models),
            "seconds": [
                np.nan if form in reasons else float(np.median(times[form])) for form in models
            ],
            "turns": [len(times[form]) for form in models],
            "on_cpu": list(on_cpu.values()),
            "skipped": [reasons.get(form) for form in models],
        }
    )


def published(name: str = "published_edge_tpu", folder: str | Path = REFERENCE) -> pd.DataFrame:
    """Load measurements published by others, marked as replayed.

    Args:
        name: one of `PUBLISHED`.
        folder: the folder with the files.

    Returns:
        The table, with the columns ``origin`` ("replayed") and ``source``; empty if there is no
        file.
    """
    check_choice(name, PUBLISHED, "published table", "edgetpu.published")
    path = Path(folder) / f"{name}.csv"
    if not path.is_file():
        return pd.DataFrame()
    source = path.read_text().splitlines()[0].removeprefix("# source: ")
    return pd.read_csv(path, comment="#").assign(origin="replayed", source=source)


def _operators(data: bytes | bytearray | memoryview) -> Iterator[tuple[str, int, str]]:
    """(name, version, float types) of every operator in a file."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise SplitDeconvError(
            "invalid model: expected the contents of a file",
            where="the TFLite model",
            expected="bytes",
            got=type(data).__name__,
            fix="read them, for example with pathlib.Path(path).read_bytes()",
        )
    model, _ = read(bytes(data), "the TFLite model")
    tflite_check.check(model, "the TFLite model")
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            touched = (*ports(operator.inputs), *ports(operator.outputs))
            kinds = {type_name(graph.tensors[place]) for place in touched if place >= 0}
            version = model.operatorCodes[operator.opcodeIndex].version
            yield (
                operator_name(model, operator),
                version,
                ", ".join(sorted(k for k in kinds if "FLOAT" in k)),
            )
