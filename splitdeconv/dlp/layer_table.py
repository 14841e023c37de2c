"""Rows of sizes into a table of layers: missing values are computed, given values are checked.

The columns are those of `splitdeconv.core.layer`. Each layer needs name, kind, in_h, in_w, c_in and
c_out; kernel, strides, dilations and groups are 1 where they are missing; outputs and
multiply-accumulates are computed. The padding of a layer is required: as `padding` ("SAME" or
"VALID"), or as numbers in `before_h` to `end_w`, which a convolution adds and a transposed
convolution crops. The numbers take precedence.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import pandas as pd

from ..core.geometry import effective_kernel, resolve
from ..core.layer import COLUMNS, Layer
from ..errors import SplitDeconvError, check_choice, shorten, shown, suggestion

KINDS = ("conv", "deconv", "dense")
PADDINGS = ("SAME", "VALID", "EXPLICIT", "")
NEEDED = ("name", "kind", "in_h", "in_w", "c_in", "c_out")
_ONES = ("k_h", "k_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "groups")
_CROPS = ("before_h", "before_w", "end_h", "end_w")
# Larger than any known layer; counts have to stay exact in 64-bit integers and floats.
_LONGEST, _MOST_MACS = 2**24, 2**53
#: Limits on the layers of a table and, for each, on its outputs, taps, channels times phases, and
#: pairs of an output and a tap along one axis. A simulation builds masks of these sizes.
MOST_LAYERS, MOST_OUTPUTS, MOST_TAPS, MOST_CHANNELS, MOST_PAIRS = 10_000, 2**26, 2**16, 2**22, 2**24


def complete(rows: Iterable[Mapping[str, Any]], where: str) -> pd.DataFrame:
    """A whole table of layers.

    Args:
        rows: mappings from columns to values; None, "" and NaN are missing values.
        where: the name of the rows in an error.

    Returns:
        DataFrame of `COLUMNS`. `padding` is "SAME", "VALID", "EXPLICIT" for convolutions that add
        and transposed convolutions that crop otherwise, or empty for dense layers; `before_h` to
        `end_w` are a transposed convolution's crops, or what an "EXPLICIT" convolution adds.

    Raises:
        SplitDeconvError: no layers, an unknown column, or a value that is missing, not a number, or
            does not fit the others; the error names row and column.
    """
    rows = list(islice(rows, MOST_LAYERS + 1))
    if len(rows) > MOST_LAYERS:
        raise SplitDeconvError(
            "too many layers", where=where, expected=f"at most {MOST_LAYERS:,}", got="more"
        )
    if not rows:
        raise SplitDeconvError(
            "there are no layers", where=where, expected="a row per layer", got="an empty table"
        )
    for column in rows[0]:
        if column not in COLUMNS:
            raise SplitDeconvError(
                "unknown column",
                where=where,
                expected=", ".join(COLUMNS),
                got=shown(column),
                fix=suggestion(column, COLUMNS),
            )
    absent = [column for column in NEEDED if not any(column in row for row in rows)]
    if absent:
        raise SplitDeconvError(
            f"columns are missing: {', '.join(absent)}",
            where=where,
            expected=f"at least the columns {', '.join(NEEDED)}",
            got=shorten(", ".join(rows[0]), 200),
        )
    table = [_Row(row, number, where).completed().row() for number, row in enumerate(rows, start=1)]
    return pd.DataFrame(table, columns=COLUMNS)


class _Row:
    """One row: reads values by column, and knows where it is."""

    def __init__(self, row: Mapping[str, Any], number: int, where: str) -> None:
        self.values = {key: value for key, value in row.items() if not _is_missing(value)}
        self.where = f"{where}, row {number}"
        if "name" in self.values:
            self.where += f" ({shorten(self.values['name'], 80)})"

    def completed(self) -> Layer:
        """The whole row, as a `Layer`."""
        for column in NEEDED:
            if column not in self.values:
                raise self.refused("a value is missing", column, "a value", "nothing")
        kind = self.values["kind"]
        check_choice(kind, KINDS, "kind of layer", f"{self.where}, column kind")
        row = {"name": str(self.values["name"]), "kind": kind}
        row |= {column: self.number(column) for column in ("in_h", "in_w", "c_in", "c_out")}
        row |= {column: self.number(column, 1) for column in _ONES}
        for column in ("c_in", "c_out"):
            if row[column] % row["groups"]:
                raise self.refused(
                    "the groups do not divide the channels",
                    column,
                    f"a multiple of {row['groups']}",
                    row[column],
                )
        row |= {"dense": self.dense, "conv": self.conv, "deconv": self.deconv}[kind](row)
        layer = Layer(**row)
        if layer.macs > _MOST_MACS:
            raise self.refused(
                "the layer is too large to count", "macs", f"at most {_MOST_MACS}", layer.macs
            )
        self.agree("macs", layer.macs)
        self.check_size(layer)
        return layer

    def check_size(self, layer: Layer) -> None:
        """Refuse a layer whose masks would not fit into memory."""
        phases = layer.stride_h * layer.stride_w if layer.kind == "deconv" else 1
        sizes = {
            ("out_h and out_w", layer.out_h * layer.out_w): MOST_OUTPUTS,
            ("k_h and k_w", layer.k_h * layer.k_w): MOST_TAPS,
            ("c_in", layer.c_in): MOST_CHANNELS,
            ("c_out and strides", layer.c_out * phases): MOST_CHANNELS,
            ("out_h and k_h", layer.out_h * layer.k_h): MOST_PAIRS,
            ("out_w and k_w", layer.out_w * layer.k_w): MOST_PAIRS,
        }
        for (columns, product), most in sizes.items():
            if product > most:
                raise self.refused(
                    "the layer is too large",
                    columns,
                    f"a product of at most {most:,}",
                    f"{product:,}",
                )

    def dense(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A dense layer: as many positions out as in."""
        for column in _ONES:
            if row[column] != 1:
                raise self.refused("a dense layer has no window", column, 1, row[column])
        for side in "hw":
            self.agree(f"out_{side}", row[f"in_{side}"])
        outputs = {"padding": "", "out_h": row["in_h"], "out_w": row["in_w"]}
        return outputs | dict.fromkeys(_CROPS, 0)

    def conv(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs and padding of a convolution."""
        word, explicit = self.padding(), self.explicit()
        outputs, same, valid = {}, [], []
        for side in "hw":
            n, k, s, d = (row[f"{name}_{side}"] for name in ("in", "k", "stride", "dilation"))
            span = effective_kernel(k, d)
            total = max((-(-n // s) - 1) * s + span - n, 0)
            same.append((total // 2, total - total // 2, -(-n // s)))
            valid.append((0, 0, (n - span) // s + 1))
            if explicit:
                before, end = (self.number(f"{name}_{side}", 0, 0) for name in ("before", "end"))
                outputs[side] = before, end, (n + before + end - span) // s + 1
            else:
                outputs[side] = (same if word == "SAME" else valid)[-1]
            if outputs[side][2] < 1:
                raise self.refused(
                    "the kernel is longer than the padded input",
                    f"k_{side}",
                    f"at most {n} and padding",
                    span,
                )
            self.agree(f"out_{side}", outputs[side][2])
        sides = [outputs["h"], outputs["w"]]
        # The outputs determine the padding at the end: padding that no window reaches has no
        # effect.
        ends = [(before, o) for before, _, o in sides]
        words = [
            name
            for name, by in (("SAME", same), ("VALID", valid))
            if ends == [(b, o) for b, _, o in by]
        ]
        if word not in words:
            word = next(iter(words), "EXPLICIT")
        crops = [(b, e) for b, e, _ in sides] if word == "EXPLICIT" else [(0, 0)] * 2
        return {"padding": word, **_pairs("out", [o for *_, o in sides]), **_crops(crops)}

    def deconv(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs and crops of a transposed convolution."""
        word = self.padding()
        pair = {
            name: tuple(row[f"{name}_{side}"] for side in "hw")
            for name in ("in", "k", "stride", "dilation")
        }
        outputs = tuple(self.number(f"out_{side}", None) for side in "hw")
        rule = tuple(self.crop(row, side) for side in "hw") if self.explicit() else word
        try:
            axes = resolve(
                pair["in"], pair["k"], pair["stride"], rule, outputs, dilations=pair["dilation"]
            )
        except SplitDeconvError as error:
            column = "padding" if isinstance(rule, str) else "before_h to end_w"
            got = ", ".join(
                f"{name} {values}" for name, values in (*pair.items(), ("out", outputs))
            )
            raise SplitDeconvError(
                error.problem,
                where=f"{self.where}, column {column}",
                expected=error.expected,
                got=f"{error.got}; {got}",
            ) from None
        crops = [(a.p, a.end) for a in axes]
        return {
            "padding": word or "EXPLICIT",
            **_pairs("out", [axis.o for axis in axes if axis.o is not None]),
            **_crops(crops),
        }

    def crop(self, row: Mapping[str, Any], side: str) -> tuple[int, int]:
        """The crops at both ends; a missing end follows from the output's length."""
        before, outputs = self.number(f"before_{side}", 0, 0), self.number(f"out_{side}", None)
        span = effective_kernel(row[f"k_{side}"], row[f"dilation_{side}"])
        full = (row[f"in_{side}"] - 1) * row[f"stride_{side}"] + span
        missing = 0 if outputs is None else max(full - before - outputs, 0)
        return before, self.number(f"end_{side}", missing, 0)

    def padding(self) -> str:
        """The padding as a word, which is required if there are no numbers."""
        word = str(self.values.get("padding", "")).upper()
        check_choice(word, PADDINGS, "padding", f"{self.where}, column padding")
        if word not in ("SAME", "VALID") and not self.explicit():
            raise self.refused(
                "the padding is missing",
                "padding",
                "SAME, VALID, or numbers in before_h to end_w",
                repr(word),
            )
        return word

    def explicit(self) -> bool:
        """Whether the padding is given in numbers; beside a word, zeros mean nothing."""
        given = [column for column in _CROPS if column in self.values]
        if self.values["kind"] == "deconv" or self.values.get("padding") not in ("SAME", "VALID"):
            return bool(given)
        return any(self.number(column, 0, 0) for column in given)

    def number(self, column: str, missing: Any = 0, least: int = 1, most: int = _LONGEST) -> Any:
        """A whole number; `missing` if the cell is empty."""
        if column not in self.values:
            return missing
        value = self.values[column]
        try:
            number = int(value)
            whole = not isinstance(value, bool) and (isinstance(value, str) or number == value)
        except (TypeError, ValueError, OverflowError):
            whole = False
        if not whole or not least <= number <= most:
            raise self.refused(
                "value out of range", column, f"a whole number from {least} to {most}", shown(value)
            )
        return number

    def agree(self, column: str, computed: int) -> None:
        """Reject a given value that differs from the expected one."""
        given = self.number(column, computed, 0, _MOST_MACS)
        if given != computed:
            raise self.refused("a value contradicts the rest of its row", column, computed, given)

    def refused(self, problem: str, column: str, expected: object, got: object) -> SplitDeconvError:
        """The error of one cell."""
        return SplitDeconvError(
            problem, where=f"{self.where}, column {column}", expected=str(expected), got=str(got)
        )


def _is_missing(value: object) -> bool:
    return value is None or value == "" or value != value  # NaN differs from itself


def _pairs(name: str, values: Sequence[int]) -> dict[str, int]:
    return {f"{name}_h": values[0], f"{name}_w": values[1]}


def _crops(pairs: Sequence[tuple[int, int]]) -> dict[str, int]:
    return _pairs("before", [b for b, _ in pairs]) | _pairs("end", [e for _, e in pairs])
