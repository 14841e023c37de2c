"""libtpu: what Google's compiler for Cloud TPUs makes of each form. No TPU is needed to compile for one.

JAX compiles ahead of time for every generation, and the compiled program carries the compiler's own estimate in cycles
of each operation (`splitdeconv.toolchains.hlo`). Where a TPU, or any other device of JAX, is at hand, the same programs
are timed on it instead: generation `HERE`. Both happen in a child process, whose environment is made for it.
"""

import json
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from ..errors import check_choice
from ..networks.measure import unreasonable
from . import hlo
from ._child import Child

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

# What libtpu asks its surroundings where there is no TPU, and that another process may hold it at the same time.
_WITHOUT_TPU = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_PLATFORMS": "cpu",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}
_CHILD = f"{__package__}._libtpu_child"
_QUIET = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
_OLDEST_JAX = (0, 7)  # the first in which a program may choose the layouts of its arguments by `Format`


def available(generation=None) -> str | None:
    """Why nothing can be compiled for TPUs here (or timed, for generation `HERE`), or None if it can."""
    missing = [name for name in ("jax", *(["libtpu"] if generation != HERE else [])) if not _version(name)]
    if missing:
        return f"{' and '.join(missing)} not installed: pip install 'splitdeconv[tpu]'"
    if tuple(map(int, _version("jax").split(".")[:2])) < _OLDEST_JAX:
        return f"jax {_version('jax')} is too old: {'.'.join(map(str, _OLDEST_JAX))} or later is needed"
    return None


def compiler() -> str:
    """The versions that decide what is compiled, as the column ``compiler`` has them."""
    return ", ".join(f"{name} {_version(name)}" for name in ("jax", "libtpu") if _version(name))


def layers(model, name=None, **options) -> list[dict]:
    """What `cases` takes: the transposed convolutions of a model, each alone.

    Args:
        model: what `splitdeconv.networks.layer_table` takes, with its options.
        name: what to call it in the column ``network``.
    """
    from ..networks import layer_table

    rows = layer_table(model, **options).query("kind == 'deconv'").to_dict("records")
    name = name or (model if isinstance(model, str) else model.name)
    return [{"network": name, "layer": row["name"], "kind": "layer", "layers": [row]} for row in rows]


def whole(model, name=None) -> dict:
    """What `cases` takes: a whole network.

    Args:
        model: the name of a benchmark network, or the path of a .keras file.
        name: what to call it in the column ``network``.
    """
    from ..networks import names

    parts = layers(model) if model in names() else []
    layer_rows = [row for part in parts for row in part["layers"]]
    model = model if parts else str(Path(model).resolve())
    name = name or (model if parts else Path(model).stem)
    return {"network": name, "layer": "whole network", "kind": "network", "model": model, "layers": layer_rows}


def chain(network) -> dict:
    """What `cases` takes: a benchmark network's transposed convolutions in a row; see `splitdeconv.chain`.

    Its forms are those of layers, with the interleave after each, and "apart", with one interleave after the last.
    """
    rows = [row for part in layers(network) for row in part["layers"]]
    return {"network": network, "layer": "chain", "kind": "chain", "layers": rows}


def cases(subjects, *, generations=tuple(GENERATIONS), batches=(1,), dtypes=("bfloat16",), variants=VARIANTS):
    """Every combination of subjects and configurations, as `measure` takes them.

    Args:
        subjects: of `layers`, `whole` or `chain`.
        generations: of `GENERATIONS`, or `HERE`.
        batches: images per run.
        dtypes: of `DTYPES`; a model in a file keeps its own.
        variants: (form, interleave) pairs: forms of `splitdeconv.plan`; "auto" for whole networks, which is the choice
            of the generation's target in `splitdeconv.convert`; "apart" for chains.

    Raises:
        SplitDeconvError: an unknown generation or type.
    """
    for generation in generations:
        check_choice(generation, (*GENERATIONS, HERE), "generation")
    for dtype in dtypes:
        check_choice(dtype, DTYPES, "dtype")
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


def measure(cases, *, detail=False, timeout=300, turns=15, budget=10.0, progress=None) -> pd.DataFrame:
    """Compile every case for its generation, or time it here.

    Cases to be timed that differ in form alone are timed in turn.

    Args:
        cases: of `cases`.
        detail: a row for each operation of a program instead of one for each program.
        timeout: seconds for a program, or for those timed in turn; after that the next is tried.
        turns, budget: as for `splitdeconv.bench.interleaved`.
        progress: wraps the list of what there is to do, like `rich.progress.track`.

    Returns:
        DataFrame, one row a case: `KEY`, the columns of `splitdeconv.toolchains.hlo.summary` (or, with `detail`, of
        `hlo.operations`), those of `splitdeconv.bench.summarize` and ``device`` where it was timed, ``compiler``, and
        ``reason``: why there are no numbers, or None.
    """
    children = {timed: Child(_CHILD, {**_QUIET, **({} if timed else _WITHOUT_TPU)}) for timed in (False, True)}
    reasons = [_hopeless(case) for case in cases]
    found = {index: [{"reason": reason}] for index, reason in enumerate(reasons) if reason}
    tasks = _tasks([(index, case) for index, case in enumerate(cases) if index not in found])
    try:
        for task in progress(tasks) if progress else tasks:
            timed = task[0][1]["topology"] is None
            answer = children[timed].ask([{**case, "turns": turns, "budget": budget} for _, case in task], timeout)
            for number, (index, _) in enumerate(task):
                found[index] = [answer] if isinstance(answer, dict) else _rows(answer[number], timed, detail)
    finally:
        for child in children.values():
            child.close()
    rows = [
        {**{name: case[name] for name in KEY}, **row, "compiler": compiler(), "reason": row.get("reason")}
        for index, case in enumerate(cases)
        for row in found[index]
    ]
    return pd.DataFrame(rows)


def charged(table) -> pd.Series:
    """Cycles with a charge for what the compiler does not estimate, so that no win rests on it.

    Every byte that an operation without estimate writes is charged like the slowest estimated copy (of 64 KiB or more)
    in any form of the same layer and configuration; like the median of the generation's layers where none has one.

    Args:
        table: of `measure`, compiled, not timed, several forms of each layer: there is nothing else to charge by.
    """
    rates = table.groupby(KEY[:-2])["slowest"].transform("max")
    rates = rates.fillna(rates.groupby([table["generation"], table["dtype"]]).transform("median"))
    # Where every program was estimated in full there may be no rate, and no need of one.
    return table["cycles"] + table["unestimated_bytes"] * rates.where(table["unestimated_bytes"] > 0, 0)


def best(table) -> pd.DataFrame:
    """Who wins: for each layer and configuration the variant of fewest cycles as `charged`, or of least time.

    Args:
        table: of `measure`.

    Returns:
        DataFrame, one row a layer and configuration: `KEY`, and ``speedup`` over native, never below 1 because native
        is among the choices, and ``over_nzp`` (NaN where that was not measured).
    """
    table = table[table["reason"].isna()].copy()
    timed = table["generation"] == HERE
    table["cost"] = table["seconds"] if timed.all() else charged(table)
    where = KEY[:-2]
    chosen = table.loc[table[~table["form"].isin(["nzp"])].groupby(where, sort=False)["cost"].idxmin()].set_index(where)
    costs = table.pivot_table(index=where, columns="form", values="cost", aggfunc="min").reindex(chosen.index)
    chosen["speedup"] = costs["native"] / chosen["cost"]
    chosen["over_nzp"] = costs["nzp"] / chosen["cost"] if "nzp" in costs else np.nan
    return chosen.reset_index()[[*KEY, "cost", "speedup", "over_nzp"]]


def _hopeless(case):
    """Why a case need not be tried, or None."""
    reason = available(HERE if case["topology"] is None else None)
    if reason is None and case["form"] not in ("native", "apart"):
        reasons = (unreasonable(SimpleNamespace(**row), case["form"]) for row in case["layers"])
        reason = next(filter(None, reasons), None)
    return reason


def _tasks(cases):
    """Numbered cases, in the groups in which they go to a child: one to compile, all forms of one subject to time."""
    tasks = {}
    for index, case in cases:
        key = json.dumps({name: value for name, value in case.items() if name not in ("form", "interleave")})
        tasks.setdefault(index if case["topology"] else key, []).append((index, case))
    return list(tasks.values())


def _rows(answer, timed, detail):
    """The rows of one case, from a child's answer."""
    if timed:
        return [answer]
    table = pd.DataFrame(answer, columns=list(hlo.COLUMNS))
    return table.to_dict("records") if detail else [hlo.summary(table)]


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
