"""Methods side by side on one processor: what each network gains over zero insertion.

`compare` simulates cycles, traffic and energy; `speedup` and `mac_limit` count the array's work
alone.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ..errors import SplitDeconvError
from .checks import PARTS
from .cycles import check_run, compute_cycles, real_macs
from .lowering import lower
from .machine import Counts, MultiplierArray
from .processor import Processor, ProcessorLike, load_processor, load_technology
from .simulate import simulate
from .workload import NetworkLike, workload

#: A method, and the zeros that hardware skips in it.
Variant: TypeAlias = tuple[str, str]

#: Pairs worth comparing: methods, and the zeros that hardware skips in them.
VARIANTS = (
    ("nzp", "none"),
    ("nzp", "A"),
    ("native", "none"),
    ("sd", "none"),
    ("sd", "A"),
    ("sd", "W"),
    ("sd", "WA"),
    ("sd_trimmed", "none"),
    ("sd_trimmed", "A"),
    ("rows", "none"),
    ("stacked", "none"),
    ("paper", "none"),
)
#: The baseline: zero insertion by a processor that multiplies every zero.
BASELINE = ("nzp", "none")
#: The paper's claims over zero insertion, from the smallest to the largest gain (abstract of arXiv
#: 1907.01773).
PUBLISHED = {"speedup": (2.41, 4.34), "energy_saving": (0.277, 0.545)}
_SETTING = ("processor", "technology", "dataflow", "zeros", "method", "skip")
_SUMS = (
    *("macs_useful", "macs_issued", "compute_cycles", "dram_cycles", "cycles", "latency_us"),
    "dram_bytes",
    *(f"energy_{part}_pj" for part in PARTS),
    *("energy_pj", "energy_low_pj", "energy_high_pj"),
)


def compare(
    networks: Iterable[str] | Mapping[str, NetworkLike],
    processor: ProcessorLike,
    variants: Iterable[Variant] | None = None,
    *,
    dataflow: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Cycles and energy of networks by method, and the gain over the baseline.

    Args:
        networks: names, or a dict of name to what `splitdeconv.dlp.workload` takes.
        processor: a name, a path or a `Processor`.
        variants: pairs (method, skip); None for those of `VARIANTS` that the processor allows.
            `BASELINE` is always computed.
        dataflow: of `splitdeconv.dlp.simulate`.
        **options: of the same; `zeros` also applies to the baseline.

    Returns:
        DataFrame, one row per network, variant and part: ``network``, ``processor``,
            ``technology``, ``dataflow``, ``zeros``, ``method``, ``skip``, ``variant`` (both in a
            word), ``part`` ("deconv": the transposed convolutions; "network": all layers), sums of
            `simulate`'s columns, ``speedup`` and ``array_speedup`` (cycles with and without stalls,
            baseline over variant) and ``energy_saving`` (1 - variant over baseline).

    Raises:
        SplitDeconvError: as `simulate`; no networks, or one without transposed convolutions; a
            requested variant that the processor does not support.

    Example:
        >>> import splitdeconv as sd
        >>> table = sd.dlp.compare(["dcgan"], "pe_array_32x7", [("sd", "WA")])
        >>> print(table[["variant", "part", "speedup", "energy_saving"]].round(2))
          variant     part  speedup  energy_saving
        0     nzp   deconv     1.00           0.00
        1     nzp  network     1.00           0.00
        2   sd-WA   deconv     3.89           0.40
        3   sd-WA  network     2.85           0.29
    """
    machine = load_processor(processor)
    sources = networks if isinstance(networks, dict) else {name: name for name in networks}
    if variants is None:
        variants = [variant for variant in VARIANTS if _allowed(machine, *variant, dataflow)]
    if not sources:
        raise SplitDeconvError(
            "there is nothing to compare", where="networks", expected="a network", got="none"
        )
    parts = []
    for name, source in sources.items():
        table = workload(source)
        _transposed(table, f"compare, network {name}")
        for method, skip in dict.fromkeys((BASELINE, *variants)):
            layers = simulate(table, machine, method, skip, dataflow, **options)
            variant = {"network": name, **layers.loc[0, list(_SETTING)]}
            variant["variant"] = label(method, skip)
            deconvs = layers[layers["kind"] == "deconv"]
            for part, rows in {"deconv": deconvs, "network": layers}.items():
                parts.append({**variant, "part": part, **rows[list(_SUMS)].sum()})
    result = pd.DataFrame(parts)
    base = result[result["variant"] == label(*BASELINE)].set_index(["network", "part"])
    base = base.loc[list(zip(result["network"], result["part"], strict=True))].reset_index()
    result["speedup"] = base["cycles"] / result["cycles"]
    result["array_speedup"] = base["compute_cycles"] / result["compute_cycles"]
    result["energy_saving"] = 1 - result["energy_pj"] / base["energy_pj"]
    return result


def label(method: str, skip: str) -> str:
    """A method and its skipping as one label, as in the paper: "SD-WA"."""
    return method + (f"-{skip}" if skip != "none" else "")


def sensitivity(table: pd.DataFrame) -> pd.DataFrame:
    """The energy saving if one part of the energy is at an end of its technology's band.

    Args:
        table: of `compare`.

    Returns:
        DataFrame, one row per table row, energy component and band limit: ``network``,
            ``processor``, ``technology``, ``zeros``, ``variant``, ``part``, ``energy_part``,
            ``end`` ("low", "high") and ``energy_saving``.

    Example:
        >>> import splitdeconv as sd
        >>> table = sd.dlp.compare(["dcgan"], "pe_array_32x7", [("sd", "WA")])
        >>> bands = sd.dlp.sensitivity(table)
        >>> bands = bands.query("variant == 'sd-WA' and part == 'deconv' and energy_part == 'dram'")
        >>> print(bands[["end", "energy_saving"]].round(2).to_string(index=False))
         end  energy_saving
         low           0.53
        high           0.23
    """
    keys = ["network", "processor", "technology", "zeros", "part"]
    columns = [f"energy_{name}_pj" for name in PARTS]
    base = table[table["variant"] == label(*BASELINE)].set_index(keys)[columns]
    base = base.loc[list(table[keys].itertuples(index=False, name=None))].to_numpy()
    tables = []
    for end in ("low", "high"):
        bands = table["technology"].map(lambda name, end=end: getattr(load_technology(name), end))
        for index, name in enumerate(PARTS):
            factors = np.ones((len(table), len(PARTS)))
            factors[:, index] = [band[name] for band in bands]
            saving = 1 - (table[columns].to_numpy() * factors).sum(1) / (base * factors).sum(1)
            changed = {"energy_part": name, "end": end, "energy_saving": saving}
            tables.append(table[[*keys, "variant"]].assign(**changed))
    return pd.concat(tables, ignore_index=True)


def speedup(
    table: pd.DataFrame,
    processor: MultiplierArray,
    method: str,
    skip: str = "none",
    dataflow: str | None = None,
    batch: Counts = 1,
    baseline: str = "nzp",
    baseline_skip: str = "none",
) -> Any:
    """Cycles of the baseline over those of the method, transposed convolutions alone, no memory.

    Args:
        table: a table of layers, as `splitdeconv.networks.layer_table` returns it.
        processor, skip, dataflow, batch: as for `compute_cycles`.
        method, baseline: of `splitdeconv.dlp.lowering.METHODS`.
        baseline_skip: what the baseline skips.

    Returns:
        A float, or an array of the processors' shape.

    Raises:
        SplitDeconvError: as `lower` and `compute_cycles`, or there are no transposed convolutions.

    Example:
        >>> import splitdeconv as sd
        >>> table = sd.networks.layer_table("dcgan")
        >>> processor = sd.dlp.load_processor("pe_array_32x7")
        >>> float(round(sd.dlp.speedup(table, processor, "sd", skip="WA"), 2))
        3.89
    """
    table = _transposed(table, "speedup")
    runs = ((baseline, baseline_skip), (method, skip))
    before, after = (
        (work.times * compute_cycles(work, processor, skipped, dataflow, batch)).sum(-1)
        for work, skipped in ((lower(table, name), skipped) for name, skipped in runs)
    )
    return before / after


def mac_limit(table: pd.DataFrame) -> float:
    """Multiplications of zero insertion over real ones: what skipping every zero would bring.

    Real ones touch two real operands. Arguments and errors as for `speedup`.

    Example:
        >>> import splitdeconv as sd
        >>> float(round(sd.dlp.mac_limit(sd.networks.layer_table("dcgan")), 2))
        4.47
    """
    work = lower(_transposed(table, "speedup"), "nzp")
    return work.macs.sum() / real_macs(work).sum()


def _transposed(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """The transposed convolutions of a table; none is a refusal."""
    chosen = table[table["kind"] == "deconv"]
    if chosen.empty:
        raise SplitDeconvError(
            "there is nothing to compare",
            where=where,
            expected="a network with transposed convolutions",
            got=f"{len(table)} layers of kind {', '.join(sorted(set(table['kind']))) or 'none'}",
        )
    return chosen


def _allowed(processor: Processor, method: str, skip: str, dataflow: str | None) -> bool:
    if method == "native" and processor.native is None:
        return False
    try:
        check_run(processor, skip, dataflow)
    except SplitDeconvError:
        return False
    return True
