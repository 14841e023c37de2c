"""The Coral Edge TPU: check operators, compile models, time them, or replay measurements.

The check needs neither a compiler nor a device: it compares a file with the target profile.
`edgetpu_compiler` (x86-64 Linux, the last version is 16.0) is used if it is on PATH, and a device
if libedgetpu finds one. Without either, `published` replays the measurements of the authors of
split deconvolution.
"""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pandas as pd

from ...errors import SplitDeconvError, check_choice, check_count, check_seconds
from ...limits.child import Child
from .. import compiler as vendor
from .brought import brought as brought
from .log import COMPILER, TOTALS, failure, parse
from .operators import check as check, checks as checks, operators_of

DELEGATE = "libedgetpu.so.1"
REFERENCE = Path(__file__).parent / "reference"
PUBLISHED = ("published_edge_tpu", "published_ncs2", "published_conv_efficiency_edge_tpu")

_RUNNER = f"{__package__}.child"
#: The operator that replaces all mapped operators in a compiled file.
MAPPED_OPERATOR = "edgetpu-custom-op"


def available(compiler: str | None = None) -> str | None:
    """Why nothing can be compiled here, as one sentence, or None if it can."""
    program = compiler or COMPILER
    if which(program) is None:
        return f"{program} is not on PATH: see coral.ai/docs/edgetpu/compiler (x86-64 Linux only)"
    return None


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
    check_seconds(timeout, "timeout", "timeout")
    path_of_compiler = which(compiler or COMPILER)
    if path_of_compiler is None:
        raise SplitDeconvError(
            available(compiler) or "there is no compiler",
            where=f"the program {compiler or COMPILER}",
            expected="the compiler, version 16.0",
            got="no such program",
            fix="install it, or pass its path (compiler)",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        command = [path_of_compiler, "-s", "-o", folder, str(path)]
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
    check_seconds(timeout, "timeout", "timeout")
    rows, files = [], {}
    for form, model in models.items():
        row = {"form": form, "complete": False, "reasons": "", "skipped": None}
        try:
            data = vendor.given(model, "models")
            made = compile_model(data, timeout=timeout, compiler=compiler)
            files[form], totals, operators = made
            left = operators[~operators["mapped"]]
            kept = left.itertuples(index=False)
            reasons = [f"{name} {count}: {status}" for name, count, _, status in kept]
            if totals["unmapped"] is None:
                reasons.append("the compiler does not report where every operator runs")
            row |= totals | {
                "complete": totals["unmapped"] == 0 and left.empty,
                "reasons": "; ".join(reasons),
            }
        except SplitDeconvError as error:
            row["skipped"] = error.problem
        rows.append(row)
    columns = ["form", "complete", "reasons", "skipped", "compiler", *TOTALS]
    return pd.DataFrame(rows, columns=columns), files


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
    turns = check_count(turns, "number of turns", "turns")
    rounds = check_count(rounds, "number of rounds", "rounds")
    timeout = check_seconds(timeout, "timeout", "timeout")
    times: dict[str, list[float]] = {form: [] for form in models}
    reasons: dict[str, str] = {}
    on_cpu = dict.fromkeys(models, "")
    contents: dict[str, bytes] = {}
    for form, model in models.items():
        try:
            contents[form] = vendor.given(model, "models")
            operators = Counter(name for name, *_ in operators_of(contents[form]))
            mapped = operators.pop(MAPPED_OPERATOR, 0) if delegate is not None else 0
            on_cpu[form] = ", ".join(f"{name} {count}" for name, count in sorted(operators.items()))
            if delegate is not None and not mapped:
                reasons[form] = (
                    "no operator is compiled for the Edge TPU: the whole model would run on the CPU"
                )
        except SplitDeconvError as error:
            reasons[form] = error.problem
    with Child(_RUNNER) as child:
        for index, form in enumerate(list(models) * rounds):
            if form in reasons:
                continue
            path = child.folder / f"{index % len(models)}.tflite"
            path.write_bytes(contents[form])
            task = {"model": str(path), "delegate": delegate, "turns": turns, "seed": seed}
            answer = child.ask(task, timeout)
            try:
                times[form] += [float(second) for second in answer["seconds"]]
            except (KeyError, TypeError, ValueError):
                unknown = f"unexpected answer: {str(answer)[:80]}"
                reasons[form] = (
                    answer.get("reason", unknown) if isinstance(answer, dict) else unknown
                )
    medians = {form: np.nan if form in reasons else np.median(times[form]) for form in models}
    return pd.DataFrame(
        {
            "form": list(models),
            "seconds": [float(median) for median in medians.values()],
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
    check_choice(name, PUBLISHED, "published table", "name")
    path = Path(folder) / f"{name}.csv"
    if not path.is_file():
        return pd.DataFrame()
    source = path.read_text().splitlines()[0].removeprefix("# source: ")
    return pd.read_csv(path, comment="#").assign(origin="replayed", source=source)
