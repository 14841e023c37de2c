"""Any network as one table of layers: from its name, a Keras model, a file, or a table.

A CSV file has the columns of `splitdeconv.dlp.layer_table`, or those of the published tables in
`networks/reference/`: `layer` for name, `stride` for both strides, `mac` for macs, a column
`network` if it holds several, `source` for the origin of a row, which is ignored, and "(10x)" after
the name of a layer that runs ten times.
"""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from ..datafiles.textfile import read_text
from ..errors import SplitDeconvError, shorten, shown, suggestion
from ..formats.registry import listed
from .layer_table import complete

if TYPE_CHECKING:
    import keras

#: What a network is given as.
NetworkLike: TypeAlias = "str | os.PathLike[str] | bytes | pd.DataFrame | keras.Model"

_ALIASES = {"layer": ("name",), "stride": ("stride_h", "stride_w"), "mac": ("macs",), "source": ()}
_MOST_COLUMNS = 100
_TIMES = re.compile(r"(.*\S)\s+\((\d{1,4})x\)")


def workload(source: NetworkLike, **options: Any) -> pd.DataFrame:
    """The layers of a network that have multiplications, in order of execution.

    Args:
        source: name of a benchmark network, functional or sequential `keras.Model`, path of a .csv,
            .tflite, .onnx, .keras or .pt2 file, bytes of one of the last four, or a DataFrame with
            at least the columns name, kind, in_h, in_w, c_in and c_out and those for the padding;
            see `splitdeconv.dlp.layer_table`.
        **options: with a name, the network's own; with an ONNX file with a dynamic image, its
            `size` as (height, width); with a CSV file of several networks, the `network`.

    Returns:
        DataFrame, one row per layer, with the columns of `splitdeconv.networks.layer_table`.

    Raises:
        SplitDeconvError: no such network or file; a file or model that cannot be read or described;
            a table whose values are missing or do not fit each other, by row and column.

    Example:
        >>> import splitdeconv as sd
        >>> sd.dlp.workload("dcgan").name.tolist()
        ['fc', 'deconv1', 'deconv2', 'deconv3']
    """
    from ..networks import layer_table, names

    if isinstance(source, pd.DataFrame):
        _allow(options, (), "a table")
        _check_columns(list(source.columns), "the table")
        return complete(source.to_dict("records"), "the table")
    if isinstance(source, str) and source in names():
        return layer_table(source, **options)
    if isinstance(source, bytes | bytearray | memoryview):
        return _model(source, options, "the model")
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.is_file():
            raise SplitDeconvError(
                "there is no such network or file",
                where="network",
                expected=f"an existing .csv, {listed()} file, or one of {', '.join(names())}",
                got=shown(str(source)),
                fix=suggestion(str(source), names()),
            )
        if path.suffix.lower() == ".csv":
            return _csv(path, options)
        try:
            return _model(path, options, str(path))
        except SplitDeconvError as error:
            raise _or_table(error) from None
    from ..convert.exchange import is_keras

    if is_keras(source):
        _allow(options, (), "a keras.Model")
        return layer_table(source)
    kinds = "the name of a network, a keras.Model, a table of layers"
    raise SplitDeconvError(
        "not a network",
        where="network",
        expected=f"{kinds}, or a .csv, {listed()} file",
        got=type(source).__name__,
    )


def _model(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    options: Mapping[str, Any],
    where: str,
) -> pd.DataFrame:
    """The table of a model file, whose reader, with any framework, is in a child process."""
    from ..convert.rows import layer_rows

    _allow(options, ("size",), where)
    return complete(layer_rows(source, **options), where)


def _or_table(error: SplitDeconvError) -> SplitDeconvError:
    """The same error of a model's file, where a table of layers is expected as well."""
    expected = error.expected and error.expected.replace(
        f"a {listed()} model", f"a .csv, {listed()} file"
    )
    return SplitDeconvError(
        error.problem, where=error.where, expected=expected, got=error.got, fix=error.fix
    )


def _csv(path: Path, options: Mapping[str, Any]) -> pd.DataFrame:
    """The table of a CSV file."""
    _allow(options, ("network",), str(path))
    text = read_text(path, str(path), "the table")
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        columns = reader.fieldnames or []
        # Before the rows, each of which is as long as the header.
        _check_columns(columns, str(path))
        rows = list(reader)
    except csv.Error as error:
        raise SplitDeconvError(
            "the table cannot be read",
            where=str(path),
            expected="a CSV file in UTF-8",
            got=shorten(error, 200),
        ) from None
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            # Cells beyond the last column are a list under None; cells that are missing are None.
            beyond: Any = row.get(None) or ()
            cells = len(row) - (None in row) - list(row.values()).count(None) + len(beyond)
            raise SplitDeconvError(
                "a row has the wrong length",
                where=f"{path}, row {number}",
                expected=f"{len(columns)} values, as there are columns",
                got=f"{cells} values",
            )
    return complete(_renamed(_chosen(rows, columns, path, **options)), str(path))


def _check_columns(columns: Sequence[str], where: str) -> None:
    """Refuse duplicate columns, and more than any table of layers has."""
    if len(columns) > _MOST_COLUMNS:
        raise SplitDeconvError(
            "too many columns",
            where=where,
            expected=f"at most {_MOST_COLUMNS}",
            got=f"{len(columns):,}",
        )
    for number, column in enumerate(columns):
        if column in columns[:number]:
            raise SplitDeconvError(
                "duplicate column", where=where, expected="each column once", got=shown(column)
            )


def _chosen(
    rows: Iterable[dict[str, Any]], columns: Sequence[str], path: Path, network: str | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of one network, without the column that names it."""
    known = list(dict.fromkeys(row["network"] for row in rows)) if "network" in columns else []
    if network is None and len(known) < 2:
        network = known[0] if known else None
    elif network not in known:
        expected = "no network, for a table without that column"
        if known:
            expected = f"network= one of {shorten(', '.join(known), 300)}"
        raise SplitDeconvError(
            "ambiguous network", where=str(path), expected=expected, got=shown(network)
        )
    for row in rows:
        if row.pop("network", None) == network:
            yield row


def _renamed(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows with the columns of a layer table; a layer that runs several times has several rows."""
    for row in rows:
        named = {
            name: value for column, value in row.items() for name in _ALIASES.get(column, (column,))
        }
        repeated = _TIMES.fullmatch(row.get("layer", ""))
        if repeated is None:
            yield named
        else:
            name, times = repeated[1], int(repeated[2])
            yield from ({**named, "name": f"{name} {index}"} for index in range(1, times + 1))


def _allow(options: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    """Reject options that would be silently ignored."""
    for option in options:
        if option not in known:
            expected = ", ".join(known) or "no options"
            raise SplitDeconvError(
                "unknown option", where=f"workload of {what}", expected=expected, got=option
            )
