"""A batch of 0: a note reports that a converted .tflite file lost it only if the runtime agrees."""

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.convert.verify import empty
from splitdeconv.convert.verify.empty import EMPTY_BATCH, loses
from tests.formats.tflite.models import XNNPACK, Deconv, change, convert, deconv_model, edit, run
from tests.formats.tflite.test_uses import quantized

CASE = Deconv(sizes=(4, 7), kernel=(3, 4), strides=(2, 2), cin=3, cout=5, dynamic=True)


def takes(data, x):
    """The output's shape of a batch of 0; None where the runtime fails."""
    try:
        return run(data, x, kernels=XNNPACK).shape
    except (RuntimeError, ValueError):
        return None


@pytest.mark.slow
@pytest.mark.parametrize("interleave", ["concat", "depth_to_space", "batch_to_space"])
@pytest.mark.parametrize(
    "kind", ["float32", "int8", "int16x8", "float32x8", "quantized int8", "quantized int16x8"]
)
def test_the_note_says_what_the_runtime_does(kind, interleave, here):
    if "int16x8" in kind and interleave == "depth_to_space":  # which has no such kernel
        return
    case = CASE.with_(kind=kind.split()[-1])
    data = quantized(case.kind, case=case) if kind.startswith("quantized") else deconv_model(case)
    result = sd.convert(data, interleave=interleave, form="rows")
    x = case.with_(kind="float32").input()[:0] if kind.startswith("quantized") else case.input()[:0]
    before, after = takes(data, x), takes(result.model, x)
    lost = before is not None and before != after
    assert (EMPTY_BATCH in result.report.verification.notes) == lost
    # Of ai-edge-litert 2.3.0: XNNPACK takes no empty convolutions, and none of 16 bits at all.
    assert lost or (kind, interleave) not in [
        ("quantized int8", name) for name in ("depth_to_space", "batch_to_space")
    ]
    assert not lost or kind != "quantized int16x8"


def test_a_file_of_a_fixed_batch_is_not_tried(here, monkeypatch):
    monkeypatch.setattr(empty, "loses", lambda *_: True)
    fixed, opened = (deconv_model(CASE.with_(dynamic=dynamic)) for dynamic in (False, True))
    assert EMPTY_BATCH not in sd.convert(fixed).report.verification.notes
    assert EMPTY_BATCH in sd.convert(opened).report.verification.notes
    assert EMPTY_BATCH not in sd.convert(opened, static_batch=2).report.verification.notes
    assert sd.convert(opened, verify=False).report.verification is None


def test_what_ends_the_process_is_no_end_of_the_verification(tmp_path):
    """If no file runs at all, the original fails; if only the converted one fails, it lost it."""
    good, x = deconv_model(CASE), {"image": np.zeros((2, 4, 7, 3), "f4")}

    def hostile(model, graph):
        change(graph.operators[-1], inputs=graph.operators[-1].inputs[::-1].copy())

    bad = edit(good, hostile)
    (tmp_path / "good").write_bytes(good)
    assert not loses(good, convert(good), "", x)
    assert not loses(tmp_path / "good", convert(good), "", x)
    assert not loses(bad, good, "", x)
    assert loses(good, bad, "", x)
    assert loses(good, deconv_model(CASE.with_(strides=(2, 1))), "", x)
