"""Whole networks timed on the TPU of this machine, and their times beside the compiler's estimates.

Each benchmark network runs through Keras on JAX, natively, with zeros inserted, split, and as the
rules for this generation choose. `splitdeconv.toolchains.libtpu.measure` times the programs: jit,
inputs and weights on the device, `block_until_ready`, forms in turn, medians of paired ratios with
bootstrap intervals. What differs from the native values is not timed. A time includes the call from
Python, which a small network at batch 1 may wait for longer than for its layers.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .. import figures
from ..errors import SplitDeconvError, check_choice
from ..means import geometric_mean
from ..networks import names, titles
from ..toolchains import libtpu
from . import gains, measured

#: The name of the table, of what is downloaded and of what `data/measured/` may hold.
NAME = "tpu_results"
BATCHES = (1, 64)
#: Forms and interleaves.
METHODS = tuple((form, "concat") for form in ("native", "nzp", "split", "auto"))
#: What a recorded table must have: `libtpu.KEY` with the generation, times, and their origin.
COLUMNS = (
    *libtpu.KEY,
    *("seconds", "speedup", "low", "high", "turns", "difference", "allowed"),
    *("compiler", "reason", *measured.ORIGIN),
)
_KEY = ["network", "generation", "batch", "dtype", "form"]


def time_networks(
    networks: Sequence[str] = (),
    *,
    batches: Iterable[int] = BATCHES,
    dtype: str = "bfloat16",
    device: str | None = None,
    turns: int = 31,
    budget: float = 10.0,
    timeout: float = 900,
    keep: Path | None = None,
    progress: Callable[[list[Any]], Iterable[Any]] | None = None,
) -> pd.DataFrame:
    """Time networks in every method of `METHODS` on the first device that JAX has.

    Args:
        networks: benchmark networks; none for all of them.
        batches: images at once.
        dtype: of weights and activations, "bfloat16" or "float32".
        device: as `libtpu.find_device` names it, which says whose rules choose "auto" (those of
            `generic` unless it is a TPU); None to ask.
        turns, budget: as for `splitdeconv.bench.interleaved`, for each network and batch.
        timeout: seconds for each network and batch, compiling included.
        keep: a CSV file that is written anew after each network, so that an end loses only one.
        progress: wraps the list of networks and batches, like `rich.progress.track`.

    Returns:
        One row per network, batch and method, with `COLUMNS`.

    Raises:
        SplitDeconvError: no such network, type or batch, or JAX has no device.
    """
    chosen = list(networks) or names()
    for name in chosen:
        check_choice(name, names(), "network", "networks to time")
    reason = libtpu.available(libtpu.HERE)
    if reason is None and device is None:
        device, reason = libtpu.find_device()
    if reason is not None:
        raise SplitDeconvError(
            "nothing can be timed here",
            where="JAX",
            expected="a device that JAX computes on",
            got=reason,
        )
    generation = libtpu.generation_of(device)
    target = f"tpu_{generation}" if generation else "generic"
    grid: dict[str, Any] = {"generations": [libtpu.HERE], "dtypes": [dtype], "variants": METHODS}
    cases = [
        libtpu.cases([libtpu.whole(name)], batches=[batch], **grid)
        for name in chosen
        for batch in batches
    ]
    limits: dict[str, Any] = {"turns": turns, "budget": budget, "timeout": timeout}
    tables = list[pd.DataFrame]()
    for several in progress(cases) if progress else cases:
        times = libtpu.measure([{**case, "target": target} for case in several], **limits)
        times = times.assign(generation=generation or libtpu.HERE, device=device)
        tables.append(_with_standard(measured.stamp(times))[list(COLUMNS)])
        if keep is not None:
            measured.write(keep.stem, pd.concat(tables, ignore_index=True), keep.parent)
    return pd.concat(tables, ignore_index=True)


def place() -> Path:
    """The file that the notebook writes its times to, beside a user's own figures."""
    return figures.place(NAME) / f"{NAME}.csv"


def offer(path: Path) -> None:
    """On Colab, offer the file as a download, which waits for nobody; elsewhere do nothing."""
    if "google.colab" in sys.modules:
        sys.modules["google.colab"].files.download(str(path))


def recorded(folder: Path = measured.FOLDER) -> pd.DataFrame:
    """The times that somebody recorded: ``tpu_results.csv`` in `data/measured/`, empty if none.

    Args:
        folder: the folder of the table.

    Raises:
        SplitDeconvError: the table lacks a column, or has rows of no known generation, network or
            form.
    """
    table = measured.read(NAME, folder)
    if table.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    where = f"{NAME}.csv"
    lost = [column for column in COLUMNS if column not in table]
    if lost:
        raise SplitDeconvError(
            "a table of times lacks columns",
            where=where,
            expected=", ".join(COLUMNS),
            got=f"no {', '.join(lost)}",
            fix="take the file that notebook 13 writes on a TPU as it is",
        )
    for column, known in (
        ("generation", tuple(libtpu.GENERATIONS)),
        ("network", names()),
        ("form", [form for form, _ in METHODS]),
    ):
        for value in table[column].unique():
            check_choice(value, known, column, where)
    return table


def beside_estimates(timed: pd.DataFrame, estimates: pd.DataFrame) -> pd.DataFrame:
    """The gains of timed networks over native, and what the compiler's estimates say of the same.

    Args:
        timed: of `time_networks` or `recorded`.
        estimates: of `splitdeconv.study.tpu_gains.costs`.

    Returns:
        One row per network, generation, batch, dtype and method but native that has a time:
        ``title``, ``configuration``, ``speedup`` with ``low`` and ``high``, and ``estimated``, the
        quotient of charged cycles (NaN if one of the two was not compiled).
    """
    rows = timed[timed["reason"].isna() & (timed["form"] != "native")].dropna(subset=["speedup"])
    whole = estimates[estimates["layer"] == gains.WHOLE]
    cycles = whole.groupby(_KEY)["charged"].min()
    native = cycles.xs("native", level="form") if len(cycles) else cycles
    index = pd.MultiIndex.from_frame(rows[_KEY])
    over = native.reindex(index.droplevel("form")).to_numpy() / cycles.reindex(index).to_numpy()
    places = rows["generation"].replace(libtpu.HERE, "this device")
    batches = rows["batch"].astype(str)
    types = rows["dtype"].map(lambda name: "" if name == "bfloat16" else f", {name}")
    return rows.assign(
        title=rows["network"].map(titles()),
        configuration=places + ", batch " + batches + types,
        estimated=over,
    )[[*_KEY, "title", "configuration", "speedup", "low", "high", "estimated"]]


def verdict(table: pd.DataFrame) -> str:
    """What the rules' choice gains over native, on average and by configuration, in a sentence.

    Args:
        table: of `beside_estimates`.
    """
    chosen = table[table["form"] == "auto"]
    means = chosen.groupby("configuration", sort=False)["speedup"].agg([geometric_mean, "size"])
    parts = [
        f"{mean:.2f} times ({name}, {size} network{'s' * (size > 1)})"
        for name, mean, size in means.itertuples()
    ]
    if not parts:
        return "What the rules choose did not run"
    return f"Timed, what the rules choose is {' and '.join(parts)} as fast as native"


def _with_standard(table: pd.DataFrame) -> pd.DataFrame:
    """Without times that nothing was compared with, because the native form did not run."""
    alone = table["reason"].isna() & table["difference"].isna()
    why = "the native form did not run, so there are no values to compare with"
    numbers = ["seconds", "speedup", "low", "high", "turns"]
    table = table.astype(dict.fromkeys(numbers, "float64"))
    table.loc[alone, numbers] = float("nan")
    return table.assign(reason=table["reason"].where(~alone, why))
