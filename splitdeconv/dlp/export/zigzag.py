"""ZigZag 3.9.1 (Mei et al., IEEE TC 70(8), 2021): a workload, an accelerator, and a mapping.

ZigZag searches the order of the loops. The unrolling over the array is fixed here, so that the
array is the same: output stationary, a rectangle of output pixels over the rows and output channels
over the columns; weight stationary and dot product, input channels over the rows and output
channels over the columns; input stationary, input channels over the rows and a rectangle of pixels
over the columns. ZigZag's tiles are rectangles, ours runs of pixels; and its rows of a weight- or
input-stationary array are channels of one tap, ours any products of taps and channels. Where the
layer's sizes make these equal, the cycles without stalls are equal too.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, TypeAlias

import pandas as pd
import yaml

from ..energy import by_type, sram_pj
from ..machine import Numbers
from ..processor import Processor, Technology, TechnologyLike, load_technology

#: A mapping of a YAML file.
_Entry: TypeAlias = dict[str, Any]

_LINKS = {"I": "I1", "W": "I2", "O": "O"}
_EQUATION = "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]"
#: The directions (to and from higher and lower levels) in which operands pass through a memory.
_WAYS = {"I1": ("fh", "tl"), "I2": ("fh", "tl"), "O": ("fh", "tl", "fl", "th")}
_DIRECTIONS = {"read": ("tl", "th"), "write": ("fh", "fl")}
# More than any network needs.
_DRAM_BITS = 10**12
_LOOPS = ("B", "K", "C", "OY", "OX", "FY", "FX")


def zigzag(
    rows: pd.DataFrame,
    processor: Processor,
    dataflow: str,
    batch: int = 1,
    technology: TechnologyLike | None = None,
) -> dict[str, str]:
    """The files of ZigZag.

    Args:
        rows: convolutions, from `splitdeconv.dlp.export.convolutions.convolutions`.
        processor: a `Processor`; skipping, bursts and stripes cannot be expressed.
        dataflow: one of the processor's.
        batch: images.
        technology: name, path or `Technology`; None for the processor's. Leakage cannot be
            expressed.

    Returns:
        Contents of workload.yaml, accelerator.yaml and mapping.yaml.

    Raises:
        SplitDeconvError: an unknown technology, or one without a multiplier of the processor's
            number type.
    """
    profile = load_technology(technology or processor.technology)
    layers = list(rows.itertuples(index=False))
    mapping = [_mapping(row.name, row, processor, dataflow) for row in layers]
    files = {
        "workload.yaml": [_layer(index, row, processor, batch) for index, row in enumerate(layers)],
        "accelerator.yaml": _accelerator(processor, profile),
        # ZigZag requires a default mapping, although every layer here has its own.
        "mapping.yaml": [*mapping, {**mapping[0], "name": "default"}],
    }
    return {
        name: yaml.dump(content, Dumper=_Dumper, sort_keys=False) for name, content in files.items()
    }


class _Dumper(yaml.SafeDumper):
    """Without anchors, for the parts that occur more than once."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _layer(index: int, row: Any, processor: Processor, batch: int) -> _Entry:
    """A convolution, whose source is itself: no data of the previous one stay on chip."""
    sizes = (batch, row.c_out, row.c_in, row.out_h, row.out_w, row.taps_h, row.taps_w)
    return {
        "id": index,
        "name": row.name,
        "operator_type": "Conv",
        "equation": _EQUATION,
        "dimension_relations": [
            f"ix={row.stride_w}*ox+{row.dilation_w}*fx",
            f"iy={row.stride_h}*oy+{row.dilation_h}*fy",
        ],
        "loop_dims": list(_LOOPS),
        "loop_sizes": [int(size) for size in sizes],
        "operand_precision": {
            "W": processor.word_bits,
            "I": processor.word_bits,
            "O": processor.accumulator_bits,
            "O_final": processor.word_bits,
        },
        "operand_source": {"I": index, "W": index},
    }


def _mapping(name: str, row: Any, processor: Processor, dataflow: str) -> _Entry:
    """The loops of a convolution that are unrolled over the array."""
    rows = [f"C, {min(row.c_in, processor.rows)}"]
    cols = [f"K, {min(row.c_out, processor.cols)}"]
    if dataflow == "output_stationary":
        rows = _pixels(row, processor.rows)
    if dataflow == "input_stationary":
        cols = _pixels(row, processor.cols)
    return {
        "name": name,
        "spatial_mapping": {"D1": rows, "D2": cols},
        "memory_operand_links": dict(_LINKS),
    }


def _pixels(row: Any, most: int) -> list[str]:
    """The loops over a rectangle of output pixels."""
    width, height = rectangle(int(row.out_h), int(row.out_w), int(most))
    return [f"OX, {width}"] + ([f"OY, {height}"] if height > 1 else [])


def rectangle(height: int, width: int, pixels: int) -> tuple[int, int]:
    """The widest (width, height) of at most `pixels` that covers a map in the fewest tiles."""
    shapes = [(w, min(height, pixels // w)) for w in range(1, min(width, pixels) + 1)]
    return min(reversed(shapes), key=lambda shape: ceil(width / shape[0]) * ceil(height / shape[1]))


def _accelerator(processor: Processor, technology: Technology) -> _Entry:
    """Registers, a buffer per operand, DRAM; a dot product's units keep one sum for all rows."""
    mac = by_type(technology.mac_pj, processor, technology)
    bits = {"I1": processor.word_bits, "I2": processor.word_bits, "O": processor.accumulator_bits}
    kib = {
        "I1": processor.input_buffer_kib,
        "I2": processor.weight_buffer_kib,
        "O": processor.output_buffer_kib,
    }
    # As wide as one step of the array needs.
    wide = int(max(processor.rows, processor.cols))
    memories = {}
    for operand in _WAYS:
        shared = ["D1"] if operand == "O" and processor.array == "dot_product" else []
        ports, cost = _ports(operand, bits[operand]), technology.register_pj / 8
        memories[f"register_{operand}"] = _memory([operand], bits[operand], cost, ports, shared)
    for operand in _WAYS:
        ports = _ports(operand, bits[operand] * wide)
        cost = float(sram_pj(technology, kib[operand])) / 64
        size = kib[operand] * 8192
        memories[f"buffer_{operand}"] = _memory([operand], size, cost, ports, ["D1", "D2"])
    bandwidth = max(1, int(processor.dram_gb_s * 8000 / processor.clock_mhz))
    port: _Entry = {"name": "rw_port_1", "type": "read_write"}
    port |= {"bandwidth_min": bandwidth, "bandwidth_max": bandwidth}
    port["allocation"] = [f"{operand}, {way}" for operand, ways in _WAYS.items() for way in ways]
    cost = technology.dram_pj / 64
    memories["dram"] = _memory(list(_WAYS), _DRAM_BITS, cost, [port], ["D1", "D2"])
    sizes = [int(processor.rows), int(processor.cols)]
    multipliers: _Entry = {"unit_energy": mac, "unit_area": 1.0}
    multipliers |= {"dimensions": ["D1", "D2"]}
    return {
        "name": processor.name,
        "memories": memories,
        "operational_array": multipliers | {"sizes": sizes},
    }


def _memory(
    operands: Sequence[str],
    bits: float,
    cost: Numbers,
    ports: Sequence[_Entry],
    served: Sequence[str],
) -> _Entry:
    """A memory; `cost` is per bit, and an access is as wide as its ports."""
    access = float(cost * ports[0]["bandwidth_max"])
    costs = {"r_cost": access, "w_cost": access, "area": 0.0, "latency": 1}
    return {
        "size": int(bits),
        **costs,
        "operands": operands,
        "ports": ports,
        "served_dimensions": served,
    }


def _ports(operand: str, width: int) -> list[_Entry]:
    """A port to read and one to write."""
    ports = []
    for kind, directions in _DIRECTIONS.items():
        allocation = [f"{operand}, {way}" for way in _WAYS[operand] if way in directions]
        port = {
            "name": f"{kind[0]}_port_1",
            "type": kind,
            "bandwidth_min": min(8, width),
            "bandwidth_max": width,
        }
        ports.append(port | {"allocation": allocation})
    return ports
