"""libtpu: what Google's compiler for Cloud TPUs makes of each form. No TPU is needed to compile for one.

JAX compiles ahead of time for every generation, and the compiled program carries the compiler's own estimate in cycles
of each operation (`splitdeconv.toolchains.libtpu.hlo`). Where a TPU, or any other device of JAX, is at hand, the
same programs
are timed on it instead: generation `HERE`. Both happen in a child process, whose environment is made for it.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ...core.forms import FORMS, INTERLEAVES
from ...core.layer import Layer
from ...errors import SplitDeconvError, check_choice, check_count, check_seconds
from ...limits.child import Child
from ...networks.counts import reason_to_skip
from ...provenance import installed
from . import hlo
from .subjects import chain as chain, layers as layers, whole as whole

#: The topology by which libtpu knows each generation; a program is compiled for one of its cores.
GENERATIONS = {"v2": "v2:2x2", "v3": "v3:2x2", "v4": "v4:2x2x1", "v5e": "v5e:2x2", "v5p": "v5p:2x2x1", "v6e": "v6e:2x2"}
#: Time on the first device that JAX finds, instead of compiling for a generation.
HERE = "here"
#: Forms and interleaves. On JAX depth_to_space is the same program as transpose.
VARIANTS = (
    ("native", "concat"),
    ("nzp", "concat"),
    ("split", "concat"),
    ("rows", "concat"),
    ("stacked", "concat"),
    ("stacked", "depth_to_space"),
)
DTYPES = ("bfloat16", "float32")
#: What tells one case from another.
KEY = ["network", "layer", "generation", "batch", "dtype", "form", "interleave"]

# What libtpu asks its surroundings where there is no TPU; another process may hold it, and it leaves no log behind, of
# the compiler or (the least level, for there is none to turn it off) of the driver that looks for a TPU.
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
_CHILD = f"{__package__}.child"
_QUIET = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
_TIMES = ("device", "seconds", "speedup", "low", "high", "turns")
_OLDEST_JAX = (0, 7)  # the first in which a program may choose the layouts of its arguments by `Format`


def available(generation: str | None = None) -> str | None:
    """Why nothing can be compiled for TPUs here (or timed, for generation `HERE`), or None if it can."""
    missing = [name for name in ("jax", *(["libtpu"] if generation != HERE else [])) if not installed(name)]
    if missing:
        return f"{' and '.join(missing)} not installed: pip install 'splitdeconv[tpu]'"
    numbers = tuple(map(int, re.findall(r"\d+", installed("jax"))[:2]))  # 0.10 of 0.10rc1, too
    if numbers < _OLDEST_JAX:
        return f"jax {installed('jax')} is too old: {'.'.join(map(str, _OLDEST_JAX))} or later is needed"
    return None


def compiler() -> str:
    """The versions that decide what is compiled, as the column ``compiler`` has them."""
    return ", ".join(f"{name} {installed(name)}" for name in ("jax", "libtpu") if installed(name))


def cases(
    subjects: Sequence[Mapping[str, Any]],
    *,
    generations: Iterable[str] = tuple(GENERATIONS),
    batches: Iterable[int] = (1,),
    dtypes: Iterable[str] = ("bfloat16",),
    variants: Iterable[tuple[str, str]] = VARIANTS,
) -> list[dict[str, Any]]:
    """Every combination of subjects and configurations, as `measure` takes them.

    Args:
        subjects: of `layers`, `whole` or `chain`.
        generations: of `GENERATIONS`, or `HERE`.
        batches: images per run.
        dtypes: of `DTYPES`; a model in a file keeps its own.
        variants: (form, interleave) pairs: forms of `splitdeconv.plan`; "auto" for whole networks, which is the choice
            of the generation's target in `splitdeconv.convert`; "apart" for chains.

    Raises:
        SplitDeconvError: an unknown generation, type, form or interleave, or a batch that is none.
    """
    for generation in generations:
        check_choice(generation, (*GENERATIONS, HERE), "generation")
    for dtype in dtypes:
        check_choice(dtype, DTYPES, "dtype")
    batches = [check_count(batch, "batch", "libtpu.cases") for batch in batches]
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
    progress: Callable[[list], Iterable] | None = None,
) -> pd.DataFrame:
    """Compile every case for its generation, or time it here.

    Cases to be timed that differ in form alone are timed in turn, and their speedups are over the native form.

    Args:
        cases: of `cases`.
        detail: a row for each operation of a program instead of one for each program.
        timeout: seconds for a program, or for those timed in turn; after that the next is tried.
        turns, budget: as for `splitdeconv.bench.interleaved`.
        progress: wraps the list of what there is to do, like `rich.progress.track`.

    Returns:
        DataFrame, one row a case: `KEY`, the columns of `splitdeconv.toolchains.libtpu.hlo.summary` (or, with
            `detail`, of
        `hlo.operations`), those of `splitdeconv.bench.summarize` and ``device`` where it was timed, ``compiler``, and
        ``reason``: why there are no numbers, or None. Without a case it has no row.

    Raises:
        SplitDeconvError: a timeout, number of turns or budget that is none.
    """
    turns = check_count(turns, "number of turns", "libtpu.measure")
    timeout = check_seconds(timeout, "timeout", "libtpu.measure")
    budget = check_seconds(budget, "budget", "libtpu.measure")
    reasons = [_hopeless(case) for case in cases]
    found = {index: [{"reason": reason}] for index, reason in enumerate(reasons) if reason}
    tasks = _tasks([(index, case) for index, case in enumerate(cases) if index not in found])
    with Child(_CHILD, _QUIET | _WITHOUT_TPU) as compiling, Child(_CHILD, _QUIET) as timing:
        for task in progress(tasks) if progress else tasks:
            timed = task[0][1]["topology"] is None
            asked = [{**case, "turns": turns, "budget": budget} for _, case in task]
            answer = (timing if timed else compiling).ask(asked, timeout)
            for (index, _), told in zip(task, _understood(answer, len(task)), strict=True):
                found[index] = _rows(told, timed, detail)
    rows = [
        {**{name: case[name] for name in KEY}, **row, "compiler": compiler(), "reason": row.get("reason")}
        for index, case in enumerate(cases)
        for row in found[index]
    ]
    kinds = {case["topology"] is None for case in cases} or {False}
    compiled, timed = hlo.COLUMNS if detail else hlo.TOTALS, _TIMES
    numbers = [*(compiled if False in kinds else ()), *(timed if True in kinds else ())]
    return pd.DataFrame(rows, columns=[*KEY, *numbers, "compiler", "reason"])


def charged(table: pd.DataFrame) -> pd.Series:
    """Cycles with a charge for what the compiler does not estimate, so that no win rests on it.

    Every byte that an operation without estimate writes is charged like the slowest estimated copy (of 64 KiB or more)
    in any form of the same layer and configuration; where none has one, like the median of the generation's and type's
    other programs in the table; where none of these has one, it cannot be charged (NaN).

    Asynchronous copies, of filters above all, have no estimate in any form, native included, and are not charged: they
    run beside the computation. Where filters are many and the batch is 1, they may take longer than all the rest.

    Args:
        table: of `measure`, compiled, not timed, several forms of each layer: there is nothing else to charge by.
    """
    rates = table.groupby(KEY[:-2])["slowest"].transform("max")
    rates = rates.fillna(rates.groupby([table["generation"], table["dtype"]]).transform("median"))
    # Where every program was estimated in full there may be no rate, and no need of one.
    return table["cycles"] + table["unestimated_bytes"] * rates.where(table["unestimated_bytes"] > 0, 0)


def best(table: pd.DataFrame) -> pd.DataFrame:
    """Who wins: for each layer and configuration the variant of fewest cycles as `charged`, or of least time.

    Args:
        table: of `measure`, all compiled or all timed.

    Returns:
        DataFrame, one row a layer and configuration that has a program: `KEY`, its ``cost``, ``speedup`` over native,
        never below 1 because native is among the choices, ``over_nzp`` (both NaN where that has no cost), and
        ``unknown``: forms that were compiled and have no cost, because there is nothing to charge by.

    Raises:
        SplitDeconvError: some rows were compiled and others timed.
    """
    seconds, table = timed(table), table[table["reason"].isna()]
    table = table.assign(cost=table["seconds"] if seconds else charged(table))
    where = KEY[:-2]
    chosen = cheapest(table[table["form"] != "nzp"], where, "cost").set_index(where)
    costs = table.pivot_table(index=where, columns="form", values="cost", aggfunc="min")
    costs = costs.reindex(index=chosen.index, columns=["native", "nzp"])
    silent = table[table["cost"].isna()].groupby(where)["form"].agg(lambda forms: ", ".join(dict.fromkeys(forms)))
    chosen["speedup"] = costs["native"] / chosen["cost"]
    chosen["over_nzp"] = costs["nzp"] / chosen["cost"]
    chosen["unknown"] = silent.reindex(chosen.index).fillna("")
    return chosen.reset_index()[[*KEY, "cost", "speedup", "over_nzp", "unknown"]]


def cheapest(table: pd.DataFrame, where: list[str], cost: str) -> pd.DataFrame:
    """The row of least cost for each combination of the columns `where`, in the table's order.

    Where none has a cost it is the first one.
    """
    return table.sort_values(cost, kind="stable").drop_duplicates(where).sort_index()


def timed(table: pd.DataFrame) -> bool:
    """Whether a table of `measure` was timed, not compiled.

    Raises:
        SplitDeconvError: some of its rows were, and others not: seconds and cycles cannot be compared.
    """
    here = table["generation"] == HERE
    if here.any() and not here.all():
        raise SplitDeconvError(
            "seconds and estimated cycles cannot be compared",
            where="column generation",
            expected=f"all rows {HERE!r}, or none",
            got=", ".join(map(str, dict.fromkeys(table["generation"]))),
            fix="take them apart",
        )
    return bool(here.any())


def _hopeless(case: Mapping[str, Any]) -> str | None:
    """Why a case need not be tried, or None."""
    reason = available(HERE if case["topology"] is None else None)
    if reason is None and case["form"] not in ("native", "apart"):
        reasons = (reason_to_skip(Layer.from_row(row), case["form"]) for row in case["layers"])
        reason = next(filter(None, reasons), None)
    return reason


def _tasks(cases: list[tuple[int, Mapping[str, Any]]]) -> list[list[tuple[int, Mapping[str, Any]]]]:
    """Numbered cases, in the groups in which they go to a child: one to compile, all forms of one subject to time."""
    tasks = {}
    for index, case in cases:
        key = json.dumps({name: value for name, value in case.items() if name not in ("form", "interleave")})
        tasks.setdefault(index if case["topology"] else key, []).append((index, case))
    return list(tasks.values())


def _understood(answer: Any, count: int) -> list[Any]:
    """What a child's answer tells of each of the cases, a reason where it tells none or nothing that was asked."""
    if isinstance(answer, dict) and isinstance(answer.get("reason"), str):
        return [answer] * count
    known = isinstance(answer, list) and len(answer) == count and all(isinstance(one, (dict, list)) for one in answer)
    return answer if known else [{"reason": f"an answer that is not understood: {str(answer)[:80]}"}] * count


def _rows(answer: Any, timed: bool, detail: bool) -> list[dict[str, Any]]:
    """The rows of one case, from what a child told of it."""
    if timed or isinstance(answer, dict):
        return [answer]
    table = pd.DataFrame(answer, columns=list(hlo.COLUMNS))
    return table.to_dict("records") if detail else [hlo.summary(table)]
