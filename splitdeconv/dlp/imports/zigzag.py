"""Accelerators of ZigZag 3.9.1 (Mei et al., IEEE TC 70(8), 2021): the YAML that our export writes.

For each operand the file has a chain of memories, from the array outwards. ZigZag's sizes and
bandwidths are bits, its energies pJ per access of a port's full width, its times cycles. `D1` are
the rows and `D2` the columns; where a `dataflows` entry unrolls reductions over `D2`, it is the
other way round. Areas have no unit there and are not read.
"""

from dataclasses import dataclass
from typing import Any

from ...errors import shown
from .architecture import OPERANDS, Architecture, Costs, Reader, join, listed, words_per_cycle

_NAMES = {"I1": "input", "I2": "weight", "O": "output"}
_DIMENSIONS = ("D1", "D2")
_SERVED = "served_dimensions"
_TOP = ("name", "memories", "operational_array", "dataflows")
_ARRAY = ("unit_energy", "unit_area", "dimensions", "sizes", "is_imc", "imc_type")
_MEMORY = (
    *("size", "r_cost", "w_cost", "area", "latency", "mem_type", "auto_cost_extraction"),
    *("operands", "ports", "served_dimensions", "force_double_buffering"),
)
_PORT = ("name", "type", "bandwidth_min", "bandwidth_max", "allocation")
_WAYS = {"read": ("tl", "th"), "write": ("fh", "fl"), "read_write": ("tl", "th", "fh", "fl")}
_PIXELS, _REDUCED, _CHANNELS = {"OX", "OY", "B"}, {"C", "FX", "FY"}, {"K"}


@dataclass
class _Memory:
    """One memory: bits; pJ per bit read and written; widths of its ports in bits, by their type."""

    path: str
    operands: list[str]
    served: list[str]
    bits: float
    costs: tuple[float, float]
    widths: dict[str, float]


def zigzag(data: Any, reader: Reader) -> Architecture:
    """What an accelerator file says.

    Args:
        data: its plain content.
        reader: collects what is refused.

    Raises:
        SplitDeconvError: anything that this model does not have.
    """
    top = reader.mapping(data, "", _TOP)
    path = "operational_array"
    array = reader.mapping(top.get(path), path, _ARRAY)
    reader.fixed(array, {"is_imc": (False,), "imc_type": (None,)}, path)
    mac = reader.number(array, "unit_energy", path)
    dimensions = [str(each) for each in reader.items(array.get("dimensions"), f"{path}.dimensions")]
    sizes = reader.items(array.get("sizes"), f"{path}.sizes")
    ends = dict(zip(dimensions, sizes, strict=False))
    if dimensions != list(_DIMENSIONS) or len(sizes) != len(_DIMENSIONS):
        got = f"got {shown(dimensions, 60)} of sizes {shown(sizes, 60)}"
        reader.refuse(f"{path}.dimensions", f"expected [D1, D2] and two sizes, {got}")
        ends = dict.fromkeys(_DIMENSIONS, 1)
    memories = _memories(reader, top.get("memories"))
    chains = _chains(reader, memories, dimensions)
    registers = [chain[0] for chain in chains.values()]
    summed = any("D1" in each.served for each in registers if "O" in each.operands)
    flow, turned = _dataflow(reader, top, summed)
    rows, cols = reversed(_DIMENSIONS) if turned else _DIMENSIONS
    where = f"{path}.sizes"
    values: dict[str, Any] = {
        "array": "dot_product" if flow == "dot_product" else "systolic",
        "rows": reader.whole(ends, rows, where),
        "cols": reader.whole(ends, cols, where),
    }
    origins = {
        name: reader.origin(f"{where} ({side})") for name, side in (("rows", rows), ("cols", cols))
    }
    if "dataflows" in top:
        values["dataflows"], origins["dataflows"] = [flow], reader.origin("dataflows")
    name = top.get("name")
    if isinstance(name, str) and name:
        values["name"] = name
    reader.finish()
    levels = [{name: chains[name][i] for name in OPERANDS} for i in range(3)]
    return _architecture(reader, values, origins, levels, flow, mac)


def _memories(reader: Reader, entries: Any) -> list[_Memory]:
    if not isinstance(entries, dict) or not entries:
        reader.refuse("memories", f"expected a mapping of memories, got {shown(entries, 60)}")
        return []
    return [_memory(reader, entry, f"memories.{name}") for name, entry in entries.items()]


def _memory(reader: Reader, entry: Any, path: str) -> _Memory:
    data = reader.mapping(entry, path, _MEMORY)
    accepted: dict[str, tuple[Any, ...]] = {"auto_cost_extraction": (False,), "latency": (1,)}
    accepted |= {"force_double_buffering": (True, False), "mem_type": ("sram", "dram", "rf")}
    reader.fixed(data, accepted, path)
    widths: dict[str, float] = {}
    for index, item in enumerate(reader.items(data.get("ports"), join(path, "ports"))):
        where = f"{path}.ports.{index}"
        port = reader.mapping(item, where, _PORT)
        kind = port.get("type")
        if kind not in _WAYS:
            reader.refuse(
                join(where, "type"), f"expected {', '.join(_WAYS)}, got {shown(kind, 60)}"
            )
            continue
        allowed = [f"{name}, {way}" for name in _NAMES for way in _WAYS[kind]]
        reader.texts(port.get("allocation"), join(where, "allocation"), allowed)
        width = reader.number(port, "bandwidth_max", where, least=1)
        if widths.get(kind, width) != width:
            reader.refuse(join(where, "bandwidth_max"), f"expected that of every {kind} port")
        widths[kind] = width
    both = widths.get("read_write", 1.0)
    costs = (
        reader.number(data, "r_cost", path) / widths.get("read", both),
        reader.number(data, "w_cost", path) / widths.get("write", both),
    )
    return _Memory(
        path,
        reader.texts(data.get("operands"), join(path, "operands"), tuple(_NAMES)),
        [str(name) for name in reader.items(data.get(_SERVED), join(path, _SERVED))],
        reader.number(data, "size", path, least=1),
        costs,
        widths,
    )


def _chains(
    reader: Reader, memories: list[_Memory], dimensions: list[str]
) -> dict[str, list[_Memory]]:
    """For each operand: a register, a buffer and DRAM; all of its memories, where refused."""
    for memory in memories[:-1]:
        if len(memory.operands) > 1:
            names = listed(memory.operands)
            reader.refuse(memory.path, f"shared by {names}, expected one memory per operand")
    for memory in memories[-1:]:
        if set(memory.operands) != set(_NAMES) or list(memory.widths) != ["read_write"]:
            expected = "as the last memory, expected DRAM of I1, I2 and O with one read_write port"
            reader.refuse(memory.path, expected)
    chains = {}
    for operand, name in _NAMES.items():
        chain = [memory for memory in memories if operand in memory.operands]
        if len(chain) != 3:
            got = listed(memory.path.partition(".")[2] for memory in chain)
            reader.refuse(f"memories of {operand}", f"expected register, buffer, DRAM, got {got}")
        for memory in chain[:1]:
            if memory is not memories[-1] and len(memory.operands) == 1:
                # One sum for all the multipliers of a dot product.
                places = [[], ["D1"]] if operand == "O" else [[]]
                _check_place(reader, memory, places)
                _check_word(reader, memory)
        for memory in chain[1:]:
            _check_place(reader, memory, [sorted(dimensions)], inner=memory is not memories[-1])
        if chain:
            chains[name] = chain
    return chains


def _check_place(
    reader: Reader, memory: _Memory, places: list[list[str]], inner: bool = True
) -> None:
    """Refuse a memory that does not serve what it serves here, or has other ports."""
    if sorted(memory.served) not in places:
        words = " or ".join(f"[{', '.join(names)}]" for names in places)
        reader.refuse(
            f"{memory.path}.{_SERVED}", f"expected {words}, got [{', '.join(memory.served)}]"
        )
    if inner and set(memory.widths) != {"read", "write"}:
        got = listed(memory.widths)
        reader.refuse(f"{memory.path}.ports", f"expected types read and write, got {got}")


def _check_word(reader: Reader, register: _Memory) -> None:
    """Refuse a register of more than one word."""
    if {register.bits} != set(register.widths.values()):
        widths = " and ".join(f"{width:g}" for width in register.widths.values())
        got = f"got {register.bits:g} bits behind ports of {widths}"
        reader.refuse(f"{register.path}.size", f"expected one word, as wide as its ports, {got}")


def _architecture(
    reader: Reader,
    values: dict[str, Any],
    origins: dict[str, str],
    levels: list[dict[str, _Memory]],
    flow: str | None,
    mac: float,
) -> Architecture:
    registers, buffers, drams = levels
    dram = drams["input"]
    words = {name: int(register.bits) for name, register in registers.items()}
    if words["input"] != words["weight"]:
        expected = f"a word of as many bits as in {registers['weight'].path}"
        reader.refuse(f"{registers['input'].path}.size", f"expected {expected}")
    values |= {"word_bits": words["input"], "accumulator_bits": words["output"]}
    origins |= {
        "array": reader.origin(f"{registers['output'].path}.{_SERVED}"),
        "word_bits": reader.origin(f"{registers['input'].path}.size"),
        "accumulator_bits": reader.origin(f"{registers['output'].path}.size"),
        "dram_gb_s": reader.origin(f"{dram.path}.ports.0.bandwidth_max"),
    }
    for name, buffer in buffers.items():
        values[f"{name}_buffer_kib"] = buffer.bits / 8192
        origins[f"{name}_buffer_kib"] = reader.origin(f"{buffer.path}.size")
    _check_widths(reader, buffers, words, flow, (values["rows"], values["cols"]))
    reader.finish()
    costs = Costs(
        mac,
        [cost for register in registers.values() for cost in register.costs],
        {name: list(buffer.costs) for name, buffer in buffers.items()},
        list(dram.costs),
        others={"leakage_uw_per_kib": 0.0, "leakage_uw_per_mac": 0.0},
        origins={
            "mac_pj": reader.origin("operational_array.unit_energy"),
            "register_pj": reader.origin(*(register.path for register in registers.values())),
            "sram_pj": reader.origin(*(buffer.path for buffer in buffers.values())),
            "dram_pj": reader.origin(dram.path),
            "leakage_uw_per_kib": "0, as ZigZag counts no leakage",
            "leakage_uw_per_mac": "0, as ZigZag counts no leakage",
        },
    )
    return Architecture(values, origins, dram.widths["read_write"], costs)


def _check_widths(
    reader: Reader,
    buffers: dict[str, _Memory],
    words: dict[str, int],
    flow: str | None,
    sizes: tuple[int, int],
) -> None:
    """Refuse buffers that the array would have to wait for: here it never does."""
    sides = words_per_cycle(flow, *sizes)
    for name, count in sides.items():
        kind = "write" if name == "output" else "read"
        width = buffers[name].widths[kind]
        if width < count * words[name]:
            expected = f"expected {count} words of {words[name]} bits a cycle"
            reader.refuse(f"{buffers[name].path} ({kind} port)", f"{expected}, got {width:g} bits")


def _dataflow(reader: Reader, top: dict[str, Any], dot_product: bool) -> tuple[str | None, bool]:
    """The dataflow that the unrolled loops mean, if there are any; whether D2 are the rows."""
    if "dataflows" not in top:
        return ("dot_product" if dot_product else None), False
    unrolled = reader.mapping(top["dataflows"], "dataflows", _DIMENSIONS)
    loops = []
    for name in _DIMENSIONS:
        texts = reader.items(unrolled.get(name), f"dataflows.{name}")
        loops.append({str(text).partition(",")[0] for text in texts})
    pairs = {
        "output_stationary": (_PIXELS, _CHANNELS),
        "weight_stationary": (_REDUCED, _CHANNELS),
        "input_stationary": (_REDUCED, _PIXELS),
    }
    if dot_product:
        pairs = {"dot_product": ({"C"}, _CHANNELS)}
    for flow, sides in pairs.items():
        for turned in (False, True):
            given = loops[::-1] if turned else loops
            if all(one and one <= side for one, side in zip(given, sides, strict=True)):
                if turned and dot_product:
                    break
                return flow, turned
    got = " and ".join(f"[{', '.join(sorted(names))}]" for names in loops)
    expected = "pixels (OX, OY, B), channels (K) or reductions (C, FX, FY), two different"
    reader.refuse("dataflows", f"expected {expected}, got {got}")
    return None, False
