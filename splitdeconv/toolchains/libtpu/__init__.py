"""Compile each form with libtpu, Google's compiler for Cloud TPUs, which needs no TPU.

JAX compiles ahead of time for every generation, and the compiled program contains the compiler's
own estimate in cycles for each operation (`splitdeconv.toolchains.libtpu.hlo`). If a TPU or another
JAX device is available, the same programs can be timed on it instead, as generation `HERE`. Both
happen in a child process with a suitable environment.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from ...core.forms import FORMS, INTERLEAVES
from ...core.layer import Layer
from ...errors import check_choice, check_count, check_seconds
from ...limits.child import Child
from ...networks.counts import reason_to_skip
from ...provenance import installed
from . import hlo
from .costs import (
    HERE as HERE,
    KEY as KEY,
    best as best,
    charged as charged,
    cheapest as cheapest,
    timed as timed,
)
from .device import find_device as find_device, generation_of as generation_of
from .subjects import chain as chain, layers as layers, whole as whole

#: The name of each generation's topology in libtpu; a program is compiled for one of its cores.
GENERATIONS = {
    "v2": "v2:2x2",
    "v3": "v3:2x2",
    "v4": "v4:2x2x1",
    "v5e": "v5e:2x2",
    "v5p": "v5p:2x2x1",
    "v6e": "v6e:2x2",
}
#: Forms and interleaves. In JAX, depth_to_space is the same program as transpose.
VARIANTS = (
    ("native", "concat"),
    ("nzp", "concat"),
    ("split", "concat"),
    ("rows", "concat"),
    ("stacked", "concat"),
    ("stacked", "depth_to_space"),
)
DTYPES = ("bfloat16", "float32")

# Environment for libtpu without a TPU: ignore the lock of another process, write no compiler log,
# and reduce the log of the driver that looks for a TPU to the minimum, because it cannot be
# disabled.
_WITHOUT_TPU = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_PLATFORMS": "cpu",
    "TPU_LOG_DIR": "disabled",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}
#: Numbered cases that the child answers together.
Task: TypeAlias = list[tuple[int, Mapping[str, Any]]]
_CHILD = f"{__package__}.child"
_QUIET = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
_TIMES = ("device", "seconds", "speedup", "low", "high", "turns", "difference", "allowed")
# The first in which a program can choose the layouts of its arguments with `Format`.
_OLDEST_JAX = (0, 7)


def available(generation: str | None = None) -> str | None:
    """Why nothing can be compiled (or, for generation `HERE`, timed) here; None if it can."""
    needed = ["jax"] if generation == HERE else ["jax", "libtpu"]
    versions = {name: installed(name) for name in needed}
    missing = [name for name, version in versions.items() if not version]
    if missing:
        return f"{' and '.join(missing)} not installed: pip install 'splitdeconv[tpu]'"
    numbers = tuple(map(int, re.findall(r"\d+", versions["jax"] or "")[:2]))  # also parses 0.10rc1
    if numbers < _OLDEST_JAX:
        oldest = ".".join(map(str, _OLDEST_JAX))
        return f"jax {versions['jax']} is too old: {oldest} or later is required"
    return None


def compiler() -> str:
    """The versions that determine the compiled program, as shown in the column ``compiler``."""
    return ", ".join(f"{name} {installed(name)}" for name in ("jax", "libtpu") if installed(name))


def cases(
    subjects: Sequence[Mapping[str, Any]],
    *,
    generations: Iterable[str] = tuple(GENERATIONS),
    batches: Iterable[int] = (1,),
    dtypes: Iterable[str] = ("bfloat16",),
    variants: Iterable[tuple[str, str]] = VARIANTS,
) -> list[dict[str, Any]]:
    """Every combination of subjects and configurations, for `measure`.

    Args:
        subjects: results of `layers`, `whole` or `chain`.
        generations: keys of `GENERATIONS`, or `HERE`.
        batches: images per run.
        dtypes: elements of `DTYPES`; a model in a file keeps its own.
        variants: (form, interleave) pairs: forms of `splitdeconv.plan`; "auto" for whole networks,
            which is the choice of the generation's target in `splitdeconv.convert`; "apart" for
            chains.

    Raises:
        SplitDeconvError: a generation, type, form or interleave is unknown, or a batch is invalid.
    """
    for generation in generations:
        check_choice(generation, (*GENERATIONS, HERE), "generation")
    for dtype in dtypes:
        check_choice(dtype, DTYPES, "dtype")
    batches = [check_count(batch, "batch", "batches") for batch in batches]
    own = {"network": ("auto",), "chain": ("apart",)}
    for kind in dict.fromkeys(subject["kind"] for subject in subjects):
        for form, interleave in variants:
            check_choice(form, (*FORMS, *own.get(kind, ())), f"form of a {kind}")
            check_choice(interleave, INTERLEAVES, "interleave")
    return [
        {
            **subject,
            "generation": generation,
            "batch": batch,
            "dtype": dtype,
            "form": form,
            "interleave": interleave,
            "topology": GENERATIONS.get(generation),
            "target": "generic" if generation == HERE else f"tpu_{generation}",
        }
        for subject in subjects
        for generation in generations
        for batch in batches
        for dtype in dtypes
        for form, interleave in variants
    ]


def measure(
    cases: Sequence[Mapping[str, Any]],
    *,
    detail: bool = False,
    timeout: float = 300,
    turns: int = 15,
    budget: float = 10.0,
    progress: Callable[[list[Task]], Iterable[Task]] | None = None,
) -> pd.DataFrame:
    """Compile every case for its generation, or time it here.

    Cases that differ only in form are timed in turn, and their speedups are relative to the native
    form. A form whose values differ from native's is not timed.

    Args:
        cases: results of `cases`.
        detail: one row per operation instead of one row per program.
        timeout: seconds for a program, or for a group that is timed in turn; then the next is
            tried.
        turns, budget: as for `splitdeconv.bench.interleaved`.
        progress: wraps the list of tasks, like `rich.progress.track`.

    Returns:
        DataFrame with one row per case: `KEY`, the columns of
        `splitdeconv.toolchains.libtpu.hlo.summary` (or, with `detail`, of `hlo.operations`), those
        of `splitdeconv.bench.summarize`, ``device`` and ``difference`` from native's values with
        what is ``allowed`` (see `splitdeconv.toolchains.libtpu.timing`) if it was timed,
        ``compiler``, and ``reason``: why there are no numbers, or None. It is empty without cases.

    Raises:
        SplitDeconvError: the timeout, number of turns or budget is invalid.
    """
    turns = check_count(turns, "number of turns", "turns")
    timeout = check_seconds(timeout, "timeout", "timeout")
    budget = check_seconds(budget, "budget", "budget")
    reasons = [_hopeless(case) for case in cases]
    results = {index: [{"reason": reason}] for index, reason in enumerate(reasons) if reason}
    tasks = _tasks([(index, case) for index, case in enumerate(cases) if index not in results])
    with Child(_CHILD, _QUIET | _WITHOUT_TPU) as compiling, Child(_CHILD, _QUIET) as timing:
        for task in progress(tasks) if progress else tasks:
            is_timed = task[0][1]["topology"] is None
            asked = [{**case, "turns": turns, "budget": budget} for _, case in task]
            answer = (timing if is_timed else compiling).ask(asked, timeout)
            for (index, _), answered in zip(task, _understood(answer, len(task)), strict=True):
                results[index] = _rows(answered, is_timed, detail)
    rows = []
    for index, case in enumerate(cases):
        key = {name: case[name] for name in KEY} | {"compiler": compiler()}
        rows += [{**key, **row, "reason": row.get("reason")} for row in results[index]]
    here = {case["topology"] is None for case in cases} or {False}
    numbers: list[str] = []
    if False in here:
        numbers += hlo.COLUMNS if detail else hlo.TOTALS
    if True in here:
        numbers += _TIMES
    return pd.DataFrame(rows, columns=[*KEY, *numbers, "compiler", "reason"])


def _hopeless(case: Mapping[str, Any]) -> str | None:
    """Why a case cannot succeed, or None."""
    reason = available(HERE if case["topology"] is None else None)
    if reason is None and case["form"] not in ("native", "apart"):
        reasons = (reason_to_skip(Layer.from_row(row), case["form"]) for row in case["layers"])
        reason = next(filter(None, reasons), None)
    return reason


def _tasks(cases: Task) -> list[Task]:
    """Group numbered cases into tasks for a child: one to compile, or all forms of one to time."""
    tasks: dict[object, Task] = {}
    for index, case in cases:
        alike = {name: value for name, value in case.items() if name not in ("form", "interleave")}
        key = index if case["topology"] else json.dumps(alike)
        tasks.setdefault(key, []).append((index, case))
    return list(tasks.values())


def _understood(answer: Any, count: int) -> list[Any]:
    """The answer for each case, or a reason if the child's answer is missing or invalid."""
    if isinstance(answer, dict) and isinstance(answer.get("reason"), str):
        return [answer] * count
    known = (
        isinstance(answer, list)
        and len(answer) == count
        and all(isinstance(one, (dict, list)) for one in answer)
    )
    return answer if known else [{"reason": f"unexpected answer: {str(answer)[:80]}"}] * count


def _rows(answer: Any, is_timed: bool, detail: bool) -> list[dict[str, Any]]:
    """The rows of one case, from the answer of the child."""
    if is_timed or isinstance(answer, dict):
        return [answer]
    table = pd.DataFrame(answer, columns=list(hlo.COLUMNS))
    return table.to_dict("records") if detail else [hlo.summary(table)]
