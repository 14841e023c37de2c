"""Write the layers of the benchmark networks, from the built models, to the file the package ships.

python -m tools.layer_tables
"""

from pathlib import Path

from splitdeconv.core.layer import Layer
from splitdeconv.networks import names, shipped, table

PATH = Path(shipped.__file__).with_name(shipped.FILE)


def built() -> dict[str, tuple[Layer, ...]]:
    """The layers of every benchmark network as it is built."""
    return {name: table.built(name) for name in names()}


if __name__ == "__main__":
    PATH.write_text(shipped.text(built()), encoding="utf-8")
