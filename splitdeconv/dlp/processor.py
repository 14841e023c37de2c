"""Processors and technologies as data: `processors/*.yaml`, `technologies/*.yaml`, or files of the
user's own.

Every number in such a file has its origin in `origins`, under the number's key; the origin is "from
memory" or "assumed" where no source could be checked.
"""

import math
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np

from ..datafiles import schema
from ..errors import SplitDeconvError, shorten, shown

Dataflow = Literal["output_stationary", "weight_stationary", "dot_product"]
Skip = Literal["none", "A", "W", "WA"]


@dataclass(frozen=True, kw_only=True)
class Processor:
    """One deep-learning processor.

    Args:
        name, title: what it is called, and in full.
        array: "systolic" or "dot_product".
        rows: of a systolic array: output pixels if output stationary, filter rows if weight
            stationary; of a dot-product array: multipliers per unit, that is, input channels.
        cols: output channels: columns, or units.
        dataflows: the supported ones, the default first.
        skipping: structural zeros that it can skip: "none", "A" (activations), "W" (weights), "WA".
        clock_mhz: MHz.
        word_bits: of activations and weights.
        accumulator_bits: of partial sums.
        input_buffer_kib, weight_buffer_kib, output_buffer_kib: KiB. One half of each is in use
            while the other half is filled or emptied.
        dram_gb_s: 10^9 bytes per second.
        burst_bytes: DRAM moves whole bursts; a shorter piece costs as much as one.
        stripe_pixels: pixels for which a dot-product array keeps weights in its multipliers.
        strided_writes: whether it can write every s-th pixel; if not, interleaving is one more pass
            through DRAM.
        zero_gating: whether multiplications by a zero activation or weight are issued but cost no
            energy.
        native: "zero_insertion" if it runs transposed convolutions, as NZP with zeros made on the
            fly; None if not.
        technology: name of its energy profile.
        origins: the source of each number above; defaults need none.

    Example:
        >>> import splitdeconv as sd
        >>> from dataclasses import replace
        >>> wide = replace(sd.dlp.load_processor("pe_array_32x7"), name="wide", cols=14)
        >>> wide.rows, wide.cols, wide.dataflows
        (32, 14, ('output_stationary', 'weight_stationary'))
    """

    name: str
    title: str
    array: Literal["systolic", "dot_product"]
    rows: int
    cols: int
    dataflows: tuple[Dataflow, ...]
    skipping: tuple[Skip, ...]
    clock_mhz: float
    word_bits: int
    accumulator_bits: int
    input_buffer_kib: float
    weight_buffer_kib: float
    output_buffer_kib: float
    dram_gb_s: float
    burst_bytes: int
    stripe_pixels: int = 1
    strided_writes: bool
    zero_gating: bool
    native: Literal["zero_insertion"] | None
    technology: str
    origins: dict[str, str]

    @property
    def peak(self):
        """Multiply-accumulates per cycle."""
        return self.rows * self.cols


@dataclass(frozen=True, kw_only=True)
class Technology:
    """Energy of each kind of event in one manufacturing process.

    Args:
        name, title: what it is called, and in full.
        node_nm: feature size.
        mac_pj: of one multiply-accumulate, by "word_bits" of its operands; integer, a 32-bit sum.
        register_pj: of reading or writing 8 bits of a register file.
        sram_pj: of reading or writing 64 bits of a memory, as pairs (KiB, pJ), ascending; between
            and beyond them straight lines in the logarithms.
        dram_pj: of moving 64 bits.
        leakage_uw_per_kib, leakage_uw_per_mac: microwatts per KiB of buffers and per multiplier, at
            all times.
        low, high: factors on mac, register, buffer, dram and leakage: the band within which they
            are known.
        origins: the source of each entry above.

    Example:
        >>> import splitdeconv as sd
        >>> sd.dlp.load_technology("cacti_40nm").origins["dram_pj"]
        "the lower of Horowitz' two figures, 1300 and 2600; from memory"
    """

    name: str
    title: str
    node_nm: int
    mac_pj: dict[str, float]
    register_pj: float
    sram_pj: tuple[tuple[float, float], ...]
    dram_pj: float
    leakage_uw_per_kib: float
    leakage_uw_per_mac: float
    low: dict[str, float]
    high: dict[str, float]
    origins: dict[str, str]


# Beyond any real machine; results computed from it stay within 64 bits.
_MOST = 1e9
#: The parts of the energy.
PARTS = ("mac", "register", "buffer", "dram", "leakage")


def load_processor(source) -> Processor:
    """A processor by name, from a YAML file, or as it is.

    Args:
        source: one of `processors()`, the path of a file with the keys of `Processor`, or a
            `Processor`.

    Raises:
        SplitDeconvError: no such name or file; a key that is missing, unknown, of another type or
            out of range, by its dotted path.

    Example:
        >>> import splitdeconv as sd
        >>> processor = sd.dlp.load_processor("pe_array_32x7")
        >>> processor.rows, processor.cols, processor.clock_mhz
        (32, 7, 800.0)
    """
    if isinstance(source, Processor):
        return _checked_processor(_rebuilt(source), source.name)
    return _checked_processor(_load(Processor, source, "processor"), str(source))


def load_technology(source) -> Technology:
    """An energy profile; as `load_processor`.

    Example:
        >>> import splitdeconv as sd
        >>> sd.dlp.load_technology("cacti_40nm").node_nm
        40
    """
    if isinstance(source, Technology):
        return _checked_technology(_rebuilt(source), source.name)
    return _checked_technology(_load(Technology, source, "technology"), str(source))


def processors() -> list[str]:
    """Names of the processors that come with the library.

    Example:
        >>> import splitdeconv as sd
        >>> sd.dlp.processors()[:4]
        ['dot_product_16x16', 'edge_tpu_like', 'eyeriss_like', 'pe_array_16x16']
    """
    return _names("processors")


def technologies() -> list[str]:
    """Names of the technologies that come with the library.

    Example:
        >>> import splitdeconv as sd
        >>> sd.dlp.technologies()
        ['cacti_40nm', 'horowitz_45nm']
    """
    return _names("technologies")


@cache
def _names(folder):
    return sorted(
        entry.name[:-5]
        for entry in (files(__package__) / folder).iterdir()
        if entry.name.endswith(".yaml")
    )


def _load(cls, source, kind):
    folder = {"processor": "processors", "technology": "technologies"}[kind]
    if isinstance(source, str) and source in _names(folder):
        return _shipped(cls, folder, source)
    if isinstance(source, str | Path) and Path(source).is_file():
        return schema.read(cls, Path(source))
    raise SplitDeconvError(
        f"unknown {kind}",
        where=f"load_{kind}",
        expected=f"a YAML file, or one of {', '.join(_names(folder))}",
        got=shown(source if not isinstance(source, Path) else str(source)),
    )


def _rebuilt(record):
    """A record made in Python, its types checked as if it came from a file; NumPy's numbers become
    Python's.
    """
    return schema.build(
        type(record),
        {name: _plain(value) for name, value in vars(record).items()},
        str(record.name),
    )


def _plain(value):
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value


@cache
def _shipped(cls, folder, name):
    return schema.read(
        cls, files(__package__) / folder / f"{name}.yaml", where=f"{folder}/{name}.yaml"
    )


def _checked_processor(processor, where):
    allowed = (
        ("dot_product",)
        if processor.array == "dot_product"
        else ("output_stationary", "weight_stationary")
    )
    for index, flow in enumerate(processor.dataflows):
        _require(flow in allowed, f"dataflows.{index}", where, f"one of {', '.join(allowed)}", flow)
    _require(processor.dataflows, "dataflows", where, "at least one", "none")
    _require(
        "none" in processor.skipping,
        "skipping",
        where,
        "'none' among them",
        list(processor.skipping),
    )
    _numbers(processor, where)
    try:
        load_technology(processor.technology)
    except SplitDeconvError as error:
        raise SplitDeconvError(
            f"a data file does not fit: technology: {error.problem}",
            where=where,
            expected=error.expected,
            got=error.got,
            fix=error.fix,
        ) from None
    return processor


def _checked_technology(technology, where):
    _numbers(technology, where)
    for name in ("low", "high"):
        band = getattr(technology, name)
        _require(
            set(band) == set(PARTS), name, where, f"exactly {', '.join(PARTS)}", ", ".join(band)
        )
    for part in PARTS:
        _require(
            0 <= technology.low[part] <= 1, f"low.{part}", where, "0 to 1", technology.low[part]
        )
        _require(
            1 <= technology.high[part] < math.inf,
            f"high.{part}",
            where,
            "1 or more",
            technology.high[part],
        )
    sizes = [size for size, _ in technology.sram_pj]
    _require(
        len(sizes) > 1 and sizes == sorted(set(sizes)),
        "sram_pj",
        where,
        "two ascending sizes or more",
        sizes,
    )
    for index, pair in enumerate(technology.sram_pj):
        _require(
            all(0 < value < math.inf for value in pair),
            f"sram_pj.{index}",
            where,
            "positive numbers",
            pair,
        )
    _require(technology.mac_pj, "mac_pj", where, "at least one word length", "none")
    for bits, value in technology.mac_pj.items():
        _require(
            bits.isdigit() and 0 < value < math.inf,
            f"mac_pj.{bits}",
            where,
            "bits, and a positive number",
            value,
        )
    return technology


def _numbers(record, where):
    """Every number is positive and finite (leakage may be 0), and every quantity other than a
    default has an origin.
    """
    apart = ("dataflows", "skipping", "origins")
    values = {
        field.name: getattr(record, field.name)
        for field in fields(record)
        if field.name not in apart
    }
    defaults = {field.name: field.default for field in fields(record)}
    quantities = {
        name: value for name, value in values.items() if not isinstance(value, str | bool | None)
    }
    for name, value in quantities.items():
        if name.startswith("leakage"):
            _require(
                0 <= value <= _MOST,
                name,
                where,
                f"a positive number of at most {_MOST:g}, or 0",
                value,
            )
        elif isinstance(value, int | float):
            _require(
                1 / _MOST <= value <= _MOST,
                name,
                where,
                f"a positive number, 1/{_MOST:g} to {_MOST:g}",
                value,
            )
        sourced = record.origins.get(name) or value == defaults[name]
        _require(sourced, f"origins.{name}", where, "where the number comes from", "nothing")
    for name in record.origins:
        _require(
            name in quantities,
            f"origins.{name}",
            where,
            f"one of {', '.join(quantities)}",
            "an unknown key",
        )


def _require(condition, path, where, expected, got):
    if not condition:
        raise SplitDeconvError(
            f"a data file does not fit: {path}",
            where=where,
            expected=expected,
            got=shorten(got, 300) if isinstance(got, str) else shown(got),
        )
