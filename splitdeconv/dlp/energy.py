"""Energy of a network on a processor: multiplications, registers, buffers, DRAM and leakage.

``E = N_mac*e_mac + N_register*e_register + sum of N*e(size) + N_dram*e_dram + P_leakage*time``,
where the sum is over the buffers. Each event is counted at the cost that a technology profile gives
it, per access of so many bits. The uncertainty of the profile is a band: each part, and so the
total, lies between `low` and `high` times its value.

Registers, per multiplication: in a systolic array each operand is written into its element and read
there, the sum is read and written; weight or input stationary, the operand that stays is only read.
In a dot-product array both operands are read, and the sum of a unit once for all its multipliers.
"""

from collections.abc import Mapping

import numpy as np

from ..core.typing import NumpyArray
from ..errors import SplitDeconvError
from .checks import PARTS
from .machine import Machine, Numbers, number_type
from .processor import Technology


def energy(
    counts: Mapping[str, NumpyArray], processor: Machine, technology: Technology, flow: str
) -> dict[str, NumpyArray]:
    """Energy in pJ, by part.

    Args:
        counts: dict of arrays (..., L): "active" (multiplications that cost energy),
            "buffer_input", "buffer_weight", "buffer_output" and "dram" (bytes), and "us"
            (microseconds).
        processor: a `Processor`, or anything with its fields; numbers, or arrays of shape (K, 1).
        technology: a `Technology`.
        flow: the dataflow.

    Returns:
        dict of arrays (..., L) by `splitdeconv.dlp.checks.PARTS`.

    Raises:
        SplitDeconvError: the technology has no multiplication of that number type.
    """
    mac = by_type(technology.mac_pj, processor, technology)
    sizes = {
        name: getattr(processor, f"{name}_buffer_kib") for name in ("input", "weight", "output")
    }
    buffers = sum(
        counts[f"buffer_{name}"] / 8 * sram_pj(technology, size) for name, size in sizes.items()
    )
    leakage = (
        technology.leakage_uw_per_kib * sum(sizes.values())
        + technology.leakage_uw_per_mac * processor.peak
    )
    return {
        "mac": counts["active"] * mac,
        "register": counts["active"] * register_bits(processor, flow) / 8 * technology.register_pj,
        "buffer": buffers,
        "dram": counts["dram"] / 8 * technology.dram_pj,
        "leakage": leakage * counts["us"],
    }


def by_type(values: Mapping[str, float], processor: Machine, technology: Technology) -> float:
    """What a technology has for the processor's number type.

    Raises:
        SplitDeconvError: it has nothing for that type.
    """
    name = number_type(processor)
    if name not in values:
        raise SplitDeconvError(
            "the technology does not have this number type",
            where=f"technology {technology.name}",
            expected=f"one of {', '.join(values)}",
            got=name,
            fix="change word_bits or number_type of the processor, or add the type to a technology",
        )
    return values[name]


def band(parts: Mapping[str, NumpyArray], technology: Technology) -> tuple[NumpyArray, NumpyArray]:
    """The least and the greatest total that the technology's band allows, pJ."""
    low, high = (
        sum((parts[name] * factors[name] for name in PARTS), np.zeros(()))
        for factors in (technology.low, technology.high)
    )
    return low, high


def register_bits(processor: Machine, flow: str) -> Numbers:
    """Bits of registers read and written per multiplication."""
    if flow == "dot_product":
        return 2 * processor.word_bits + 2 * processor.accumulator_bits / processor.rows
    words = 4 if flow == "output_stationary" else 3
    return words * processor.word_bits + 2 * processor.accumulator_bits


def sram_pj(technology: Technology, kib: Numbers) -> NumpyArray:
    """Energy of a 64-bit access to a memory of `kib` KiB, on straight lines in the logarithms."""
    sizes, values = np.log(np.array(technology.sram_pj, dtype=float)).T
    at = np.log(np.asarray(kib, dtype=float))
    segment = np.clip(np.searchsorted(sizes, at) - 1, 0, len(sizes) - 2)
    slope = (values[segment + 1] - values[segment]) / (sizes[segment + 1] - sizes[segment])
    return np.exp(values[segment] + slope * (at - sizes[segment]))
