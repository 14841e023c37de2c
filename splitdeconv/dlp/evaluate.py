"""The whole model on arrays: cycles, traffic and energy of L layers on K processors at once."""

from typing import Any

import numpy as np
import pandas as pd

from ..core.typing import NumpyArray
from ..errors import SplitDeconvError
from . import cycles as array
from .checks import PARTS
from .energy import band, energy
from .lowering import Work
from .machine import Counts, Machine
from .processor import TechnologyLike, load_technology
from .traffic import buffer_words, dram_bytes, zeros_of


def evaluate(
    work: Work,
    table: pd.DataFrame,
    processor: Machine,
    method: str,
    skip: str = "none",
    dataflow: str | None = None,
    batch: Counts = 1,
    zeros: str = "generated",
    technology: TechnologyLike | None = None,
    interleave: str | None = None,
    share: bool = True,
) -> dict[str, NumpyArray]:
    """Every predicted quantity of each layer.

    Args:
        work: from `lower(table, method)`.
        table: the layers.
        processor: a `Processor`, or anything with its fields; numbers, or arrays of shape (K, 1).
        method: of `splitdeconv.dlp.lowering.METHODS`.
        skip, dataflow: as for `splitdeconv.dlp.cycles.compute_cycles`.
        batch: images, a number or an array of shape (K, 1).
        zeros: as for `splitdeconv.dlp.traffic.dram_bytes`.
        technology: a `Technology` or its name; None for the processor's.
        interleave, share: as for `dram_bytes`.

    Returns:
        dict of arrays that broadcast to (K, L), with the columns of `splitdeconv.dlp.simulate` that
        are numbers.

    Raises:
        SplitDeconvError: as `compute_cycles`, `dram_bytes` and `energy`; a batch too large to count
            what it multiplies.
    """
    flow = array.check_run(processor, skip, dataflow)
    _check_count(work, batch)
    profile = load_technology(technology or processor.technology)
    issued = array.issued_macs(work, processor, skip, flow, batch)
    dense = work.macs * batch
    run = array.compute_cycles(work, processor, skip, flow, batch)
    home = zeros_of(method, zeros)
    words = buffer_words(work, processor, flow, issued / dense, batch, home != "generated")
    layer = work.per_layer
    moved = dram_bytes(work, table, processor, method, batch, zeros, interleave, flow, share)
    returned = moved.pop("sums")
    result: dict[str, Any] = {
        "macs_useful": table["macs"].to_numpy() * batch,
        "macs_real": layer(array.real_macs(work, batch)),
        "macs_issued": layer(issued),
        "macs_dense": layer(dense),
        "compute_cycles": layer(run),
        "fill_cycles": layer(array.fill_cycles(work, processor, skip, flow, batch)),
        **{f"dram_{name}_bytes": part for name, part in moved.items()},
        "dram_bytes": sum(moved.values()),
    }
    result["macs_gated"] = (result["macs_issued"] - result["macs_real"]) * processor.zero_gating
    result["macs_skipped"] = result["macs_dense"] - result["macs_issued"]
    per_cycle = processor.dram_gb_s * 1e3 / processor.clock_mhz  # bytes
    result["dram_cycles"] = result["dram_bytes"] / per_cycle
    # Double buffering: the array works on one half of the buffers while the other is moved.
    result["cycles"] = np.maximum(result["compute_cycles"], result["dram_cycles"])
    result["latency_us"] = result["cycles"] / processor.clock_mhz
    result["utilisation"] = result["macs_issued"] / (result["cycles"] * processor.peak)
    word, sum_ = processor.word_bits / 8, processor.accumulator_bits / 8
    buffers = {
        name: layer(words[name]) * word + result[f"dram_{name}_bytes"]
        for name in ("input", "weight", "output")
    }
    # Zeros that are made on the chip are written into the buffer with the inputs.
    if home == "expanded":
        buffers["input"] = buffers["input"] + result["dram_input_bytes"] * _expansion(table)
    # Data that is reordered in a separate pass also goes through a buffer.
    apart = layer(words["sums"]) * sum_ + returned + result["dram_interleave_bytes"]
    buffers["output"] = buffers["output"] + apart
    result["buffer_bytes"] = sum(buffers.values())
    counts = {f"buffer_{name}": value for name, value in buffers.items()}
    counts |= {"dram": result["dram_bytes"], "us": result["latency_us"]}
    counts["active"] = result["macs_issued"] - result["macs_gated"]
    parts = energy(counts, processor, profile, flow)
    result |= {f"energy_{name}_pj": parts[name] for name in PARTS}
    result["energy_pj"] = sum(parts[name] for name in PARTS)
    result["energy_low_pj"], result["energy_high_pj"] = band(parts, profile)
    return result


def _expansion(table: pd.DataFrame) -> NumpyArray:
    """Zeros inserted for each word of the input."""
    real = table["in_h"] * table["in_w"]
    spread = [(table[f"in_{side}"] - 1) * table[f"stride_{side}"] + 1 for side in "hw"]
    inserted = np.where(table["kind"] == "deconv", spread[0] * spread[1], real)
    return (inserted / real - 1).to_numpy()


def _check_count(work: Work, batch: Counts) -> None:
    """Reject counts beyond 64-bit integers."""
    sizes = (work.out_h, work.out_w, work.taps_h, work.taps_w, work.c_in, work.c_out)
    counts = np.array([*sizes, work.groups, work.times], dtype=float)
    most = float(np.max(batch)) * np.prod(counts, axis=0).max()
    if most > 2**62:
        raise SplitDeconvError(
            "the batch is too large",
            where="batch",
            expected="at most 2^62 multiplications per layer, zeros included",
            got=f"batch {np.max(batch)}, {most:.3g} multiplications",
            fix="use a smaller batch",
        )
