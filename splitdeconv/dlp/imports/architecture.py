"""What a reader finds in another tool's file, and the list of all that it had to refuse.

This model has two shapes of array, one buffer for each operand, and one DRAM. A file that describes
anything else would be answered for another machine, so that it is refused. The reader goes on after
each refusal: one error then names all of them.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import SplitDeconvError, shorten, shown, suggestion

#: The operands, in the order of the buffers' names.
OPERANDS = ("input", "weight", "output")
# Characters of a detail that an error shows in full.
_LONGEST = 1000


@dataclass
class Costs:
    """Energies of an architecture, in pJ; all that are given for one kind of event.

    Args:
        mac: of a multiply-accumulate.
        register: of one bit of a register, read or written.
        buffer: of one bit of each buffer, by operand.
        dram: of one bit.
        mac_um2: area of a multiplier; None if the file has none.
        others: further values of a `Technology`, by field.
        origins: of each, by field of `Technology`.
    """

    mac: float
    register: list[float]
    buffer: dict[str, list[float]]
    dram: list[float]
    mac_um2: float | None = None
    others: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)


@dataclass
class Architecture:
    """What a file says of a processor.

    Args:
        values: fields of `Processor`.
        origins: of each.
        dram_bits_per_cycle: bandwidth, where the file counts in cycles; else None.
        costs: energies; None if the file has none.
    """

    values: dict[str, Any]
    origins: dict[str, str]
    dram_bits_per_cycle: float | None
    costs: Costs | None


class Reader:
    """Reads plain values, and collects what is refused.

    Args:
        where: the path of the file.
        tool: what the file is of.
    """

    def __init__(self, where: str, tool: str) -> None:
        self.where, self.tool, self.file = where, tool, Path(where).name
        self.refusals: dict[tuple[str, str], None] = {}

    def origin(self, *keys: str) -> str:
        """Where a value is from."""
        return f"from {self.file}, key {', '.join(keys)}"

    def refuse(self, path: str, why: str) -> None:
        """Add what cannot be taken over, by its dotted path, and why."""
        self.refusals[shorten(path, 80), why] = None

    def finish(self) -> None:
        """End here if anything was refused.

        Raises:
            SplitDeconvError: all that was refused.
        """
        if self.refusals:
            count = len(self.refusals)
            got = "; ".join(f"{path}: {why}" for path, why in self.refusals)
            if len(got) > _LONGEST:  # names alone, so that all are there
                got = ", ".join(dict.fromkeys(path for path, _ in self.refusals))
            raise SplitDeconvError(
                f"the model has no such architecture: {count} "
                f"{'entry of it does' if count == 1 else 'entries of it do'} not fit",
                where=shorten(self.where, 200),
                expected=f"of {self.tool}: a two-dimensional array, a register of one word per "
                "operand in each element, one buffer per operand, and DRAM",
                got=got,
                fix="change these entries, or describe the processor by hand, from "
                "splitdeconv processor --template",
            )

    def mapping(self, data: Any, path: str, known: Collection[str]) -> dict[str, Any]:
        """A mapping with its `known` keys; others are refused by name."""
        if not isinstance(data, dict):
            self.refuse(path or "the file", f"expected a mapping, got {shown(data, 60)}")
            return {}
        for key in data:
            if key not in known:
                hint = suggestion(key, known)
                self.refuse(join(path, key), f"unknown key{f', {hint}' if hint else ''}")
        return {key: value for key, value in data.items() if key in known}

    def items(self, data: Any, path: str) -> list[Any]:
        """A list."""
        if isinstance(data, list):
            return data
        self.refuse(path, f"expected a list, got {shown(data, 60)}")
        return []

    def texts(self, data: Any, path: str, known: Collection[str]) -> list[str]:
        """A list of `known` texts."""
        given = self.items(data, path)
        for value in given:
            if not isinstance(value, str) or value not in known:
                self.refuse(path, f"expected {' or '.join(known)}, got {shown(value, 60)}")
        return [value for value in given if isinstance(value, str) and value in known]

    def number(self, data: dict[str, Any], key: str, path: str, *, least: float = 0) -> float:
        """A finite number of at least `least`; 1, after a refusal."""
        value = data.get(key)
        kind = "a number above 0" if least > 0 else "a number of 0 or more"
        if key not in data:
            self.refuse(join(path, key), f"missing, expected {kind}")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(join(path, key), f"expected {kind}, got {shown(value, 60)}")
        elif not max(least, 0) <= value <= 1e15:
            self.refuse(join(path, key), f"expected {kind}, at most 1e15, got {shown(value, 60)}")
        else:
            return float(value)
        return 1.0

    def whole(self, data: dict[str, Any], key: str, path: str) -> int:
        """A whole number of at least 1; 1, after a refusal."""
        value = self.number(data, key, path, least=1)
        if value != math.floor(value):
            self.refuse(join(path, key), f"expected a whole number, got {value}")
        return int(value)

    def fixed(self, data: dict[str, Any], allowed: dict[str, tuple[Any, ...]], path: str) -> None:
        """Refuse keys whose value is not one of those that mean what this model does."""
        for key, values in allowed.items():
            if key in data and not any(same(data[key], value) for value in values):
                expected = " or ".join(shown(value, 40) for value in values)
                self.refuse(join(path, key), f"expected {expected}, got {shown(data[key], 60)}")


def words_per_cycle(flow: str | None, rows: int, cols: int) -> dict[str, int]:
    """Words that an array takes from, or gives to, each buffer in a cycle.

    Inputs enter at the rows and weights at the columns; if inputs stay, the other way round.
    Without a dataflow it is the least that any has.
    """
    if flow is None:
        return dict.fromkeys(OPERANDS, min(rows, cols))
    if flow == "input_stationary":
        return {"input": cols, "weight": rows, "output": cols}
    return {"input": rows, "weight": cols, "output": cols}


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal; 1 is not true."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def join(path: str, key: object) -> str:
    """A dotted path."""
    return f"{path}.{key}" if path else f"{key}"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names) or "nothing"
