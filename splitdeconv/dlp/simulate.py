"""A network on a processor, layer by layer, as a tidy table with the bound of every layer."""

from typing import Any

import numpy as np
import pandas as pd

from ..core.typing import NumpyArray
from ..errors import SplitDeconvError, check_count
from .cycles import check_run
from .evaluate import evaluate
from .lowering import lower
from .processor import (
    Processor,
    ProcessorLike,
    TechnologyLike,
    load_processor,
    load_technology,
)
from .traffic.mapping import loop_nests
from .workload import NetworkLike, workload

#: What binds a layer: multiplications, DRAM, filling and draining the array, or lanes left idle.
BOUNDS = ("compute", "bandwidth", "fill", "utilisation")


def simulate(
    network: NetworkLike,
    processor: ProcessorLike,
    method: str = "sd",
    skip: str = "none",
    dataflow: str | None = None,
    batch: int = 1,
    zeros: str = "generated",
    technology: TechnologyLike | None = None,
    interleave: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Predict cycles, traffic and energy of every layer of a network.

    The model's equations are in `splitdeconv.dlp.cycles`, `traffic` and `energy`; `lowering`
    defines the methods.

    Args:
        network: what `splitdeconv.dlp.workload` takes.
        processor: a name, a path or a `Processor`.
        method: of `splitdeconv.dlp.METHODS`; layers other than transposed convolutions are the same
            in all.
        skip: structural zeros to skip: "none", "A", "W" or "WA", as the processor allows.
        dataflow: "output_stationary", "weight_stationary", "input_stationary" or "dot_product";
            None for the processor's default.
        batch: images per run.
        zeros: where the zeros of "nzp" are: "generated" beside the array, "expanded" in the on-chip
            buffer, "stored" in DRAM by the layer before, or written there by a "pass" of their own.
        technology: energy profile; None for the processor's.
        interleave: how pixels are written that belong s apart: "free", in "bursts", or in a "pass"
            of their own; None for what the processor does.
        **options: of `workload`.

    Returns:
        DataFrame, one row per layer. ``name``, ``kind``; ``method``, ``skip``, ``processor``,
        ``dataflow``, ``batch``, ``zeros``, ``technology``. Multiply-accumulates: ``macs_useful``
        (the paper's count), ``macs_real`` (both operands real), ``macs_dense`` (the method's
        convolutions in full), ``macs_issued``, ``macs_skipped``, and ``macs_gated`` of those
        issued. ``compute_cycles`` (with fill and drain, of which ``fill_cycles``; no stalls),
        ``dram_cycles``, and ``cycles``, the greater of them; ``latency_us``; ``utilisation``,
        issued over peak. ``dram_bytes``, the sum of
        ``dram_{input,weight,output,interleave}_bytes``; ``buffer_bytes``. ``energy_pj``, the sum of
        ``energy_{mac,register,buffer,dram,leakage}_pj``, and its band ``energy_low_pj`` to
        ``energy_high_pj``. ``operational_intensity``: useful multiply-accumulates per byte of DRAM,
        and ``achieved``, useful ones per cycle. ``bound_by`` (one of `BOUNDS`) and ``why``, in
        words. ``mapping``: the loops over tiles, outermost first, each with its number of tiles and
        their size, and ~ where inputs slide; see `mapping`.

    Raises:
        SplitDeconvError: an unknown network, processor, method, skip, dataflow or technology; a
            layer that cannot be lowered; "native" on a processor without transposed convolutions; a
            batch below 1.

    Example:
        >>> import splitdeconv as sd
        >>> layers = sd.dlp.simulate("dcgan", "pe_array_32x7", method="sd", skip="WA")
        >>> print(layers[["name", "kind", "compute_cycles", "bound_by"]])
              name    kind  compute_cycles     bound_by
        0       fc   dense          320716  utilisation
        1  deconv1  deconv          248820      compute
        2  deconv2  deconv          267836      compute
        3  deconv3  deconv           54972  utilisation
    """
    machine = load_processor(processor)
    check_native(machine, method)
    flow = check_run(machine, skip, dataflow)
    batch = check_count(batch, "batch", "simulate")
    profile = load_technology(technology or machine.technology)
    table = workload(network, **options)
    work = lower(table, method)
    numbers = evaluate(work, table, machine, method, skip, flow, batch, zeros, profile, interleave)
    columns = {name: np.broadcast_to(values, len(table)) for name, values in numbers.items()}
    rows = pd.DataFrame(columns)
    rows["operational_intensity"] = rows["macs_useful"] / rows["dram_bytes"]
    rows["achieved"] = rows["macs_useful"] / rows["cycles"]
    rows["bound_by"] = _bounds(rows, machine)
    rows["why"] = [_why(row, machine) for row in rows.itertuples()]
    nests = loop_nests(work, machine, method, batch, zeros, flow)
    rows["mapping"] = ["; ".join(nest.brief for nest in layer) for layer in nests]
    settings: dict[str, Any] = {
        "method": method,
        "skip": skip,
        "processor": machine.name,
        "dataflow": flow,
    }
    settings |= {"batch": batch, "zeros": zeros, "technology": profile.name}
    names = table[["name", "kind"]].reset_index(drop=True)
    return pd.concat([names.assign(**settings), rows], axis=1)


def check_native(processor: Processor, method: str) -> None:
    """Refuse "native" on a processor that cannot run transposed convolutions."""
    if method == "native" and processor.native is None:
        raise SplitDeconvError(
            "the processor has no transposed convolution",
            where=f"processor {processor.name}",
            expected="a method other than 'native', or a processor whose `native` is not null",
            got="method 'native'",
        )


def _bounds(rows: pd.DataFrame, processor: Processor) -> NumpyArray:
    """The cause of most of a layer's cycles."""
    ideal = rows["macs_issued"] / processor.peak
    idle = rows["compute_cycles"] - rows["fill_cycles"] - ideal
    conditions = [
        rows["dram_cycles"] > rows["compute_cycles"],
        ideal >= np.maximum(rows["fill_cycles"], idle),
    ]
    return np.select(
        [*conditions, rows["fill_cycles"] >= idle],
        ["bandwidth", "compute", "fill"],
        default="utilisation",
    )


def _why(row: Any, processor: Processor) -> str:
    """The bound in words."""
    if row.bound_by == "bandwidth":
        names = ("input", "weight", "output", "interleave")
        most = max(names, key=lambda name: getattr(row, f"dram_{name}_bytes"))
        share = getattr(row, f"dram_{most}_bytes") / row.dram_bytes
        return (
            f"DRAM takes {row.dram_cycles / row.compute_cycles:.2f} times as long as the array; "
            f"{share:.0%} of the bytes are {most}"
        )
    busy = row.macs_issued / (processor.peak * row.compute_cycles)
    filling = row.fill_cycles / row.compute_cycles
    return (
        f"multipliers busy {busy:.0%} of the array's cycles, {filling:.0%} fill and drain, "
        "the rest idle lanes"
    )
