"""Tables made to take time or memory: refused by one short error before any work."""

import os
import random

import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.dlp import simulate, workload
from splitdeconv.dlp.layer_table import (
    MOST_CHANNELS,
    MOST_LAYERS,
    MOST_OUTPUTS,
    MOST_TAPS,
    complete,
)
from tests.refusals import refused

HEADER = "name,kind,in_h,in_w,c_in,c_out,k_h,k_w,stride_h,stride_w,padding\n"
UP = "up,deconv,4,5,6,7,3,2,2,2,SAME\n"


@pytest.fixture
def csv(tmp_path):
    def written(content):
        path = tmp_path / "net.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (HEADER + UP * 20_000, "too many layers"),
        (
            HEADER.replace("name", "layer") + "up (9999x)" + UP[2:] + "on (9999x)" + UP[2:],
            "too many layers",
        ),
        (HEADER + UP * 100_000, "the table cannot be read"),
        (",".join(f"c{i}" for i in range(100_000)) + "\n" + "1\n" * 100_000, "too many columns"),
        ("name,name\n", "duplicate column"),
        (HEADER + "x" * 200_000 + UP[2:], "the table cannot be read"),
        (HEADER + UP.replace("4", "9" * 5000), "value out of range"),
        (HEADER + "x" * 100_000 + UP[2:].replace("4", "x" * 100_000), "value out of range"),
        (HEADER + UP.replace("deconv", "x" * 100_000), "unknown kind"),
        ("x" * 100_000 + "\n1\n", "unknown column"),
        (
            "network," + HEADER + "".join(f"{'x' * 1000}{i},{UP}" for i in range(500)),
            "ambiguous network",
        ),
        (HEADER + "," * 100_000 + "\n", "a row has the wrong length"),
        (HEADER.encode() + b"\xff", "the table cannot be read"),
        ((HEADER + UP).encode("utf-16"), "the table cannot be read"),
        ((HEADER + UP).replace("up", "u\0p"), None),
    ],
)
def test_absurd_files(csv, content, match):
    if match is None:
        assert len(workload(csv(content))) == 1
        return
    with refused(match) as caught:
        workload(csv(content))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("column", "row"),
    [
        ("out_h and out_w", "a,conv,10000,10000,1,1,1,1,1,1,SAME"),
        ("k_h and k_w", "a,conv,5,5,1,1,300,300,1,1,SAME"),
        ("c_in", f"a,dense,1,1,{2 * MOST_CHANNELS},1,1,1,1,1,"),
        ("c_out and strides", "a,deconv,1,1,1,2000,64,64,64,64,SAME"),
        ("out_w and k_w", "a,conv,1,16777216,1,1,1,2,1,1,SAME"),
        ("padding", "a,deconv,5,5,1,1,3,3,60000,60000,SAME"),
        ("padding", "a,deconv,5,5,1,1,100000,1,1,1,SAME"),
        ("macs", "a,conv,16777216,16777216,9999,9999,3,3,1,1,SAME"),
    ],
)
def test_absurd_layers(csv, column, row):
    with refused("too large|larger than any") as caught:
        simulate(csv(HEADER + row + "\n"), "pe_array_32x7")
    assert caught.value.where.endswith(f"column {column}")


@pytest.mark.parametrize("method", ["nzp", "sd", "stacked", "paper"])
@pytest.mark.parametrize(
    "row",
    [
        "a,deconv,8,8,3,1024,64,64,64,64,SAME",
        "a,deconv,1,16,3,5,1,4096,1,256,SAME",
        f"a,dense,1,1,{MOST_CHANNELS},9,1,1,1,1,",
    ],
)
def test_the_largest_layers_are_simulated(csv, row, method):
    found = simulate(csv(HEADER + row + "\n"), "pe_array_32x7", method)
    assert found["cycles"].item() > 0
    assert MOST_OUTPUTS >= MOST_TAPS


def test_a_batch_that_cannot_be_counted(csv):
    for batch in (10**18, 10**30, 10**5000):
        with refused("batch"):
            simulate(csv(HEADER + UP), "pe_array_32x7", batch=batch)


def test_a_generator_of_rows_is_not_exhausted():
    def rows():
        while True:
            yield {"name": "a"}

    with refused("too many layers") as caught:
        complete(rows(), "the table")
    assert f"{MOST_LAYERS:,}" in caught.value.expected


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "net.csv")
    with refused("no such network or file"):
        workload(tmp_path / "net.csv")


def test_mutated_tables_are_read_or_refused(csv):
    rng, errors = random.Random(0), []
    pieces = [
        ",",
        "\n",
        '"',
        "0",
        "-1",
        "9" * 30,
        "SAME",
        "conv",
        "deconv",
        "\0",
        "\r",
        "é",
        "x",
        "nan",
        "1e9",
        " ",
    ]
    for _ in range(300):
        text = list(HEADER + UP * 2)
        for _ in range(rng.randint(1, 4)):
            text[rng.randrange(len(text))] = rng.choice(pieces)
        try:
            workload(csv("".join(text)))
        except SplitDeconvError as error:
            errors.append(str(error))
    assert 100 < len(errors) < 300
    assert max(map(len, errors)) < 1200
