"""What a model's integer inputs are: lengths, or what is looked up in a table of so many rows.

Tokens that are 0 and 1 alone reach two rows of an embedding, and tell little about what comes of it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ...formats.format import Format
from ...formats.port import Input


def described(format: Format, model: Any, ports: Iterable[Input]) -> list[Input]:
    """A model's inputs, with `rows` where an input is looked up in a table, and `lengths` where it holds such.

    Args:
        format: the model's.
        model: as the format's `load` takes it.
        ports: its inputs.
    """
    ports = list(ports)
    kinds = "iuf" if format.float_tokens else "iu"
    if not any(port.dtype is not None and port.dtype.kind in kinds and not port.quantized for port in ports):
        return ports
    rows: dict[str, int] = {}
    for name, count in format.tables(model):
        rows[name] = min(count, rows.get(name, count))
    lengths = set(format.lengths(model))
    return [replace(port, rows=rows.get(port.name), lengths=port.name in lengths) for port in ports]
