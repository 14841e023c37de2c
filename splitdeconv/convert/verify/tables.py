"""Find out what a model's integer inputs mean: lengths, or indices into a table.

Inputs of only 0 and 1 would read two rows of an embedding table and test little of the model.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ...formats.format import Format
from ...formats.port import Input


def described(format: Format, model: Any, ports: Iterable[Input]) -> list[Input]:
    """Add `rows` to inputs that index a table and `lengths` to inputs that hold lengths.

    Args:
        format: the format of the model.
        model: the model, as accepted by the format's `load`.
        ports: the inputs of the model.
    """
    ports = list(ports)
    kinds = "iuf" if format.float_tokens else "iu"
    if not any(
        port.dtype is not None and port.dtype.kind in kinds and not port.quantized for port in ports
    ):
        return ports
    rows: dict[str, int] = {}
    for name, count in format.tables(model):
        rows[name] = min(count, rows.get(name, count))
    lengths = set(format.lengths(model))
    return [replace(port, rows=rows.get(port.name), lengths=port.name in lengths) for port in ports]
