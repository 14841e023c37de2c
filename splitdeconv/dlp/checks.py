"""What the values of a processor or technology must be, beyond their types."""

import math
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import SplitDeconvError, shorten, shown
from .machine import type_bits

if TYPE_CHECKING:
    from .processor import Processor, Technology

#: The parts of the energy.
PARTS = ("mac", "register", "buffer", "dram", "leakage")
# What has a band.
_BANDED = (*PARTS, "area")
# Beyond any real machine; results computed from it stay within 64 bits.
_MOST = 1e9
# What a record is called, and what is described elsewhere.
_WITHOUT_ORIGIN = ("name", "title", "technology", "origins")
#: Refuses the value at a dotted path unless a condition holds: (condition, path, expected, got).
_Require: TypeAlias = Callable[[object, str, str, object], None]


def check_processor(processor: "Processor", where: str) -> None:
    """Refuse dataflows that the array does not have, numbers out of range, and missing origins.

    Args:
        processor: what was read.
        where: the name of the file or record in an error.

    Raises:
        SplitDeconvError: a value that does not fit, by its dotted path.
    """
    require = partial(_require, where)
    allowed: tuple[str, ...] = ("output_stationary", "weight_stationary", "input_stationary")
    if processor.array == "dot_product":
        allowed = ("dot_product",)
    for index, flow in enumerate(processor.dataflows):
        require(flow in allowed, f"dataflows.{index}", f"one of {', '.join(allowed)}", flow)
    require(processor.dataflows, "dataflows", "at least one", "none")
    skipping = list(processor.skipping)
    require("none" in skipping, "skipping", "'none' among them", skipping)
    _check_values(processor, require, where)
    name, bits = processor.number_type, processor.word_bits
    expected = f"'int{bits}', 'fp{bits}' or 'bf{bits}', of as many bits as word_bits, or null"
    require(name is None or type_bits(name) == bits, "number_type", expected, name)


def check_technology(technology: "Technology", where: str) -> None:
    """Refuse energies out of range, bands that do not cover them, and missing origins.

    Args:
        technology: what was read.
        where: the name of the file or record in an error.

    Raises:
        SplitDeconvError: a value that does not fit, by its dotted path.
    """
    require = partial(_require, where)
    _check_values(technology, require, where)
    low, high = technology.low, technology.high
    for name, band in (("low", low), ("high", high)):
        require(set(band) == set(_BANDED), name, f"exactly {', '.join(_BANDED)}", ", ".join(band))
    for part in _BANDED:
        require(0 <= low[part] <= 1, f"low.{part}", "0 to 1", low[part])
        require(1 <= high[part] < math.inf, f"high.{part}", "1 or more", high[part])
    sizes = [size for size, _ in technology.sram_pj]
    ascending = len(sizes) > 1 and sizes == sorted(set(sizes))
    require(ascending, "sram_pj", "two ascending sizes or more", sizes)
    for index, pair in enumerate(technology.sram_pj):
        positive = all(0 < value < math.inf for value in pair)
        require(positive, f"sram_pj.{index}", "positive numbers", pair)
    expected = "a number type such as int8, fp16 or bf16, and a positive number"
    for key in ("mac_pj", "mac_um2"):
        require(getattr(technology, key), key, "at least one number type", "none")
        for name, value in getattr(technology, key).items():
            fits = type_bits(name) is not None and 0 < value < math.inf
            require(fits, f"{key}.{name}", expected, value)


def _check_values(record: "Processor | Technology", require: _Require, where: str) -> None:
    """Numbers are positive and finite (leakage may be 0); all but defaults have an origin."""
    values: dict[str, Any] = {
        field.name: getattr(record, field.name)
        for field in fields(record)
        if field.name not in _WITHOUT_ORIGIN
    }
    defaults = {field.name: field.default for field in fields(record)}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if name.startswith("leakage"):
            expected = f"a positive number of at most {_MOST:,.0f}, or 0"
            require(0 <= value <= _MOST, name, expected, value)
        else:
            require(1 / _MOST <= value <= _MOST, name, _bounds(value), value)
    missing = [
        name
        for name, value in values.items()
        if not record.origins.get(name, "").strip() and value != defaults[name]
    ]
    if missing:
        raise SplitDeconvError(
            f"values without an origin: {', '.join(missing)}",
            where=where,
            expected="an entry under origins for each, which says where it comes from, or "
            "'assumed: ...'",
            got=f"origins of {', '.join(record.origins) or 'none'}",
        )
    for name in record.origins:
        expected = f"one of {', '.join(values)}"
        require(name in values, f"origins.{name}", expected, "a key that needs no origin")


def _bounds(value: float) -> str:
    """What a number must be instead of `value`."""
    if value > _MOST:
        return f"at most {_MOST:,.0f}"
    return (
        "an integer of at least 1"
        if isinstance(value, int)
        else f"a positive number, {1 / _MOST:g} or more"
    )


def _require(where: str, condition: object, path: str, expected: str, got: object) -> None:
    if not condition:
        raise SplitDeconvError(
            f"invalid value of {path}",
            where=where,
            expected=expected,
            got=shorten(got, 300) if got and isinstance(got, str) else shown(got),
        )
