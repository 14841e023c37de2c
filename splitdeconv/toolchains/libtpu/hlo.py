"""What XLA's TPU compiler says of each operation of a compiled program, read out of the program's text.

The compiler writes an estimate in cycles beside most operations of the entry computation. Some have none: those that
move nothing (a bitcast), those that overlap with others (asynchronous copies), and some that do move data, reshapes
above all. A sum over what is estimated is therefore a lower bound wherever one of the last kind is left.
"""

import re
from math import prod
from typing import Any

import pandas as pd

from ...errors import SplitDeconvError

COLUMNS = ("name", "opcode", "shape", "bytes", "cycles", "kind")
#: What `summary` tells.
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
FREE = ("parameter", "constant", "bitcast", "tuple", "get-tuple-element", "after-all", "partition-id", "replica-id")
#: Custom calls that cost nothing: names for memory that is there already.
FREE_CALLS = ("AllocateBuffer", "ConcatBitcast")
_BITS = {"pred": 8, "bf16": 16, "c64": 64, "c128": 128}
_LINE = re.compile(r"\s+(?:ROOT )?%?(?P<name>[\w.-]+) = (?P<shape>\(.*?\)(?= [\w-]+\()|\S+) (?P<opcode>[\w-]+)\(")
_ARRAY = re.compile(r"\b([a-z]+\d*[a-z0-9]*)\[([\d,]*)\]")
_ESTIMATE = re.compile(r'"estimated_cycles":"(\d+)"')


def operations(text) -> pd.DataFrame:
    """The operations of a program's entry computation, in the order in which they run.

    Args:
        text: a compiled program's text, as ``Compiled.as_text()`` of JAX returns it.

    Returns:
        DataFrame of `COLUMNS`: ``bytes`` of the result without a layout's padding; ``cycles`` estimated, NaN where the
        compiler says nothing; ``kind`` "convolution" (or a fusion around one), "asynchronous", or "other". Operations
        that cost nothing (`FREE`, `FREE_CALLS`) are left out.

    Raises:
        SplitDeconvError: the text has no entry computation, an operation that is not understood, or not one estimate.
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
        if match["opcode"] not in FREE and not any(f'custom_call_target="{call}"' in line for call in FREE_CALLS):
            estimate = _ESTIMATE.search(line)
            cycles = float(estimate[1]) if estimate else float("nan")
            shape = re.sub(r"\{.*?\}", "", match["shape"])
            rows.append((match["name"], match["opcode"], shape, _bytes(shape), cycles, _kind(match, line, bodies)))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if len(table) and table["cycles"].isna().all():
        raise _unknown("at least one estimate in cycles", f"{len(table)} operations without")
    return table


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """What a program costs in all.

    Args:
        table: what `operations` returned.

    Returns:
        ``cycles``: the sum of the estimates; ``convolution_cycles``: those of convolutions alone; ``lower_bound``:
        whether something that moves data has no estimate; ``unestimated``: all operations without one, in words, and
        ``unestimated_bytes``: what those of them write that run by themselves; ``asynchronous_bytes``: what is copied
        beside the computation (weights, above all), whose time no estimate holds; ``slowest``: the greatest cycles per
        byte of any copy of at least 64 KiB that has an estimate (NaN if there is none), a measure of what the others
        may cost.
    """
    silent = table[table["cycles"].isna()]
    alone = silent[silent["kind"] != "asynchronous"]
    copies = table[table["opcode"].isin(["copy", "transpose", "reshape"]) & (table["bytes"] >= 2**16)]
    return {
        "cycles": table["cycles"].sum(),
        "convolution_cycles": table.loc[table["kind"] == "convolution", "cycles"].sum(),
        "lower_bound": len(alone) > 0,
        "unestimated": ", ".join(f"{n} {opcode}" for opcode, n in silent["opcode"].value_counts(sort=False).items()),
        "unestimated_bytes": int(alone["bytes"].sum()),
        "asynchronous_bytes": int(silent.loc[silent["opcode"].str.endswith("-done"), "bytes"].sum()),
        "slowest": (copies["cycles"] / copies["bytes"]).max(),
    }


def _kind(match, line, bodies):
    if match["opcode"].endswith(("-start", "-done", "-update")):
        return "asynchronous"
    called = re.search(r"calls=%?([\w.-]+)", line)
    inside = bodies.get(called[1], "") if called else ""
    return "convolution" if match["opcode"] == "convolution" or " convolution(" in inside else "other"


def _bytes(shape):
    """Bytes of an array, or of all arrays of a tuple."""
    return sum(_bits(name) * prod(int(n) for n in sizes.split(",") if n) for name, sizes in _ARRAY.findall(shape)) // 8


def _bits(name):
    """Bits of an element; none of what has no size, such as a token."""
    size = re.search(r"\d+", name)
    return _BITS.get(name) or (int(size[0]) if size else 0)


def _unknown(expected: str, got: object) -> SplitDeconvError:
    return SplitDeconvError(
        "the compiler's output is not understood",
        where="the compiled program",
        expected=expected,
        got=repr(got),
        fix="install versions that are known here: pip install 'splitdeconv[tpu]'",
    )
