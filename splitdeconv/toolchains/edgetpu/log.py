"""Parse the output of `edgetpu_compiler`: totals, where each operator runs and why, or errors."""

import re
from typing import Any

import pandas as pd

from ...errors import SplitDeconvError

COMPILER = "edgetpu_compiler"
MAPPED = "Mapped to Edge TPU"
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_COUNT = r"(\d{1,15})"  # bounded, because Python refuses to parse very long numbers
_SIZE = r"(\d{1,15}(?:\.\d{1,15})?)([KMG]iB|B)\b"
TOTALS = {  # the values that the compiler prints after each text
    "compiled_ms": rf"Model compiled successfully in {_COUNT} ms",
    "input_bytes": rf"Input size: {_SIZE}",
    "output_bytes": rf"Output size: {_SIZE}",
    "on_chip_bytes": rf"On-chip memory used for caching model parameters: {_SIZE}",
    "on_chip_left_bytes": rf"On-chip memory remaining for caching model parameters: {_SIZE}",
    "off_chip_bytes": rf"Off-chip memory used for streaming uncached model parameters: {_SIZE}",
    "subgraphs": rf"Number of Edge TPU subgraphs: {_COUNT}\b",
    "operations": rf"Total number of operations: {_COUNT}\b",
    "mapped": rf"Number of operations that will run on Edge TPU: {_COUNT}\b",
    "unmapped": rf"Number of operations that will run on CPU: {_COUNT}\b",
}
_HEADER = re.compile(r"^Operator[ \t]+Count[ \t]+Status[ \t]*$", re.MULTILINE)
_ROW = re.compile(rf"^([A-Za-z][\w-]*)[ \t]+{_COUNT}[ \t]+(\S.*)$", re.MULTILINE)
# Messages of a failed compilation, the most specific first.
_FAILURES = (
    r"^ERROR: (.+)$",
    r"^(Compilation failed: .+)$",
    r"^(Internal compiler error.*)$",
    r"^(Invalid model: .+)$",
    r"^(Compilation failed!)",
)


def parse(text: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """Parse the output of `edgetpu_compiler -s`.

    Args:
        text: the output of any version.

    Returns:
        (dict of totals: ``compiler`` (version), ``compiled_ms``, sizes in bytes, ``subgraphs``,
        ``operations``, ``mapped`` and ``unmapped``, each None if it is not stated; DataFrame
        ``operator, count, mapped, status``, where the status of an operator that is not mapped is
        the compiler's reason).

    Raises:
        SplitDeconvError: the compiler failed, with its reason, or its output is not recognised.
    """
    version = re.search(r"Edge TPU Compiler version (\S+)", text)
    if not re.search(TOTALS["compiled_ms"], text):
        lines = text.strip().splitlines()
        raise SplitDeconvError(
            failure(text) or f"{COMPILER} printed neither a result nor an error in a known format",
            where=f"the output of {COMPILER}",
            expected="Model compiled successfully in N ms",
            got=lines[-1] if lines else "nothing",
            fix="compile the file by hand to see all messages; version 16.0 is supported",
        )
    matches = {name: re.search(pattern, text) for name, pattern in TOTALS.items()}
    totals = {name: match and _number(*match.groups()) for name, match in matches.items()}
    header = _HEADER.search(text)
    rows = (
        [(*row, status.rstrip()) for *row, status in _ROW.findall(text, header.end())]
        if header
        else []
    )
    table = pd.DataFrame(
        [(name, int(count), status == MAPPED, status) for name, count, status in rows],
        columns=["operator", "count", "mapped", "status"],
    )
    # The compiler prints no totals if everything is mapped, but a table that lacks a row must not
    # be mistaken for that case.
    if table["count"].sum() == totals["operations"]:
        for name, part in (("mapped", table["mapped"]), ("unmapped", ~table["mapped"])):
            totals[name] = (
                int(table.loc[part, "count"].sum()) if totals[name] is None else totals[name]
            )
    return {"compiler": version and version[1], **totals}, table


def failure(text: str) -> str | None:
    """The compiler's error message in `text`, or None."""
    matches = (re.search(failure, text, re.MULTILINE) for failure in _FAILURES)
    return next((f"{COMPILER}: {match[1].strip()}" for match in matches if match), None)


def _number(value: str, unit: str | None = None) -> int:
    return int(value) if unit is None else round(float(value) * _UNITS[unit])
