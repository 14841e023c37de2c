"""What `edgetpu_compiler` prints: totals, where each operator runs and why, or why it failed."""

import re
from typing import Any

import pandas as pd

from ...errors import SplitDeconvError

COMPILER = "edgetpu_compiler"
MAPPED = "Mapped to Edge TPU"
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_COUNT = r"(\d{1,15})"  # Python refuses to read numbers of any length
_SIZE = r"(\d{1,15}(?:\.\d{1,15})?)([KMG]iB|B)\b"
TOTALS = {  # what the compiler prints behind each text
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
# What it says when it fails, the most telling first.
_FAILURES = (
    r"^ERROR: (.+)$",
    r"^(Compilation failed: .+)$",
    r"^(Internal compiler error.*)$",
    r"^(Invalid model: .+)$",
    r"^(Compilation failed!)",
)


def parse(text: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """Read what `edgetpu_compiler -s` prints.

    Args:
        text: its output, of any version.

    Returns:
        (dict of totals: ``compiler`` (version), ``compiled_ms``, sizes in bytes, ``subgraphs``, ``operations``,
        ``mapped`` and ``unmapped``, each None where it is not stated; DataFrame ``operator, count, mapped, status``,
        where the status of what is not mapped is the compiler's reason).

    Raises:
        SplitDeconvError: the compiler says that it failed, with its reason, or says nothing that is known.
    """
    version = re.search(r"Edge TPU Compiler version (\S+)", text)
    if not re.search(TOTALS["compiled_ms"], text):
        lines = text.strip().splitlines()
        raise SplitDeconvError(
            failure(text) or f"{COMPILER} printed neither a result nor an error of a known format",
            where=f"what {COMPILER} printed",
            expected="Model compiled successfully in N ms",
            got=lines[-1] if lines else "nothing",
            fix="compile the file by hand for all that it says; version 16.0 is known here",
        )
    found = {name: re.search(pattern, text) for name, pattern in TOTALS.items()}
    totals = {name: match and _number(*match.groups()) for name, match in found.items()}
    header = _HEADER.search(text)
    rows = [(*row, said.rstrip()) for *row, said in _ROW.findall(text, header.end())] if header else []
    table = pd.DataFrame(
        [(name, int(count), status == MAPPED, status) for name, count, status in rows],
        columns=["operator", "count", "mapped", "status"],
    )
    # Where everything is mapped it prints no totals; a table that lacks a row must not pass for that.
    if table["count"].sum() == totals["operations"]:
        for name, part in (("mapped", table["mapped"]), ("unmapped", ~table["mapped"])):
            totals[name] = int(table.loc[part, "count"].sum()) if totals[name] is None else totals[name]
    return {"compiler": version and version[1], **totals}, table


def failure(text: str) -> str | None:
    """What the compiler says of its failure in `text`, or None."""
    found = (re.search(failure, text, re.MULTILINE) for failure in _FAILURES)
    return next((f"{COMPILER}: {match[1].strip()}" for match in found if match), None)


def _number(value: str, unit: str | None = None) -> int:
    return int(value) if unit is None else round(float(value) * _UNITS[unit])
