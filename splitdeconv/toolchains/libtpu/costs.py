"""What a program costs, estimated or timed, and which form costs least."""

import pandas as pd

from ...errors import SplitDeconvError

#: Time on the first device that JAX finds, instead of compiling for a generation.
HERE = "here"
#: The columns that identify a case.
KEY = ["network", "layer", "generation", "batch", "dtype", "form", "interleave"]


def charged(table: pd.DataFrame) -> pd.Series:
    """Cycles with a charge for operations without an estimate, so that no gain depends on them.

    Every byte that an operation without an estimate writes is charged at the rate of the slowest
    estimated copy (of 64 KiB or more) in any form of the same layer and configuration. If there is
    none, the median rate of the table's other programs of that generation and type is used. If
    there is none either, the cost is unknown (NaN).

    Asynchronous copies, mainly of filters, have no estimate in any form, including native. They are
    not charged, because they run in parallel with the computation. With many filters and a batch
    of 1, they may take longer than everything else.

    Args:
        table: compiled rows of `measure` with several forms of each layer, which are needed for
            the rates.
    """
    rates = table.groupby(KEY[:-2])["slowest"].transform("max")
    rates = rates.fillna(rates.groupby([table["generation"], table["dtype"]]).transform("median"))
    # If every program was estimated completely, no rate is needed, and it may be missing.
    silent = table["unestimated_bytes"]
    return table["cycles"] + silent * rates.where(silent > 0, 0)


def best(table: pd.DataFrame) -> pd.DataFrame:
    """The best variant per layer and configuration: fewest `charged` cycles, or shortest time.

    Args:
        table: rows of `measure`, all compiled or all timed.

    Returns:
        DataFrame with one row per layer and configuration that has a program: `KEY`, its ``cost``,
        ``speedup`` over native, which is never below 1 because native is among the choices,
        ``over_nzp`` (both NaN if the baseline has no cost), and ``unknown``: forms that were
        compiled but have no cost, because there is no rate for the charge.

    Raises:
        SplitDeconvError: some rows were compiled and others timed.
    """
    seconds, table = timed(table), table[table["reason"].isna()]
    table = table.assign(cost=table["seconds"] if seconds else charged(table))
    where = KEY[:-2]
    chosen = cheapest(table[table["form"] != "nzp"], where, "cost").set_index(where)
    costs = table.pivot_table(index=where, columns="form", values="cost", aggfunc="min")
    costs = costs.reindex(index=chosen.index, columns=["native", "nzp"])
    silent = table[table["cost"].isna()].groupby(where)["form"]
    named = silent.agg(lambda forms: ", ".join(dict.fromkeys(forms)))
    chosen["speedup"] = costs["native"] / chosen["cost"]
    chosen["over_nzp"] = costs["nzp"] / chosen["cost"]
    chosen["unknown"] = named.reindex(chosen.index).fillna("")
    return chosen.reset_index()[[*KEY, "cost", "speedup", "over_nzp", "unknown"]]


def cheapest(table: pd.DataFrame, where: list[str], cost: str) -> pd.DataFrame:
    """The row of lowest cost for each combination of the columns `where`, in the table's order.

    If no row has a cost, the first one is returned.
    """
    return table.sort_values(cost, kind="stable").drop_duplicates(where).sort_index()


def timed(table: pd.DataFrame) -> bool:
    """Whether a table of `measure` was timed rather than compiled.

    Raises:
        SplitDeconvError: it has rows of both kinds, but seconds and cycles cannot be compared.
    """
    here = table["generation"] == HERE
    if here.any() and not here.all():
        raise SplitDeconvError(
            "seconds and estimated cycles cannot be compared",
            where="column generation",
            expected=f"generation {HERE!r} in all rows or in none",
            got=", ".join(map(str, dict.fromkeys(table["generation"]))),
            fix="time them separately",
        )
    return bool(here.any())
