"""What the targets of CPU runtimes quote from data/measured/cpu_runtimes.csv stands in it."""

import re

import numpy as np
import pytest

from splitdeconv.convert.targets import load_target
from splitdeconv.study import gains, measured


def chosen(runtime, dtype, threads, form=""):
    """Speedups over native of the layers that the rules convert, to `form` or to any."""
    table = measured.read("cpu_runtimes")
    kept = (table["runtime"] == runtime) & (table["dtype"] == dtype) & (table["threads"] == threads)
    rows = table[kept & (table["form"] == "auto") & (table["layer"] != gains.WHOLE)]
    assert not rows.duplicated(["network", "layer"]).any()
    assert rows["complete"].all()
    return rows.loc[
        rows["chosen"].str.startswith(form) & ~rows["chosen"].str.startswith("native"), "speedup"
    ]


def said(target, *beginnings):
    """Numbers after each beginning; the beginnings stand in this order in one of the notes."""
    (note,) = (
        note for note in load_target(target).notes if all(text in note for text in beginnings)
    )
    found = []
    for text in beginnings:
        _, _, note = note.partition(text)
        found.append([float(number) for number in re.findall(r"\d+(?:\.\d+)?", note)])
    return found


def ends(speedups):
    return [round(float(np.min(speedups)), 2), round(float(np.max(speedups)), 2)]


def test_what_openvino_loses_in_float32_is_said():
    split, stacked = said(
        "openvino", "layers that these rules split ran at", "layers that they stack ran at"
    )
    one, two = (chosen("openvino", "float32", threads, "split") for threads in (1, 2))
    below = [(one < 1).sum(), (two < 1).sum()]
    # "0.93 to 1.46 times ... on one thread and 0.79 to 1.28 on two, 11 and 18 of 20 layers below 1"
    assert split[:8] == [*ends(one), *ends(two), *below, len(one), 1]
    one, two = (chosen("openvino", "float32", threads, "stacked") for threads in (1, 2))
    assert (one >= 1).all()
    assert (two >= 1).all()
    assert stacked[:6] == [*ends(one), *ends(two), len(one), 1]


def test_what_xnnpack_loses_on_two_threads_is_said():
    (numbers,) = said("xnnpack", "the choices of these rules ran at")
    single, quantized = (chosen("litert", dtype, 2) for dtype in ("float32", "int8"))
    wanted = [
        *ends(single),
        32,
        (single < 1).sum(),
        1,
        *ends(quantized),
        8,
        (quantized < 1).sum(),
        1,
    ]
    assert numbers == wanted


def test_what_onnxruntime_loses_on_two_threads_is_said():
    (numbers,) = said("onnxruntime", "the layers that these rules convert ran at")
    speedups = chosen("onnxruntime", "float32", 2)
    assert numbers == [*ends(speedups), (speedups < 1).sum(), len(speedups), 1]


@pytest.mark.parametrize(
    ("runtime", "dtype"), [("litert", "float32"), ("litert", "int8"), ("onnxruntime", "float32")]
)
def test_on_one_thread_no_choice_loses(runtime, dtype):
    speedups = chosen(runtime, dtype, 1)
    assert len(speedups) > 20
    assert (speedups >= 1).all()
