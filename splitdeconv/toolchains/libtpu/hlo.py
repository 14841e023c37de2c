"""Read the cycle estimates of XLA's TPU compiler from the text of a compiled program.

The compiler annotates most operations of the entry computation with an estimate in cycles. Some
have none: those that move no data (a bitcast), those that overlap with others (asynchronous
copies), and some that do move data, mainly reshapes. If any of the latter remain, the sum of the
estimates is only a lower bound.
"""

import re
from collections.abc import Mapping
from math import prod
from typing import Any

import pandas as pd

from ...errors import SplitDeconvError

COLUMNS = ("name", "opcode", "shape", "bytes", "cycles", "kind")
#: The keys of `summary`.
TOTALS = (
    "cycles",
    "convolution_cycles",
    "lower_bound",
    "unestimated",
    "unestimated_bytes",
    "asynchronous_bytes",
    "slowest",
)
#: Operations that cost nothing when the program runs.
FREE = (
    "parameter",
    "constant",
    "bitcast",
    "tuple",
    "get-tuple-element",
    "after-all",
    "partition-id",
    "replica-id",
)
#: Custom calls that cost nothing: names for existing memory.
FREE_CALLS = ("AllocateBuffer", "ConcatBitcast")
_BITS = {"pred": 8, "bf16": 16, "c64": 64, "c128": 128}
_LINE = re.compile(
    r"\s+(?:ROOT )?%?(?P<name>[\w.-]+) = (?P<shape>\(.*?\)(?= [\w-]+\()|\S+) (?P<opcode>[\w-]+)\("
)
_ARRAY = re.compile(r"\b([a-z]+\d*[a-z0-9]*)\[([\d,]*)\]")
_ESTIMATE = re.compile(r'"estimated_cycles":"(\d+)"')


def operations(text: str) -> pd.DataFrame:
    """The operations of a program's entry computation, in order of execution.

    Args:
        text: the text of a compiled program, as returned by ``Compiled.as_text()`` of JAX.

    Returns:
        DataFrame of `COLUMNS`: ``bytes`` of the result without padding by the layout; estimated
        ``cycles``, NaN without an estimate; ``kind`` "convolution" (or a fusion around one),
        "asynchronous", or "other". Operations that cost nothing (`FREE`, `FREE_CALLS`) are omitted.

    Raises:
        SplitDeconvError: the text has no entry computation, an operation that cannot be parsed, or
            no estimate at all.
    """
    bodies = dict(re.findall(r"^%?([\w.-]+) \(.*?\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))
    entry = re.search(r"^ENTRY [^\n]*\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    if entry is None:
        raise _unknown("an ENTRY computation", text[:80])
    rows = []
    for line in filter(str.strip, entry[1].splitlines()):
        match = _LINE.match(line)
        if match is None:
            raise _unknown("lines 'name = shape operation(...)'", line.strip()[:80])
        if match["opcode"] not in FREE and not any(
            f'custom_call_target="{call}"' in line for call in FREE_CALLS
        ):
            estimate = _ESTIMATE.search(line)
            cycles = float(estimate[1]) if estimate else float("nan")
            shape = re.sub(r"\{.*?\}", "", match["shape"])
            rows.append(
                (
                    match["name"],
                    match["opcode"],
                    shape,
                    _bytes(shape),
                    cycles,
                    _kind(match, line, bodies),
                )
            )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if len(table) and table["cycles"].isna().all():
        raise _unknown("at least one estimate in cycles", f"{len(table)} operations without")
    return table


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """The total cost of a program.

    Args:
        table: the result of `operations`.

    Returns:
        ``cycles``: the sum of the estimates; ``convolution_cycles``: the sum for convolutions only;
        ``lower_bound``: whether an operation that moves data has no estimate; ``unestimated``: all
        operations without an estimate, in words; ``unestimated_bytes``: the bytes that those of
        them write that are not asynchronous; ``asynchronous_bytes``: the bytes that are copied in
        parallel with the computation (mainly weights), which no estimate includes; ``slowest``: the
        greatest number of cycles per byte of any copy of at least 64 KiB with an estimate (NaN if
        there is none), which indicates what the others may cost.
    """
    silent = table[table["cycles"].isna()]
    alone = silent[silent["kind"] != "asynchronous"]
    copies = table[table["opcode"].isin(["copy", "transpose", "reshape"])]
    copies = copies[copies["bytes"] >= 2**16]
    counts = silent["opcode"].value_counts(sort=False)
    done = silent["opcode"].str.endswith("-done")
    return {
        "cycles": table["cycles"].sum(),
        "convolution_cycles": table.loc[table["kind"] == "convolution", "cycles"].sum(),
        "lower_bound": len(alone) > 0,
        "unestimated": ", ".join(f"{n} {opcode}" for opcode, n in counts.items()),
        "unestimated_bytes": int(alone["bytes"].sum()),
        "asynchronous_bytes": int(silent.loc[done, "bytes"].sum()),
        "slowest": (copies["cycles"] / copies["bytes"]).max(),
    }


def _kind(match: re.Match[str], line: str, bodies: Mapping[str, str]) -> str:
    if match["opcode"].endswith(("-start", "-done", "-update")):
        return "asynchronous"
    called = re.search(r"calls=%?([\w.-]+)", line)
    inside = bodies.get(called[1], "") if called else ""
    convolves = match["opcode"] == "convolution" or " convolution(" in inside
    return "convolution" if convolves else "other"


def _bytes(shape: str) -> int:
    """Bytes of an array, or of all arrays in a tuple."""
    bits = 0
    for name, sizes in _ARRAY.findall(shape):
        bits += _bits(name) * prod(int(n) for n in sizes.split(",") if n)
    return bits // 8


def _bits(name: str) -> int:
    """Bits of an element; 0 for types without a size, such as a token."""
    size = re.search(r"\d+", name)
    return _BITS.get(name) or (int(size[0]) if size else 0)


def _unknown(expected: str, got: object) -> SplitDeconvError:
    return SplitDeconvError(
        "the compiler's output cannot be parsed",
        where="the compiled program",
        expected=expected,
        got=repr(got),
        fix="install supported versions: pip install 'splitdeconv[tpu]'",
    )
