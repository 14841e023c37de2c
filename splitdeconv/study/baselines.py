"""Which processor and which baseline a range of published gains fits.

A structure is one way to measure: the array, its buffers, the place of inserted zeros, the split
and what is skipped, whether phases share tiles, how pixels are interleaved, where partial sums may
go, and what is summed. For each, the speedups of the networks are numbers; the energies depend on
constants that are known roughly, and are drawn from the ranges of `RANGES`.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..core.typing import NumpyArray
from ..dlp.checks import PARTS
from ..dlp.compare import PUBLISHED
from ..dlp.evaluate import evaluate
from ..dlp.lowering import lower
from ..dlp.processor import load_processor, load_technology
from ..dlp.workload import workload

#: The values of each axis of the structures.
AXES: dict[str, tuple[Any, ...]] = {
    "array": ("dot_product_16x16", "pe_array_16x16", "pe_array_32x7"),
    "buffer_kib": (16, 32, 64, 128, 256),
    "sums": ("array", "buffer"),
    "zeros": ("generated", "expanded", "stored", "pass"),
    "variant": ("sd", "sd-A", "sd-W", "sd-WA", "sd_trimmed"),
    "phases": ("one by one", "together"),
    "interleave": ("free", "bursts", "pass"),
    "scope": ("deconv", "network"),
}
#: Ranges of the constants, least and greatest, in pJ; leakage and buffers relative to the
#: technology's. DRAM of 64 bits: LPDDR4 class to twice Horowitz' lower figure (ISSCC 2014).
#: Registers of 8 bits: a tenth of a small SRAM to a register file of Eyeriss' size. The
#: multiplication of 8 bits: Horowitz' 0.23 pJ for product and sum at 45 nm, and about twice as much
#: either way. Buffers: CACTI's optimum, and what an unoptimised macro costs.
RANGES = {
    "mac": (0.2, 0.6),
    "register": (0.01, 0.2),
    "buffer": (0.5, 4.0),
    "dram": (200.0, 2600.0),
    "leakage": (0.1, 10.0),
}
#: What is published, and the spread of a normal likelihood at either end.
SPREAD = {"speedup": 0.2, "energy_saving": 0.02}


class Gains(NamedTuple):
    """The structures, and what each gains.

    Args:
        structures: one row for each, a column for each of `AXES`.
        speedup: (structures, networks).
        before, after: energy in pJ by part, of the baseline and of the split:
            (structures, networks, parts), with the technology's own constants.
        networks: names.
    """

    structures: pd.DataFrame
    speedup: NumpyArray
    before: NumpyArray
    after: NumpyArray
    networks: list[str]


def gains(networks: Sequence[str], axes: Mapping[str, Sequence[Any]] | None = None) -> Gains:
    """Simulate every structure on every network.

    Args:
        networks: names.
        axes: values of some of `AXES` instead of those there.

    Returns:
        `Gains`.
    """
    chosen = {**AXES, **(axes or {})}
    tables = {name: workload(name) for name in networks}
    sides: dict[tuple[Any, ...], NumpyArray] = {}
    for array, sums in product(chosen["array"], chosen["sums"]):
        machine = _machine(array, sums, chosen["buffer_kib"])
        for zeros, interleave in product(chosen["zeros"], chosen["interleave"]):
            key = (array, sums, "nzp", zeros, interleave)
            sides[key] = _side(tables, machine, "nzp", zeros=zeros, interleave=interleave)
        for variant, phases, interleave in product(
            chosen["variant"], chosen["phases"], chosen["interleave"]
        ):
            if not _skips(machine, variant):
                continue
            how = {"interleave": interleave, "share": phases == "together"}
            sides[array, sums, variant, phases, interleave] = _side(tables, machine, variant, **how)
    return _gains(chosen, sides, list(networks))


def _machine(array: str, sums: str, sizes: Iterable[int]) -> SimpleNamespace:
    """A processor with each size of buffers."""
    processor = load_processor(array)
    kib = np.array(list(sizes), dtype=float)[:, None]
    buffers = {f"{name}_buffer_kib": kib for name in ("input", "weight", "output")}
    own = {"sums": sums, "peak": processor.peak, "dataflows": processor.dataflows[:1]}
    return SimpleNamespace(**(vars(processor) | buffers | own))


def _skips(machine: SimpleNamespace, variant: str) -> bool:
    return (variant.partition("-")[2] or "none") in machine.skipping


def _side(
    tables: Mapping[str, pd.DataFrame], machine: SimpleNamespace, variant: str, **how: Any
) -> NumpyArray:
    """Cycles and parts of the energy: (scopes, buffers, networks, 1 + parts)."""
    method, _, skip = variant.partition("-")
    result = []
    for table in tables.values():
        work = lower(table, method)
        values = evaluate(work, table, machine, method, skip or "none", **how)
        columns = [values["cycles"], *(values[f"energy_{part}_pj"] for part in PARTS)]
        shape = (machine.input_buffer_kib.shape[0], len(table))
        sums = np.stack([np.broadcast_to(column, shape) for column in columns])
        deconv = (table["kind"] == "deconv").to_numpy()
        result.append(np.stack([sums[..., deconv].sum(-1), sums.sum(-1)]))
    return np.stack(result).transpose(1, 3, 0, 2)


def _gains(
    axes: Mapping[str, Sequence[Any]], sides: Mapping[tuple[Any, ...], NumpyArray], names: list[str]
) -> Gains:
    rows, before, after = [], [], []
    for array, sums, zeros, variant, phases, interleave in product(
        *(axes[name] for name in ("array", "sums", "zeros", "variant", "phases", "interleave"))
    ):
        split = sides.get((array, sums, variant, phases, interleave))
        if split is None:
            continue
        baseline = sides[array, sums, "nzp", zeros, interleave]
        for (at, scope), (size, kib) in product(
            enumerate(("deconv", "network")), enumerate(axes["buffer_kib"])
        ):
            if scope in axes["scope"]:
                rows.append((array, kib, sums, zeros, variant, phases, interleave, scope))
                before.append(baseline[at, size])
                after.append(split[at, size])
    old, new = np.stack(before), np.stack(after)
    structures = pd.DataFrame(rows, columns=list(AXES))
    return Gains(structures, old[..., 0] / new[..., 0], old[..., 1:], new[..., 1:], names)


def draw(count: int, seed: int, technology: str = "cacti_40nm") -> NumpyArray:
    """Factors on the parts of the energy, each drawn evenly in its logarithm: (count, parts).

    Args:
        count: draws.
        seed: of the generator.
        technology: whose constants the factors change.
    """
    profile = load_technology(technology)
    usual = {
        "mac": profile.mac_pj["int8"],
        "register": profile.register_pj,
        "dram": profile.dram_pj,
    }
    random = np.random.default_rng(seed)
    ends = np.log([np.array(RANGES[part]) / usual.get(part, 1.0) for part in PARTS])
    return np.exp(random.uniform(ends[:, 0], ends[:, 1], (count, len(PARTS))))


def ends(gained: Gains, factors: NumpyArray | None = None) -> pd.DataFrame:
    """The least and the greatest gain of each structure, and its distance from what is published.

    Args:
        gained: of `gains`.
        factors: one row of `draw`; None for the technology's own constants.

    Returns:
        The structures with ``speed_low``, ``speed_high``, ``saving_low``, ``saving_high``, and
        ``error``: the root mean square of their four relative errors.
    """
    saving = _saving(gained, np.ones((1, len(PARTS))) if factors is None else factors[None])[..., 0]
    table = gained.structures.assign(
        speed_low=gained.speedup.min(1),
        speed_high=gained.speedup.max(1),
        saving_low=saving.min(1),
        saving_high=saving.max(1),
    )
    columns = ["speed_low", "speed_high", "saving_low", "saving_high"]
    published = np.array([*PUBLISHED["speedup"], *PUBLISHED["energy_saving"]])
    errors = table[columns].to_numpy() / published - 1
    return table.assign(error=np.sqrt((errors**2).mean(1)))


def savings(gained: Gains) -> pd.DataFrame:
    """The energy that each structure saves on each network, with the technology's constants."""
    saving = _saving(gained, np.ones((1, len(PARTS))))[..., 0]
    return pd.DataFrame(saving, columns=gained.networks, index=gained.structures.index)


def posterior(gained: Gains, factors: NumpyArray) -> pd.DataFrame:
    """How well each structure fits what is published, if its constants are drawn.

    Args:
        gained: of `gains`.
        factors: of `draw`.

    Returns:
        The structures with ``energy``: their share of the likelihood of the two ends of the energy
        saved, all structures and constants being as likely before; and ``all_ends``: the same with
        both ends of the speedup.
    """
    low, high = PUBLISHED["energy_saving"]
    likelihood = np.empty(len(gained.structures))
    for first in range(0, len(likelihood), 256):
        part = slice(first, first + 256)
        some = gained._replace(before=gained.before[part], after=gained.after[part])
        saving = _saving(some, factors)
        distance = (saving.min(1) - low) ** 2 + (saving.max(1) - high) ** 2
        likelihood[part] = np.exp(-distance / (2 * SPREAD["energy_saving"] ** 2)).mean(1)
    speed = gained.speedup.min(1), gained.speedup.max(1)
    pairs = zip(speed, PUBLISHED["speedup"], strict=True)
    distance = sum((value - end) ** 2 for value, end in pairs)
    both = likelihood * np.exp(-distance / (2 * SPREAD["speedup"] ** 2))
    shares = {"energy": likelihood / likelihood.sum(), "all_ends": both / both.sum()}
    return gained.structures.assign(**shares)


def _saving(gained: Gains, factors: NumpyArray) -> NumpyArray:
    """(structures, networks, draws)."""
    return 1 - (gained.after @ factors.T) / (gained.before @ factors.T)


def neighbours(table: pd.DataFrame, row: int) -> pd.DataFrame:
    """The structures that differ from one in a single choice.

    Args:
        table: with a column for each of `AXES`.
        row: label of the structure.

    Returns:
        Rows of the table with ``knob`` and ``value``: that structure itself, then the others, in
        order of `AXES`.
    """
    centre = table.loc[row, list(AXES)]
    parts = [table.loc[[row]].assign(knob="as fitted", value="")]
    for name in AXES:
        others = [column for column in AXES if column != name]
        alike = (table[others] == centre[others]).all(axis=1) & (table[name] != centre[name])
        others = table[alike]
        parts.append(others.assign(knob=name, value=others[name].astype(str)))
    return pd.concat(parts)
