"""Time models in runtimes on this CPU: LiteRT (XNNPACK), ONNX Runtime, OpenVINO, PyTorch.

Models run in a separate process, so that a crash or hang only costs one row. Forms are called in
turn, so that disturbances of the machine affect all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ... import bench
from ...errors import check_choice, check_count, check_seconds
from ...limits.child import Child
from ...provenance import installed
from . import litert, onnxruntime, openvino, torch
from .interface import Runtime

RUNTIMES: dict[str, Runtime] = {
    "litert": litert,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "torch": torch,
}
#: The target in `splitdeconv.convert` that describes each runtime.
TARGETS = {
    "litert": "xnnpack",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "torch": "generic",
}

_RUNNER = f"{__package__}.child"
_TIMES = ("seconds", "speedup", "low", "high", "turns")


def version(runtime: str) -> str:
    """The package of a runtime, and its version.

    Raises:
        SplitDeconvError: the runtime is unknown.
    """
    check_choice(runtime, tuple(RUNTIMES), "runtime")
    package = RUNTIMES[runtime].PACKAGE
    return f"{package} {installed(package) or '(not installed)'}"


def measure(
    runtime: str,
    models: Mapping[str, bytes | str],
    *,
    threads: Sequence[int] = (1, 2),
    turns: int = 31,
    budget: float = 10.0,
    timeout: float = 300.0,
    seed: int = 0,
    runner: str = _RUNNER,
) -> pd.DataFrame:
    """Time forms of one model against each other, and compare their outputs.

    Args:
        runtime: a key of `RUNTIMES`.
        models: dict from form to the bytes of a file, or to the reason why there is none; the first
            is the baseline. Equal files are timed once.
        threads: thread counts to time with.
        turns, budget: as for `splitdeconv.bench.interleaved`, for each thread count.
        timeout: seconds in addition to the budget for each answer of the process that runs the
            models.
        seed: seed of inputs and of the bootstrap.
        runner: module that is run as that process.

    Returns:
        One row per thread count and form: ``form, threads, version`` of the runtime, the times of
        `splitdeconv.bench.summarize`, ``error`` (largest difference from the baseline's outputs: in
        steps for integers, relative to the largest value for floats), ``complete`` (whether it was
        timed) and ``skipped``: why it was not. Without a baseline, there are seconds but no
        speedups or errors.

    Raises:
        SplitDeconvError: the runtime is unknown, or threads, turns, budget or timeout are invalid.
    """
    check_choice(runtime, tuple(RUNTIMES), "runtime")
    threads = [check_count(count, "number of threads", "threads") for count in threads]
    turns = check_count(turns, "number of turns", "turns")
    budget = check_seconds(budget, "budget", "budget")
    timeout = check_seconds(timeout, "timeout", "timeout")
    reason = RUNTIMES[runtime].available()
    absent = {form: given for form, given in models.items() if isinstance(given, str)}
    first: dict[bytes | str, str] = {}
    rows = []
    for form, data in models.items():
        first.setdefault(data, form)
    with Child(runner) as child:
        kept = [form for form in first.values() if form not in absent]
        files = {form: child.folder / f"{place}.model" for place, form in enumerate(kept)}
        module = RUNTIMES[runtime].__name__.rpartition(".")[2]
        task = {"module": module, "budget": budget, "seed": seed}
        for data, form in first.items():
            if isinstance(data, bytes) and form in files:
                files[form].write_bytes(data)
        for count in threads:
            asked = task | {"threads": count}
            timed = partial(_timed, child, asked, files, turns, timeout, seed, models)
            times = _skipped(files, reason) if reason else timed()
            for form, data in models.items():
                row = _skipped([form], absent[form])[form] if form in absent else times[first[data]]
                rows.append({"form": form, "threads": count, "version": version(runtime), **row})
    return pd.DataFrame(rows)


def _timed(
    child: Child,
    task: Mapping[str, Any],
    files: Mapping[str, Path],
    turns: int,
    timeout: float,
    seed: int,
    models: Mapping[str, bytes | str],
) -> dict[str, dict[str, Any]]:
    """The columns of a row, by form. Each form is first run alone, so a crash costs no other."""
    limit = timeout + task["budget"]
    rows: dict[str, dict[str, Any]] = {}
    running: dict[str, str] = {}
    for form, path in files.items():
        answer = child.ask({**task, "files": {form: str(path)}, "turns": 0}, limit)
        reason = _unanswered(answer, [form]) or answer["facts"][form].get("reason")
        rows |= _skipped([form], reason)
        if reason is None:
            running[form] = str(path)
    if not running:
        return rows
    answer = child.ask({**task, "files": running, "turns": turns}, limit)
    reason = _unanswered(answer, running)
    if reason is not None:
        return rows | _skipped(running, reason)
    baseline = next(iter(models))
    for form in running:
        rows[form]["skipped"] = answer["facts"][form].get("reason")
        if baseline in running:  # otherwise all were compared with another form
            rows[form]["error"] = answer["facts"][form].get("error")
    calls = pd.DataFrame(answer["calls"], columns=["turn", "name", "seconds"])
    if calls.empty:
        return rows
    based = baseline in set(calls["name"])
    reference = baseline if based else calls["name"][0]
    summary = bench.summarize(calls, baseline=reference, seed=seed).set_index("name")
    for form, row in summary.iterrows():
        rows[form] |= {**row, "complete": True}
        if not based:
            rows[form] |= dict.fromkeys(("speedup", "low", "high"), np.nan)
    return rows


def _skipped(forms: Iterable[str], reason: str) -> dict[str, dict[str, Any]]:
    empty = dict.fromkeys(_TIMES, np.nan) | {"error": np.nan, "complete": False, "skipped": reason}
    return {form: dict(empty) for form in forms}


def _unanswered(answer: Any, forms: Iterable[str]) -> str | None:
    """The reason given instead of an answer, or why the answer is invalid; None for a valid one."""
    if isinstance(answer, dict) and isinstance(answer.get("reason"), str):
        return answer["reason"]
    try:
        facts = {form: dict(answer["facts"][form]) for form in forms}
        calls = answer["calls"]
        known = all(name in facts and turn >= 0 and seconds > 0 for turn, name, seconds in calls)
    except (KeyError, TypeError, ValueError):
        known = False
    return None if known else f"unexpected answer: {str(answer)[:80]}"


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """Convert a measured table to the input of `gains`.

    Args:
        table: rows of `measure` with the columns ``network, layer, runtime, dtype``.

    Returns:
        The table with ``configuration`` (runtime, type, threads) and ``cost``: time relative to
        native, as the median over paired turns, which drifts less than a quotient of medians.
    """
    counted = [f", {count} thread{'s' if count > 1 else ''}" for count in table["threads"]]
    configuration = table["runtime"] + " " + table["dtype"] + counted
    return table.assign(configuration=configuration, cost=1 / table["speedup"])


def ceilings(table: pd.DataFrame) -> pd.DataFrame:
    """Upper bounds on the gains: every layer at the best rate in the same configuration.

    A form that computes only the useful operations cannot be faster than the runtime's convolutions
    at their best, so these gains are an upper bound for all forms.

    Args:
        table: rows of single layers from `costs`, with the column ``macs`` (useful
            multiply-accumulates).

    Returns:
        The rows of form "native" with ``rate`` (useful multiply-accumulates per second), ``peak``,
        the greatest rate of any form of any layer in that configuration, and ``ceiling``, the ratio
        of ``peak`` to ``rate``.
    """
    timed = table[table["complete"].eq(True)]
    rated = timed.assign(rate=timed["macs"] / timed["seconds"])
    rated["peak"] = rated.groupby("configuration")["rate"].transform("max")
    return rated[rated["form"] == "native"].assign(ceiling=lambda rows: rows["peak"] / rows["rate"])
