"""Vela's tables are read as it writes them, by the names of their columns."""

import io

import pandas as pd
import pytest

from splitdeconv.toolchains import vela
from tests.toolchains.vela_output import layer, totals, writing

pytestmark = pytest.mark.filterwarnings(
    "ignore:Statistics for quantized inputs were expected:UserWarning"
)


@pytest.mark.parametrize(
    ("summary", "reason"),
    [
        (
            "experiment,cycles\na,1\n",
            "output has an unknown format: .* has no column cycles_total",
        ),
        (",".join(vela._SUMMARY) + "\n", "has no row"),
        ("", "is not a table"),
        ("a,b\n1,2\n1,2,3\n", "is not a table"),
        *(
            (totals(value), "has an invalid count in column cycles_total")
            for value in ("many", "", "-5", "inf")
        ),
    ],
)
def test_tables_of_another_format_are_a_reason(tmp_path, summary, reason):
    found = vela.estimate({"a": b""}, ["ethos_u55"], vela=writing(tmp_path, summary, layer("NPU")))
    assert found["skipped"].str.contains(reason).all()
    assert not found["complete"].any()


def test_columns_are_known_by_name_and_operators_without_one_are_told(tmp_path):
    turned = (
        pd.read_csv(io.StringIO(totals(7)))[[*vela._SUMMARY][::-1]]
        .assign(cycles_total=9, more="x")
        .to_csv()
    )
    rows = layer("NPU") + "Sub,,,0,0,0,0,0,0,x\n,,CPU,0,0,0,0,0,0,x\n,,NPU,0,0,0,0,0,0,x\n"
    found = vela.estimate({"a": b""}, ["ethos_u55"], vela=writing(tmp_path, turned, rows)).iloc[0]
    assert (found["cycles"], found["macs"]) == (9, 7)
    # Where no place is stated it is not the NPU.
    assert (found["on_npu"], found["on_cpu"], found["complete"]) == (
        "Conv2D 1, unnamed 1",
        "Sub 1, unnamed 1",
        False,
    )


def test_words_are_words_whatever_they_look_like(tmp_path):
    rows = layer("NPU") + "None,Conv2D,NPU,1,1,1,1,1,1,7\n"
    operators = vela.compile_model(b"", "ethos_u55", vela=writing(tmp_path, totals(3), rows))[1]
    assert operators["original"].tolist() == ["Conv2D", "None"]
    assert operators["output"].tolist() == ["x", "7"]
    nowhere = ",".join(vela._OPERATORS) + "\nSub,,,0,0,0,0,0,0,\n"  # columns without one word
    found = vela.estimate(
        {"a": b""}, ["ethos_u55"], vela=writing(tmp_path, totals(3), nowhere)
    ).iloc[0]
    assert (found["on_npu"], found["on_cpu"], found["complete"], found["skipped"]) == (
        "",
        "Sub 1",
        False,
        None,
    )


def test_every_column_of_the_summary_has_its_place(tmp_path):
    header = "sram_memory_used,dram_memory_used,off_chip_flash_memory_used,cycles_npu,"
    header += "cycles_sram_access,cycles_dram_access,cycles_on_chip_flash_access,"
    header += "cycles_off_chip_flash_access,cycles_total,nn_macs"
    summary = f"{header}\n{','.join(map(str, range(1, 11)))}\n"
    found = vela.estimate(
        {"a": b""}, ["ethos_u65"], vela=writing(tmp_path, summary, layer("NPU"))
    ).iloc[0]
    names = [
        "sram_kib",
        "dram_kib",
        "off_chip_flash_kib",
        "cycles_npu",
        "cycles_sram",
        "cycles_dram",
    ]
    names += ["cycles_on_chip_flash", "cycles_off_chip_flash", "cycles", "macs"]
    assert found[names].tolist() == list(range(1, 11))


def test_a_total_of_no_cycles_is_no_result(tmp_path):
    found = vela.estimate(
        {"a": b""}, ["ethos_u55"], vela=writing(tmp_path, totals(0), layer("NPU"))
    )
    assert found["skipped"].str.contains("no cycles").all()
    assert not found["complete"].any()
