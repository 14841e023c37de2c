"""Processors and technologies as data: YAML files of this package or of the user's own.

Every value in such a file, a number or a policy, has its origin in `origins`, under the value's
key; the origin is "from memory" or "assumed" where no source could be checked.
"""

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from ..datafiles import schema
from ..errors import SplitDeconvError, shown, suggestion
from .checks import check_processor, check_technology

Dataflow = Literal["output_stationary", "weight_stationary", "input_stationary", "dot_product"]
Skip = Literal["none", "A", "W", "WA"]


@dataclass(frozen=True, kw_only=True)
class Processor:
    """One deep-learning processor.

    Args:
        name: what tables and errors call it.
        title: what it is, in a few words.
        array: how the multipliers are connected.
        rows: of a systolic array: output pixels if output stationary, else filter rows, the
            products of taps and input channels; of a dot-product array: multipliers per unit, that
            is, input channels.
        cols: columns of a systolic array: output channels, or pixels if input stationary; units of
            a dot-product array, that is, output channels.
        dataflows: the supported ones, the default first: "dot_product" on an array of that kind,
            the others on a systolic one.
        skipping: structural zeros that it can skip: "none", "A" (activations), "W" (weights), "WA".
        clock_mhz: clock of the array, in MHz.
        word_bits: width of an activation or a weight, in bits.
        number_type: of activations and weights: "int", "fp" or "bf" and their bits, such as "bf16";
            null for integers of word_bits.
        accumulator_bits: width of a partial sum, in bits.
        input_buffer_kib, weight_buffer_kib, output_buffer_kib: capacity of each, in KiB. One half
            is in use while the other half is filled or emptied.
        dram_gb_s: bandwidth of DRAM, in GB/s, 10^9 bytes per second.
        burst_bytes: size of a DRAM burst, in bytes. DRAM moves whole bursts, so that a shorter
            piece costs as much as one.
        stripe_pixels: output pixels for which a dot-product array keeps weights in its multipliers.
        strided_writes: whether it can write every s-th pixel; if not, interleaving is one more pass
            through DRAM.
        sums: where partial sums may go that the array cannot keep: "array" (nowhere), "buffer" (the
            output buffer), "dram" (on to DRAM if that is full).
        zero_gating: whether multiplications by a zero activation or weight are issued but cost no
            energy.
        native: "zero_insertion" if it runs transposed convolutions, as NZP with zeros made on the
            fly; null if not.
        technology: energy profile: one of `technologies()`, or the path of a file, from the folder
            of the processor's own file or from the current one.
        origins: the source of each entry above but name, title and technology; defaults need none.

    Example:
        >>> import splitdeconv as sd
        >>> from dataclasses import replace
        >>> wide = replace(sd.dlp.load_processor("pe_array_32x7"), name="wide", cols=14)
        >>> wide.rows, wide.cols, wide.dataflows
        (32, 14, ('output_stationary', 'weight_stationary', 'input_stationary'))
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
    number_type: str | None = None
    accumulator_bits: int
    input_buffer_kib: float
    weight_buffer_kib: float
    output_buffer_kib: float
    dram_gb_s: float
    burst_bytes: int
    stripe_pixels: int = 1
    strided_writes: bool
    sums: Literal["array", "buffer", "dram"] = "buffer"
    zero_gating: bool
    native: Literal["zero_insertion"] | None
    technology: str
    origins: dict[str, str]

    @property
    def peak(self) -> int:
        """Multiply-accumulates per cycle."""
        return self.rows * self.cols


@dataclass(frozen=True, kw_only=True)
class Technology:
    """Energy of each kind of event in one manufacturing process.

    Args:
        name, title: what it is called, and in full.
        node_nm: feature size.
        mac_pj: of one multiply-accumulate, by the number type of its operands, such as "int8" or
            "bf16"; the sum has 32 bits, an integer's or a float's.
        register_pj: of reading or writing 8 bits of a register file.
        sram_pj: of reading or writing 64 bits of a memory, as pairs (KiB, pJ), ascending; between
            and beyond them straight lines in the logarithms.
        dram_pj: of moving 64 bits.
        leakage_uw_per_kib, leakage_uw_per_mac: microwatts per KiB of buffers and per multiplier, at
            all times.
        mac_um2: area of one multiplier with its adder, by number type, in square micrometres.
        register_um2_per_bit, sram_um2_per_kib: area of registers and of buffers.
        low, high: factors on mac, register, buffer, dram, leakage and area: the band within which
            they are known.
        origins: the source of each entry above but name and title.

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
    mac_um2: dict[str, float]
    register_um2_per_bit: float
    sram_um2_per_kib: float
    low: dict[str, float]
    high: dict[str, float]
    origins: dict[str, str]


#: What a processor or a technology is given as: a name, the path of a file, or a record.
ProcessorLike: TypeAlias = str | Path | Processor
TechnologyLike: TypeAlias = str | Path | Technology
_Record = TypeVar("_Record", Processor, Technology)


def load_processor(source: ProcessorLike) -> Processor:
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
        processor, where = _rebuilt(source), source.name
    else:
        processor, where = _beside(_load(Processor, source, "processor"), source), str(source)
    check_processor(processor, where)
    try:
        load_technology(processor.technology)
    except SplitDeconvError as error:
        raise SplitDeconvError(
            f"invalid value of technology: {error.problem}",
            where=where,
            expected=error.expected,
            got=error.got,
            fix=error.fix,
        ) from None
    return processor


def load_technology(source: TechnologyLike) -> Technology:
    """An energy profile; as `load_processor`.

    Example:
        >>> import splitdeconv as sd
        >>> sd.dlp.load_technology("cacti_40nm").node_nm
        40
    """
    if isinstance(source, Technology):
        technology, where = _rebuilt(source), source.name
    else:
        technology, where = _load(Technology, source, "technology"), str(source)
    check_technology(technology, where)
    return technology


def processors() -> list[str]:
    """Names of the processors that come with the library.

    Example:
        >>> import splitdeconv as sd
        >>> "pe_array_32x7" in sd.dlp.processors()
        True
    """
    return _names("processors")


def technologies() -> list[str]:
    """Names of the technologies that come with the library.

    Example:
        >>> import splitdeconv as sd
        >>> "cacti_40nm" in sd.dlp.technologies()
        True
    """
    return _names("technologies")


@cache
def _names(folder: str) -> list[str]:
    return sorted(
        entry.name[:-5]
        for entry in (files(__package__) / folder).iterdir()
        if entry.name.endswith(".yaml")
    )


def _load(cls: type[_Record], source: str | Path, kind: str) -> _Record:
    folder = {"processor": "processors", "technology": "technologies"}[kind]
    if isinstance(source, str) and source in _names(folder):
        return _shipped(cls, folder, source)  # type: ignore[arg-type]  # of a class, not a record
    if isinstance(source, str | Path) and Path(source).is_file():
        return schema.read(cls, Path(source))
    known, given = _names(folder), str(source) if isinstance(source, Path) else source
    raise SplitDeconvError(
        f"there is no such {kind} or file",
        where=kind,
        expected=f"the path of an existing .yaml file, or one of {', '.join(known)}",
        got=shown(given),
        fix=suggestion(given, known),
    )


def _beside(processor: Processor, source: str | Path) -> Processor:
    """The processor of a file; the technology that lies beside it, by its path from here."""
    path = Path(source).parent / processor.technology
    shipped = source in _names("processors") or processor.technology in _names("technologies")
    return processor if shipped or not path.is_file() else replace(processor, technology=str(path))


def _rebuilt(record: _Record) -> _Record:
    """A record made in Python, checked as one from a file; NumPy's numbers become Python's."""
    plain = {name: _plain(value) for name, value in vars(record).items()}
    return schema.build(type(record), plain, str(record.name))


def _plain(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value


@cache
def _shipped(cls: Any, folder: str, name: str) -> Any:
    file = f"{name}.yaml"
    return schema.read(cls, files(__package__) / folder / file, where=f"{folder}/{file}")
