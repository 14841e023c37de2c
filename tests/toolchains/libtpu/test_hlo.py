"""Compiled programs are read as the compiler wrote them, and what is not understood is refused."""

import re
from pathlib import Path

import pandas as pd
import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.toolchains.libtpu import hlo

# What libtpu 0.0.42.1 made, for v5e, of the form "rows" of DCGAN's deconv2 in bfloat16: 16x16x128
# -> 32x32x64, 5x5 s2.
REAL = (Path(__file__).parent / "libtpu_0.0.42.1_v5e.txt").read_text()


def test_every_operation_that_does_something_is_listed():
    table = hlo.operations(REAL)
    assert len(table) == 18
    assert not set(table["opcode"]) & set(hlo.FREE)
    last = table.iloc[-1]
    assert (last["opcode"], last["shape"], last["bytes"]) == (
        "reshape",
        "bf16[1,32,32,64]",
        32 * 32 * 64 * 2,
    )
    assert table["cycles"].count() == len(
        re.findall(r'"estimated_cycles"', REAL[REAL.index("\nENTRY") :])
    )
    # One convolution for each of two row phases; what surrounds them is layout.
    assert table.loc[table["kind"] == "convolution", "cycles"].tolist() == [3319, 3031]
    assert set(table.loc[table["kind"] == "asynchronous", "opcode"]) == {"copy-start", "copy-done"}


def test_a_summary_tells_what_it_leaves_out():
    found = hlo.summary(hlo.operations(REAL))
    assert (found["cycles"], found["convolution_cycles"], found["lower_bound"]) == (
        27550,
        6350,
        True,
    )
    assert found["unestimated"] == "3 copy-start, 3 copy-done, 1 reshape"
    assert found["unestimated_bytes"] == 32 * 32 * 64 * 2
    # Two filters of (2 or 3)x3x128x128 bfloat16, and a mask of 24 bytes.
    assert found["asynchronous_bytes"] == (2 + 3) * 3 * 128 * 128 * 2 + 24
    assert found["slowest"] == pytest.approx(2263 / (16 * 8 * 3 * 128 * 2))


def test_without_the_reshape_nothing_is_left_out():
    lines = [line for line in REAL.splitlines() if " reshape(" not in line]
    assert not hlo.summary(hlo.operations("\n".join(lines)))["lower_bound"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: text.replace("ENTRY ", ""), "an ENTRY computation"),
        (lambda text: text.replace("%copy-done = ", "%copy-done := "), "name = shape operation"),
        (
            lambda text: text.replace("estimated_cycles", "cycle_estimate"),
            "at least one estimate in cycles",
        ),
    ],
)
def test_what_is_not_understood_is_refused(change, expected):
    with pytest.raises(SplitDeconvError, match="compiler's output cannot be parsed") as caught:
        hlo.operations(change(REAL))
    assert expected in caught.value.expected


def test_what_does_nothing_has_an_empty_table():
    assert hlo.operations(
        "ENTRY %main () -> f32[2] {\n  ROOT %x = f32[2]{0} parameter(0)\n}\n"
    ).empty


@pytest.mark.parametrize("step", ["start", "update", "done"])
def test_every_step_of_what_runs_beside_is_asynchronous(step):
    text = REAL.replace("ROOT ", f"%beside = f32[8]{{0}} async-{step}(%x)\n  ROOT ")
    assert hlo.operations(text).set_index("name").loc["beside", "kind"] == "asynchronous"


def test_what_has_no_size_has_no_bytes():
    text = REAL.replace("ROOT ", "%wait = (token[], bf16[2,3]{1,0}) custom-call(%x)\n  ROOT ")
    table = hlo.operations(text).set_index("name")
    assert table.loc["wait", "bytes"] == 2 * 3 * 2
    assert (
        hlo.summary(table.reset_index())["unestimated"]
        == "3 copy-start, 3 copy-done, 1 custom-call, 1 reshape"
    )


def test_a_summary_tells_all_its_totals():
    assert tuple(hlo.summary(hlo.operations(REAL))) == hlo.TOTALS


def test_only_large_copies_tell_what_others_may_cost():
    def copy(size, cycles, opcode="copy"):
        return {
            "name": "a",
            "opcode": opcode,
            "shape": "",
            "bytes": size,
            "cycles": cycles,
            "kind": "other",
        }

    table = pd.DataFrame(
        [copy(2**16 - 1, 9e6), copy(2**16, 2**15), copy(2**17, 2**14), copy(2**17, 9e6, "fusion")]
    )
    assert hlo.summary(table)["slowest"] == 0.5


@pytest.mark.parametrize("call", ["AllocateBuffer", "ConcatBitcast"])
def test_names_for_memory_cost_nothing(call):
    line = f'%free = bf16[2,3]{{1,0}} custom-call(%x), custom_call_target="{call}"\n  '
    assert hlo.operations(REAL.replace("ROOT ", line + "ROOT ")).equals(hlo.operations(REAL))
    other = line.replace(call, "Sort")
    assert (
        len(hlo.operations(REAL.replace("ROOT ", other + "ROOT "))) == len(hlo.operations(REAL)) + 1
    )
