"""What the equations of the model read of a processor, and the numbers that they work on."""

import re
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from ..core.typing import NumpyArray

#: One number, or one for each of many processors: an array of shape (K, 1).
Numbers: TypeAlias = float | NumpyArray
#: The same, whole numbers.
Counts: TypeAlias = int | NumpyArray
# Integers; floats with the exponents of IEEE 754 or similar; with the exponent of float32.
_NUMBER_TYPE = re.compile("(int|fp|bf)(?P<bits>[1-9][0-9]?)")


class MultiplierArray(Protocol):
    """What counts cycles needs: the fields of `Processor` of these names."""

    @property
    def rows(self) -> Counts: ...
    @property
    def cols(self) -> Counts: ...
    @property
    def dataflows(self) -> Sequence[str]: ...
    @property
    def skipping(self) -> Sequence[str]: ...


class Machine(MultiplierArray, Protocol):
    """A `Processor`, or many at once, which differ in their numbers; the fields are the same."""

    @property
    def peak(self) -> Counts: ...
    @property
    def clock_mhz(self) -> Numbers: ...
    @property
    def word_bits(self) -> int: ...
    @property
    def number_type(self) -> str | None: ...
    @property
    def accumulator_bits(self) -> Counts: ...
    @property
    def input_buffer_kib(self) -> Numbers: ...
    @property
    def weight_buffer_kib(self) -> Numbers: ...
    @property
    def output_buffer_kib(self) -> Numbers: ...
    @property
    def dram_gb_s(self) -> Numbers: ...
    @property
    def burst_bytes(self) -> Counts: ...
    @property
    def stripe_pixels(self) -> Counts: ...
    @property
    def strided_writes(self) -> bool: ...
    @property
    def sums(self) -> str: ...
    @property
    def zero_gating(self) -> bool: ...
    @property
    def technology(self) -> str: ...


def number_type(processor: Machine) -> str:
    """The type of activations and weights, such as "int8" or "bf16"."""
    return processor.number_type or f"int{processor.word_bits}"


def type_bits(name: str) -> int | None:
    """Bits of a number type, by its name; None if it is not the name of one."""
    parts = _NUMBER_TYPE.fullmatch(name)
    return int(parts["bits"]) if parts else None
