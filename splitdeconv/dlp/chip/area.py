"""Silicon area and peak power of a processor, from the constants of a technology.

**Area** is that of the multipliers with their adders, of the registers beside them, which are two
operands and a sum (in a dot-product array a sum per unit), and of the buffers. Control, wiring
between them, input and output, and DRAM are not counted; the band says how much that may be.

**Peak power** is that of the array if every multiplier is busy in every cycle, and DRAM moves what
it can. Each word from or to DRAM passes a buffer, and per multiplication the array accesses

==================  =====================  =====================  ==========================
dataflow            words of input         words of weights       partial sums
==================  =====================  =====================  ==========================
output stationary   ``1/C``                ``1/R``
weight stationary   ``1/C``                                       ``1/R`` read and written
input stationary                           ``1/C``                ``1/R`` read and written
dot product         ``1/C``                ``1/q``
==================  =====================  =====================  ==========================

with ``R`` rows, ``C`` columns, and ``q`` pixels that share latched weights: the counts of
`splitdeconv.dlp.traffic` for layers that are large in every direction, so that what stays costs
nothing. Of several dataflows the one of most power counts.
"""

from collections.abc import Mapping

import numpy as np

from ...core.typing import NumpyArray
from ..checks import PARTS
from ..energy import band, by_type, register_bits, sram_pj
from ..machine import Machine, Numbers
from ..processor import (
    ProcessorLike,
    Technology,
    TechnologyLike,
    load_processor,
    load_technology,
)

_BUFFERS = ("input", "weight", "output")


def area(processor: ProcessorLike, technology: TechnologyLike | None = None) -> dict[str, float]:
    """Area and peak power of a processor.

    Args:
        processor: a name, a path or a `Processor`.
        technology: energy profile; None for the processor's.

    Returns:
        dict: ``area_mm2``, the sum of ``area_{multiplier,register,buffer}_mm2``, and its band
        ``area_low_mm2`` to ``area_high_mm2``; ``peak_power_w``, the sum of
        ``peak_power_{mac,register,buffer,dram,leakage}_w``, and its band ``peak_power_low_w`` to
        ``peak_power_high_w``; ``tops_per_w`` at that power, a multiply-accumulate being two
        operations.

    Raises:
        SplitDeconvError: as `load_processor` and `load_technology`; a number type that the
            technology does not have.

    Example:
        >>> import splitdeconv as sd
        >>> small, large = (sd.dlp.area(f"pe_array_{size}") for size in ("16x16", "32x7"))
        >>> small["area_buffer_mm2"] == large["area_buffer_mm2"]
        True
    """
    machine = load_processor(processor)
    profile = load_technology(technology or machine.technology)
    return {name: float(value) for name, value in area_of(machine, profile).items()}


def area_of(processor: Machine, technology: Technology) -> dict[str, Numbers]:
    """`area` of a processor, or of many at once.

    Args:
        processor: a `Processor`, or anything with its fields; numbers, or arrays that broadcast.
        technology: a `Technology`.
    """
    areas = {name: value / 1e6 for name, value in _areas_um2(processor, technology).items()}
    total = sum(areas.values())
    power = {name: value / 1e6 for name, value in _powers_uw(processor, technology).items()}
    spent = sum(power[name] for name in PARTS)
    low, high = band(power, technology)
    return {
        "area_mm2": total,
        **{f"area_{name}_mm2": value for name, value in areas.items()},
        "area_low_mm2": total * technology.low["area"],
        "area_high_mm2": total * technology.high["area"],
        "peak_power_w": spent,
        **{f"peak_power_{name}_w": power[name] for name in PARTS},
        "peak_power_low_w": low,
        "peak_power_high_w": high,
        "tops_per_w": 2 * processor.peak * processor.clock_mhz / 1e6 / spent,
    }


def _areas_um2(processor: Machine, technology: Technology) -> dict[str, Numbers]:
    shared = processor.rows if "dot_product" in processor.dataflows else 1
    bits = 2 * processor.word_bits + processor.accumulator_bits / shared
    return {
        "multiplier": processor.peak * by_type(technology.mac_um2, processor, technology),
        "register": processor.peak * bits * technology.register_um2_per_bit,
        "buffer": _kib(processor) * technology.sram_um2_per_kib,
    }


def _powers_uw(processor: Machine, technology: Technology) -> dict[str, NumpyArray]:
    """By part; a picojoule in every microsecond is a microwatt."""
    macs = processor.peak * processor.clock_mhz
    per_mac = _flow_of_most(processor, technology)
    # GB/s are thousands of bytes per microsecond. Which buffer they pass is not known.
    moved = processor.dram_gb_s * 1e3 / 8
    passed = np.max(np.broadcast_arrays(*_access_pj(processor, technology).values()), axis=0)
    leakage = (
        technology.leakage_uw_per_kib * _kib(processor)
        + technology.leakage_uw_per_mac * processor.peak
    )
    parts = {
        "mac": macs * by_type(technology.mac_pj, processor, technology),
        "register": macs * per_mac["register"],
        "buffer": macs * per_mac["buffer"] + moved * passed,
        "dram": moved * technology.dram_pj,
        "leakage": leakage,
    }
    return {name: np.asarray(value, dtype=float) for name, value in parts.items()}


def _flow_of_most(processor: Machine, technology: Technology) -> Mapping[str, NumpyArray]:
    """Energy of registers and buffers per multiplication, in the dataflow that takes most."""
    most: dict[str, NumpyArray] = {"register": np.zeros(()), "buffer": np.zeros(())}
    costs = _access_pj(processor, technology)
    word, sum_ = processor.word_bits / 64, processor.accumulator_bits / 64
    for flow in processor.dataflows:
        words = _words_per_mac(processor, flow)
        buffer = sum(words[name] * word * costs[name] for name in ("input", "weight"))
        buffer = buffer + words["sums"] * sum_ * costs["output"]
        register = register_bits(processor, flow) / 8 * technology.register_pj
        more = buffer + register > most["buffer"] + most["register"]
        most = {
            "register": np.where(more, register, most["register"]),
            "buffer": np.where(more, buffer, most["buffer"]),
        }
    return most


def _words_per_mac(processor: Machine, flow: str) -> dict[str, Numbers]:
    """The table above."""
    rows, cols = processor.rows, processor.cols
    words: dict[str, Numbers] = {"input": 1 / cols, "weight": 0, "sums": 0}
    if flow == "input_stationary":
        words |= {"input": 0, "weight": 1 / cols}
    if flow in ("weight_stationary", "input_stationary"):
        words["sums"] = 2 / rows
    else:
        words["weight"] = 1 / (rows if flow == "output_stationary" else processor.stripe_pixels)
    return words


def _access_pj(processor: Machine, technology: Technology) -> dict[str, NumpyArray]:
    """Of 64 bits of each buffer."""
    return {
        name: sram_pj(technology, getattr(processor, f"{name}_buffer_kib")) for name in _BUFFERS
    }


def _kib(processor: Machine) -> Numbers:
    return sum(getattr(processor, f"{name}_buffer_kib") for name in _BUFFERS)
