"""A processor and a technology from an architecture, each value with its origin.

What a file does not say, such as the bursts of DRAM, is that of a processor of this model, and its
origin says so. Where a file has several energies for what is one number here, the number is their
mean, and the band reaches from the least to the greatest.
"""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from ...errors import SplitDeconvError
from ..checks import PARTS
from ..machine import number_type
from ..processor import (
    Processor,
    ProcessorLike,
    Technology,
    load_processor,
    load_technology,
)
from .architecture import OPERANDS, Architecture, Costs

_START = {"systolic": "pe_array_32x7", "dot_product": "dot_product_16x16"}
_WITHOUT_ORIGIN = ("name", "title", "technology", "origins")
# The least positive energy that a technology takes, in pJ.
_LEAST_PJ = 1e-9


def processor_of(
    architecture: Architecture, file: str, tool: str, start: ProcessorLike | None
) -> Processor:
    """A processor.

    Args:
        architecture: what the file says.
        file: its name.
        tool: what the file is of.
        start: whose values are taken where the file says nothing; None for a small one.

    Raises:
        SplitDeconvError: `start` has another kind of array; a value that `load_processor` refuses.
    """
    array = architecture.values.get("array")
    base = load_processor(_START[array or "systolic"] if start is None else start)
    if array is not None and base.array != array:
        raise SplitDeconvError(
            "the processor to start from has another kind of array",
            where=file,
            expected=f"a processor whose array is {array}",
            got=f"{base.name}, {base.array}",
        )
    values: dict[str, Any] = {"title": f"Imported from {tool}: {file}"} | architecture.values
    values.setdefault("name", file.partition(".")[0] or "imported")
    known = dict(architecture.origins)
    if architecture.dram_bits_per_cycle is not None:
        clock = values.get("clock_mhz", base.clock_mhz)
        values["dram_gb_s"] = architecture.dram_bits_per_cycle * clock / 8000
        known["dram_gb_s"] += f": bits a cycle, at {clock:g} MHz"
    if values.get("word_bits", base.word_bits) != base.word_bits:
        values["number_type"] = None
        known["number_type"] = f"assumed: integers; {file} does not say"
    if array is None and base.array == "dot_product":
        # The same unrolled loops: channels over the columns, reductions over the rows.
        values["dataflows"] = ["dot_product"]
    values = vars(base) | values | {"origins": _origins(Processor, known, base.name, file)}
    return load_processor(Processor(**values))


def technology_of(costs: Costs, processor: Processor, file: str, tool: str) -> Technology:
    """A technology of the energies of a file.

    Args:
        costs: what the file says.
        processor: what it says of the processor.
        file: its name.
        tool: what the file is of.

    Raises:
        SplitDeconvError: a value that `load_technology` refuses.
    """
    base = load_technology(processor.technology)
    low, high = (
        dict.fromkeys(PARTS, 1.0) | {"area": band["area"]} for band in (base.low, base.high)
    )
    register, low["register"], high["register"] = _mean(costs.register)
    dram, low["dram"], high["dram"] = _mean(costs.dram)
    points, low["buffer"], high["buffer"] = _points(costs, processor)
    type_ = number_type(processor)
    values: dict[str, Any] = {
        "name": processor.name,
        "title": f"Energies imported from {tool}: {file}",
        "mac_pj": {type_: max(costs.mac, _LEAST_PJ)},
        "register_pj": max(8 * register, _LEAST_PJ),
        "sram_pj": points,
        "dram_pj": max(64 * dram, _LEAST_PJ),
        "low": low,
        "high": high,
        **costs.others,
    }
    spread = f"the spread of the energies in {file}; area as in {base.name}"
    if costs.mac_um2 is not None:
        values["mac_um2"] = {type_: costs.mac_um2}
    known = costs.origins | {"low": spread, "high": spread}
    if len({getattr(processor, f"{name}_buffer_kib") for name in OPERANDS}) == 1:
        known["sram_pj"] += "; assumed: the same for twice the size"
    values |= {"origins": _origins(Technology, known, base.name, file)}
    return load_technology(Technology(**(vars(base) | values)))


def _origins(cls: type, known: dict[str, str], base: str, file: str) -> dict[str, str]:
    """The origin of every field, which is the `base` where the file says nothing."""
    names = (field.name for field in fields(cls) if field.name not in _WITHOUT_ORIGIN)
    assumed = f"assumed: that of {base}; {file} does not say"
    return {name: known.get(name, assumed) for name in names}


def _points(
    costs: Costs, processor: Processor
) -> tuple[tuple[tuple[float, float], ...], float, float]:
    """Pairs (KiB, pJ per 64 bits) of the buffers; two at least, as a line needs; and the band."""
    sizes: dict[float, list[float]] = {}
    for name in OPERANDS:
        size = getattr(processor, f"{name}_buffer_kib")
        sizes.setdefault(size, []).extend(costs.buffer[name])
    means = {size: _mean(values) for size, values in sorted(sizes.items())}
    points = [(size, max(64 * mean, _LEAST_PJ)) for size, (mean, _, _) in means.items()]
    if len(points) == 1:
        points.append((2 * points[0][0], points[0][1]))
    return tuple(points), min(m[1] for m in means.values()), max(m[2] for m in means.values())


def _mean(values: Iterable[float]) -> tuple[float, float, float]:
    """The mean, and the least and greatest value as factors on it."""
    given = list(values)
    mean = sum(given) / len(given)
    if mean == 0 or min(given) == max(given):
        return given[0], 1.0, 1.0
    return mean, min(given) / mean, max(given) / mean
