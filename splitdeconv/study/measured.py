"""Measurements that take a long time, as tables with the device, date and versions of each row.

`make measure` writes them to data/measured/, which is in git. Notebooks replay them, labelled as
such, beside what they measure themselves. Everything in data/measured/ goes through `write`, so
that no row lacks its origin.
"""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from ..atomic import replacing
from ..provenance import device, versions

FOLDER = Path(__file__).resolve().parents[2] / "data" / "measured"
#: The columns that every table has.
ORIGIN = ("device", "date", "versions")
#: Their value in rows that are older than the columns.
NOT_RECORDED = "not recorded"


def stamp(table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns device, date and versions (JSON) to rows that were measured here and now.

    Rows that already have these columns, from an earlier part of the measurement, keep theirs.
    """
    today = date.today().isoformat()
    now = dict(zip(ORIGIN, (device(), today, json.dumps(versions())), strict=True))
    earlier = {column: table[column].fillna(now[column]) for column in ORIGIN if column in table}
    return table.assign(**now | earlier)


def write(name: str, table: pd.DataFrame, folder: Path = FOLDER, digits: int = 6) -> Path:
    """Write a table as ``NAME.csv``; rows without an origin are stamped as measured here and now.

    Args:
        name: of the measurement.
        table: the rows.
        folder: the folder to write to.
        digits: significant digits of each float.

    Returns:
        The file's path.
    """
    path = Path(folder) / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        stamp(table).to_csv(part, index=False, lineterminator="\n", float_format=f"%.{digits}g")
    return path


def read(name: str, folder: Path = FOLDER) -> pd.DataFrame:
    """The table that `write` kept under this name; an empty one if there is none."""
    path = Path(folder) / f"{name}.csv"
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


def beside(
    table: pd.DataFrame, recorded: pd.DataFrame, *, on: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
    """What is measured now with what is recorded of the same, where it is.

    Args:
        table: the rows that were measured now.
        recorded: rows of earlier.
        on: the columns that say what a row is of.
        columns: of the recorded rows; they get names that end in ``_recorded``.

    Returns:
        The rows of `table` with the columns of `recorded`, NaN where nothing is recorded, and
        ``apart``, by what factor the first of the columns differs, 1 or more.
    """
    named = {name: f"{name}_recorded" for name in columns}
    kept = recorded[[*on, *columns]].rename(columns=named)
    joined = table.merge(kept, on=list(on), how="left")
    ratio = joined[columns[0]] / joined[named[columns[0]]]
    return joined.assign(apart=ratio.where(ratio >= 1, 1 / ratio))
