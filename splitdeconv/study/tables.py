"""Tables as a notebook shows them: few columns, numbers with their unit, words in full."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from .. import dlp
from ..networks import counts

if TYPE_CHECKING:
    import xarray as xr


def layers(workload: pd.DataFrame) -> pd.DataFrame:
    """The layers of a network, and what each way to compute them multiplies.

    Args:
        workload: of `splitdeconv.dlp.workload`.

    Returns:
        DataFrame by layer: kind, shapes as text, and millions of multiply-accumulates: those that
            are useful, and those that "nzp", "split" and "paper" issue.
    """
    shown = pd.DataFrame(
        {
            "layer": workload["name"],
            "kind": workload["kind"],
            "input": _shape(workload, "in_h", "in_w", "c_in"),
            "output": _shape(workload, "out_h", "out_w", "c_out"),
            "kernel": _shape(workload, "k_h", "k_w"),
            "stride": _shape(workload, "stride_h", "stride_w"),
        }
    )
    multiplied = counts.operation_counts(workload)[["useful", "nzp", "split", "paper"]]
    millions = (multiplied / 1e6).round(2).add_suffix(", M").set_index(workload.index)
    return shown.join(millions).set_index("layer")


def origins(machines: Collection[dlp.Processor]) -> pd.DataFrame:
    """What some processors are like, and where each of these numbers is from.

    Returns:
        DataFrame by processor and entry: value, origin.
    """
    rows = [
        (machine.name, entry, _text(getattr(machine, entry)), origin)
        for machine in machines
        for entry, origin in machine.origins.items()
    ]
    table = pd.DataFrame(rows, columns=["processor", "entry", "value", "origin"])
    return table.set_index(["processor", "entry"])


def energies(technologies: Sequence[str]) -> pd.DataFrame:
    """The energy of each kind of event, as text, by technology.

    Args:
        technologies: names of `splitdeconv.dlp.technologies`.

    Returns:
        DataFrame: events as rows, technologies as columns.
    """
    columns = {}
    for name in technologies:
        table = dlp.load_technology(name)
        columns[name] = {
            "multiply-accumulate, pJ": _text(table.mac_pj),
            "8 bits of a register, pJ": _text(table.register_pj),
            "64 bits of a buffer, pJ": ", ".join(
                f"{energy:g} at {size:g} KiB" for size, energy in table.sram_pj
            ),
            "64 bits of DRAM, pJ": _text(table.dram_pj),
            "leakage, uW per KiB": _text(table.leakage_uw_per_kib),
            "leakage, uW per multiplier": _text(table.leakage_uw_per_mac),
            "band, least factor": _text(table.low),
            "band, greatest factor": _text(table.high),
        }
    return pd.DataFrame(columns)


def gain_by_bandwidth(
    space: "xr.Dataset", arrays: Mapping[str, Mapping[str, int]], buffers_kib: Sequence[int]
) -> tuple[pd.DataFrame, int]:
    """The speedup of "sd" over "nzp" by array and bandwidth, in a sweep of all three.

    Args:
        space: of `splitdeconv.dlp.sweep`, with axes "array", "buffer" and "dram_gb_s".
        arrays: rows and columns by name, as given to the sweep. Square ones are kept, or all if
            none is square.
        buffers_kib: sizes of buffers in the sweep; the one nearest to 64 KiB is kept.

    Returns:
        DataFrame with columns network, array, dram_gb_s, speedup; and the size of the buffers.
    """
    cycles = space["cycles"].sel({"part": "deconv", "skip": "none"})
    gain = cycles.sel({"method": "nzp"}, drop=True) / cycles.sel({"method": "sd"}, drop=True)
    square = [name for name, size in arrays.items() if size["rows"] == size["cols"]]
    kib = min(buffers_kib, key=lambda size: abs(size - 64))
    kept = gain.sel({"array": square or list(arrays), "buffer": str(kib)}, drop=True)
    series = kept.transpose("network", "array", "dram_gb_s").to_series()
    return series.rename("speedup").reset_index(), kib


def _shape(table: pd.DataFrame, *columns: str) -> list[str]:
    """Lengths such as 16x16x128 of each row."""
    return ["x".join(map(str, row)) for row in table[list(columns)].itertuples(index=False)]


def _text(value: Any) -> str:
    """A value of a processor or a technology."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
