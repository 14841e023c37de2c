"""The layer tables that the package ships are those of the networks as they are built."""

import subprocess
import sys
from pathlib import Path

import pytest

from splitdeconv import networks
from splitdeconv.networks import shipped, table

SMALL = ("dcgan", "sngan")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in SMALL else [pytest.mark.slow])
        for name in networks.names()
    ],
)
def test_a_table_is_that_of_the_built_network(name):
    """`python -m tools.layer_tables` writes the file anew where a network has changed."""
    assert shipped.layers(name) == table.built(name)
    assert len(shipped.layers(name)) > 3


def test_the_file_holds_nothing_else():
    path = Path(shipped.__file__).with_name(shipped.FILE)
    tables = {name: shipped.layers(name) for name in networks.names()}
    assert path.read_text(encoding="utf-8") == shipped.text(tables)


def test_no_framework_is_loaded():
    code = (
        "import sys, splitdeconv as sd; sd.dlp.simulate('mde', 'pe_array_32x7')\n"
        "print(sorted({'tensorflow', 'keras', 'jax', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
