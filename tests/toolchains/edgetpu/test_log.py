"""The compiler's real output is read right, and what is unknown is not guessed."""

import re
import time

import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.toolchains.edgetpu.log import parse
from tests.toolchains.edgetpu.logs import ALL_MAPPED, LOGS

FAILURES = [name for name, log in LOGS.items() if "reason" in log]


def test_totals_and_operators_of_a_model_that_is_nearly_mapped():
    totals, operators = parse(LOGS["all_but_one_mapped"]["text"])
    assert totals == {
        "compiler": "15.0.340273435",
        "compiled_ms": 1379,
        "input_bytes": round(4.41 * 2**20),
        "output_bytes": round(5.49 * 2**20),
        "on_chip_bytes": round(1.92 * 2**20),
        "on_chip_left_bytes": 1792,
        "off_chip_bytes": round(3.23 * 2**20),
        "subgraphs": 1,
        "operations": 136,
        "mapped": 135,
        "unmapped": 1,
    }
    assert operators["operator"].tolist() == ["RESHAPE", "CONCATENATION", "MAX_POOL_2D", "ADD"]
    assert operators["count"].tolist() == [15, 3, 3, 10]
    assert operators["mapped"].all()


def test_what_is_not_mapped_has_the_compilers_reason():
    # The thread quotes the end of the output; the line that a success begins with is another
    # thread's.
    start = "\n".join(LOGS["all_but_one_mapped"]["text"].splitlines()[:3])
    totals, operators = parse(f"{start}\n{LOGS['reasons']['text']}")
    assert (totals["mapped"], totals["unmapped"], totals["operations"]) == (2, 153, None)
    assert operators.loc[operators["mapped"], "operator"].tolist() == ["PAD", "QUANTIZE"]
    assert operators.loc[~operators["mapped"], "count"].sum() == 153
    reasons = operators[~operators["mapped"]].set_index("operator")["status"]
    assert reasons["TRANSPOSE"] == "Operation not supported"
    assert reasons["QUANTIZE"].endswith("not mapped due to some unspecified limitation")


def test_where_all_is_mapped_the_totals_are_counted():
    totals, operators = parse(ALL_MAPPED)
    assert totals["unmapped"] == 0
    assert totals["mapped"] == operators["count"].sum() == 106
    assert totals["compiler"] == "16.0.384591198"


@pytest.mark.parametrize("size", ["6.00KB", "6.0.0MiB", ".MiB", "6.00MIB"])
def test_a_size_that_is_not_understood_is_not_stated(size):
    totals, _ = parse(ALL_MAPPED.replace("6.00MiB", size))
    assert totals["input_bytes"] is None
    assert totals["output_bytes"] == round(6.47 * 2**20)


def test_columns_may_be_set_apart_by_tabs():
    _, operators = parse(re.sub(" {2,}", "\t", ALL_MAPPED))
    assert operators["count"].sum() == 106


def test_without_a_table_nothing_is_claimed():
    totals, operators = parse(LOGS["no_table"]["text"])
    assert operators.empty
    assert totals["unmapped"] is None
    assert totals["on_chip_bytes"] == round(604.5 * 2**10)


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_told_in_the_compilers_words(name):
    with pytest.raises(SplitDeconvError, match="edgetpu_compiler: ") as caught:
        parse(LOGS[name]["text"])
    assert LOGS[name]["reason"] in caught.value.problem


def test_an_unknown_format_is_refused():
    with pytest.raises(SplitDeconvError, match="neither a result nor an error in a known format"):
        parse("Edge TPU Compiler version 17")


LONG = "9" * 5000  # more digits than Python reads


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        (f"Total number of operations: {LONG}", {"operations": None, "mapped": None}),
        (f"Input size: {LONG}KiB", {"input_bytes": None}),
        (f"Input size: 2.{LONG}KiB", {"input_bytes": None}),
        ("Total number of operations: 3", {"operations": 3, "mapped": None}),
    ],
)
def test_numbers_of_any_length_are_survived(line, columns):
    start = "Edge TPU Compiler version 16.0\nModel compiled successfully in 5 ms.\n"
    rows = f"CONV_2D  {LONG}  Mapped to Edge TPU\nPAD   2   Mapped to Edge TPU \t\n"
    totals, table = parse(f"{start}{line}\nOperator   Count   Status\n{rows}")
    assert totals | columns == totals
    assert table.to_dict("records") == [
        {"operator": "PAD", "count": 2, "mapped": True, "status": "Mapped to Edge TPU"}
    ]
    with pytest.raises(SplitDeconvError, match="neither a result nor an error"):
        parse(f"Model compiled successfully in {LONG} ms.")


def test_a_long_line_is_read_in_no_time():
    start = "Model compiled successfully in 5 ms.\nOperator   Count   Status\n"
    begun = time.monotonic()
    table = parse(f"{start}PAD 2 a{' ' * 1_000_000}b\n")[1]
    assert time.monotonic() - begun < 60  # were it quadratic, 50 minutes
    assert table["count"].tolist() == [2]
