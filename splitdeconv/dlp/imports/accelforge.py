"""Architectures of accelforge (Accelergy-Project), as of version 1.0: one file with `arch.nodes`.

From the outside in: a memory of all tensors (DRAM), three memories that keep one tensor each (the
buffers), two spatial dimensions, registers that keep one tensor each, and the multiplier. A
dimension whose instances share inputs unrolls output channels; weights are shared by pixels, and
outputs by reductions. Units are bits, joules, seconds, watts and square metres.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import shown
from .architecture import OPERANDS, Architecture, Costs, Reader, join, listed, words_per_cycle
from .components import Node, node, number

_TOP = ("variables", "workload", "mapping", "config", "renames", "mapper", "model")
_MODELS = "extra_attributes_for_all_component_models"
#: By what the rows and columns share: the dataflow, and the operand that stays in its register.
_FLOWS = {
    ("output", "input"): ("weight_stationary", "weight"),
    ("weight", "input"): ("output_stationary", "output"),
    ("output", "weight"): ("input_stationary", "input"),
}


def accelforge(data: Any, reader: Reader) -> Architecture:
    """What an architecture file says.

    Args:
        data: its plain content.
        reader: collects what is refused.

    Raises:
        SplitDeconvError: anything that this model does not have.
    """
    top = reader.mapping(data, "", ("arch", *_TOP))
    reader.fixed(top, dict.fromkeys(_TOP, (None, {})), "")
    arch = reader.mapping(top.get("arch"), "arch", ("nodes", "variables", _MODELS))
    reader.fixed(arch, {"variables": (None, {})}, "arch")
    attributes = reader.mapping(arch.get(_MODELS, {}), f"arch.{_MODELS}", ("tech_node",))
    entries = reader.items(arch.get("nodes"), "arch.nodes")
    nodes = [node(entry, reader, f"arch.nodes.{i}") for i, entry in enumerate(entries)]
    first = next((i for i, each in enumerate(nodes) if each.fans), len(nodes))
    outer, inner = nodes[:first], nodes[first:]
    dram, *rest = [each for each in outer if each.tag == "!Memory"] or [Node("arch.nodes", "")]
    if dram.keep not in ("All", "~Intermediates"):
        reader.refuse(dram.path, "expected a memory that keeps All first, which is DRAM")
    buffers = _by_operand(reader, rest, "buffers")
    for name in OPERANDS:
        if name not in buffers:
            reader.refuse("buffers", f"expected a memory that keeps {name}, outside the array")
    registers = _by_operand(
        reader, [each for each in inner if each.tag == "!Memory"], "registers of an element"
    )
    multipliers = [each for each in nodes if each.tag == "!Compute"]
    if len(multipliers) != 1 or nodes[-1] is not multipliers[0]:
        got = listed(each.path for each in multipliers)
        reader.refuse("arch.nodes", f"expected one !Compute node, the last, got {got}")
    fans = [pair for each in nodes for pair in each.fans.items()]
    flow = _flow(reader, fans, registers)
    reader.finish()
    values, origins = _sizes(reader, flow, dict(fans), inner, buffers, registers)
    _rates(reader, values, origins, dram, multipliers[0])
    _check_rates(reader, flow, values, buffers)
    costs = _costs(reader, dram, buffers, registers, multipliers[0])
    if costs is not None and attributes:
        node_nm = 1e9 * number(attributes, "tech_node", reader, f"arch.{_MODELS}")
        costs.others["node_nm"] = max(1, round(node_nm))
        costs.origins["node_nm"] = reader.origin(f"arch.{_MODELS}.tech_node")
    reader.finish()
    return Architecture(values, origins, None, costs)


def _by_operand(reader: Reader, memories: Sequence[Node], what: str) -> dict[str, Node]:
    """Memories by the one tensor that each keeps."""
    kept: dict[str, Node] = {}
    for memory in memories:
        if memory.keep not in OPERANDS:
            if memory.keep:
                expected = f"expected one of {', '.join(OPERANDS)}"
                reader.refuse(memory.path, f"keeps {memory.keep}, {expected}")
        elif memory.keep in kept:
            earlier = kept[memory.keep].path
            reader.refuse(memory.path, f"further {what} for {memory.keep}, after {earlier}")
        else:
            kept[memory.keep] = memory
        if memory.bits in (0, math.inf):
            reader.refuse(join(memory.path, "size"), f"expected bits, got {memory.bits:g}")
    return kept


def _flow(
    reader: Reader, fans: Sequence[tuple[str, int]], registers: dict[str, Node]
) -> tuple[str, str, str]:
    """The dataflow, and what its rows and columns share."""
    shared = [name for name, _ in fans]
    for sides, (flow, stays) in _FLOWS.items():
        if sorted(shared) == sorted(sides):
            if stays not in registers:
                expected = f"expected one that keeps {stays}, which is {flow.replace('_', ' ')}"
                reader.refuse("registers of an element", expected)
            return flow, *sides
    expected = "expected two, which share two different of input, weight, output (reuse)"
    reader.refuse("spatial dimensions", f"{expected}, got {listed(shared)}")
    return "", "", ""


def _sizes(
    reader: Reader,
    flow: tuple[str, str, str],
    fans: dict[str, int],
    inner: Sequence[Node],
    buffers: dict[str, Node],
    registers: dict[str, Node],
) -> tuple[dict[str, Any], dict[str, str]]:
    name, row, col = flow
    places = {shared: f"{each.path}.spatial" for each in inner for shared in each.fans}
    values: dict[str, Any] = {"rows": fans[row], "cols": fans[col], "dataflows": [name]}
    origins = {"rows": reader.origin(places[row]), "cols": reader.origin(places[col])}
    origins["dataflows"] = reader.origin(places[row])
    if name != "weight_stationary":  # else it could be a dot product as well
        values["array"], origins["array"] = "systolic", reader.origin(places[row])
    for operand, buffer in buffers.items():
        values[f"{operand}_buffer_kib"] = buffer.bits / 8192
        origins[f"{operand}_buffer_kib"] = reader.origin(f"{buffer.path}.size")
    words = {"weight": "word_bits", "input": "word_bits", "output": "accumulator_bits"}
    for operand, key in words.items():
        if operand in registers:
            path = f"{registers[operand].path}.size"
            bits = reader.whole({"size": registers[operand].bits}, "size", registers[operand].path)
            if values.get(key, bits) != bits:
                reader.refuse(path, f"expected one word, of {values[key]} bits, got {bits}")
            values[key], origins[key] = bits, reader.origin(path)
    return values, origins


def _rates(
    reader: Reader, values: dict[str, Any], origins: dict[str, str], dram: Node, mac: Node
) -> None:
    """The clock and the bandwidth of DRAM, where they are given."""
    if mac.rate:
        values["clock_mhz"] = mac.rate["compute"] / 1e6
        origins["clock_mhz"] = reader.origin(f"{mac.path}.actions (throughput)")
        if mac.rate["compute"] in (0, math.inf):
            reader.refuse(f"{mac.path}.actions", "expected a finite throughput, the clock")
    if dram.rate:
        rates = {dram.rate.get(name) for name in ("read", "write")}
        rate = rates.pop()
        if rates or rate in (None, 0, math.inf):
            expected = "expected one finite throughput, the same of read and write"
            reader.refuse(f"{dram.path}.actions", expected)
        values["dram_gb_s"] = (rate or 0.0) / 8e9
        origins["dram_gb_s"] = reader.origin(f"{dram.path}.actions (throughput)")


def _check_rates(
    reader: Reader, flow: tuple[str, str, str], values: dict[str, Any], buffers: dict[str, Node]
) -> None:
    """Refuse buffers that the array would have to wait for: here it never does."""
    words = words_per_cycle(flow[0], values["rows"], values["cols"])
    for name, buffer in buffers.items():
        action = "write" if name == "output" else "read"
        rate = buffer.rate.get(action, math.inf)
        bits = values.get("accumulator_bits" if name == "output" else "word_bits", math.inf)
        least = words[name] * bits * values.get("clock_mhz", math.inf) * 1e6
        if rate < least:
            expected = "inf" if least == math.inf else f"{least:g} bits per second or more"
            got = f"expected {expected}, got {shown(rate)}"
            reader.refuse(f"{buffer.path}.actions ({action}, throughput)", got)


def _costs(
    reader: Reader,
    dram: Node,
    buffers: dict[str, Node],
    registers: dict[str, Node],
    mac: Node,
) -> Costs | None:
    """Energies, leakage and areas; None if no node has an energy of its own."""
    priced = [dram, *buffers.values(), *registers.values(), mac]
    if not any(value for each in priced for value in each.energy.values()):
        for each in priced:
            if each.leak or each.area:
                reader.refuse(each.path, "has leak_power or area, but no node has an energy")
        return None
    for each in priced:
        for action in ("compute",) if each is mac else ("read", "write"):
            if action not in each.energy:
                reader.refuse(f"{each.path}.actions", f"no energy of {action}, as others have")
    register = [1e12 * value for each in registers.values() for value in each.energy.values()]
    absent = [name for name in OPERANDS if name not in registers]
    if absent and any(register):
        why = f"none for {listed(absent)}, which this model charges like those with an energy"
        reader.refuse("registers of an element", why)
    if dram.leak:
        reader.refuse(f"{dram.path}.leak_power", "expected 0, DRAM has none here")
    reader.finish()
    costs = Costs(
        1e12 * mac.energy["compute"],
        register,
        {name: [1e12 * value for value in each.energy.values()] for name, each in buffers.items()},
        [1e12 * value for value in dram.energy.values()],
        origins={
            "mac_pj": reader.origin(f"{mac.path}.actions"),
            "register_pj": reader.origin(*(f"{each.path}.actions" for each in registers.values())),
            "sram_pj": reader.origin(*(f"{each.path}.actions" for each in buffers.values())),
            "dram_pj": reader.origin(f"{dram.path}.actions"),
        },
    )
    _add_statics(reader, costs, list(buffers.values()), list(registers.values()), mac)
    return costs


def _add_statics(
    reader: Reader, costs: Costs, buffers: list[Node], registers: list[Node], mac: Node
) -> None:
    """Leakage and areas, where all nodes concerned have them."""
    kib = sum(each.bits for each in buffers) / 8192
    bits = sum(each.bits for each in registers)

    def put(
        name: str, key: str, of: list[Node], get: Callable[[Node], float | None]
    ) -> float | None:
        given = [get(each) for each in of]
        numbers = [value for value in given if value is not None]
        if numbers and len(numbers) < len(given):
            missing = listed(each.path for each in of if get(each) is None)
            reader.refuse(missing, f"no {key}, as others have")
        if len(numbers) < len(given):
            return None
        costs.origins[name] = reader.origin(*(f"{each.path}.{key}" for each in of))
        return sum(numbers)

    leak = put("leakage_uw_per_kib", "leak_power", buffers, lambda each: each.leak)
    if leak is not None:
        costs.others["leakage_uw_per_kib"] = 1e6 * leak / kib
    leak = put("leakage_uw_per_mac", "leak_power", [mac, *registers], lambda each: each.leak)
    if leak is not None:
        costs.others["leakage_uw_per_mac"] = 1e6 * leak
    area = put("sram_um2_per_kib", "area", buffers, lambda each: each.area)
    if area is not None:
        costs.others["sram_um2_per_kib"] = max(1e12 * area / kib, 1e-9)
    area = put("register_um2_per_bit", "area", registers, lambda each: each.area)
    if area is not None:
        costs.others["register_um2_per_bit"] = max(1e12 * area / bits, 1e-9)
    area = put("mac_um2", "area", [mac], lambda each: each.area)
    if area is not None:
        costs.mac_um2 = max(1e12 * area, 1e-9)
