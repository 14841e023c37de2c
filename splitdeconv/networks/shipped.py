"""The layers of the benchmark networks as `layer_tables.csv` holds them: they need no framework.

`python -m tools.layer_tables` writes the file from the built models, and a test compares them.
"""

from functools import cache
from importlib.resources import files

import pandas as pd

from ..core.layer import COLUMNS, Layer

FILE = "layer_tables.csv"


@cache
def layers(name: str) -> tuple[Layer, ...]:
    """The layers of a network of `splitdeconv.networks.names`, in its default sizes."""
    table = _table()
    return tuple(map(Layer.from_row, table[table["network"] == name].to_dict("records")))


def text(networks: dict[str, tuple[Layer, ...]]) -> str:
    """The content of the file for the layers of each network."""
    rows = [
        {"network": name, **layer.row()} for name, layers in networks.items() for layer in layers
    ]
    return pd.DataFrame(rows, columns=["network", *COLUMNS]).to_csv(index=False)


@cache
def _table() -> pd.DataFrame:
    with files(__package__).joinpath(FILE).open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False)
