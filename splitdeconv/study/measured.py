"""Measurements that take a long time, as tables with the device, date and versions of each row.

`make measure` writes them to data/measured/, which is in git. Notebooks replay them, labelled as
such, beside what they measure themselves. Everything in data/measured/ goes through `write`, so
that no row lacks its origin.
"""

import json
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
