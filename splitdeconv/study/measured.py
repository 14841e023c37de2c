"""Measurements that take long, kept as tables with the machine, the day and the versions that made them.

`make measure` writes them to data/measured/, which is in git; notebooks replay them, labelled, beside what they measure
themselves. An installed wheel has none.
"""

import json
from datetime import date
from pathlib import Path

import pandas as pd

from ..atomic import replacing
from ..provenance import device, versions

FOLDER = Path(__file__).resolve().parents[2] / "data" / "measured"


def write(name, table, folder=FOLDER) -> Path:
    """Keep a table as ``NAME.csv``, each row with the columns device, date and versions (JSON).

    Rows that have these columns already, of an earlier part of the measurement, keep theirs.

    Args:
        name: of the measurement.
        table: a DataFrame.
        folder: where to.

    Returns:
        The file's path.
    """
    path = Path(folder) / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    stamps = {"device": device(), "date": date.today().isoformat(), "versions": json.dumps(versions())}
    held = {column: table[column].fillna(value) for column, value in stamps.items() if column in table}
    stamped = table.assign(**stamps | held)
    with replacing(path) as part:
        stamped.to_csv(part, index=False, lineterminator="\n", float_format="%.6g")
    return path


def read(name, folder=FOLDER) -> pd.DataFrame:
    """A measurement that was kept; an empty table where there is none."""
    path = Path(folder) / f"{name}.csv"
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()
