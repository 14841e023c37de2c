"""Which operators of a file XNNPACK computes, as LiteRT lists them."""

import keras
import pytest
from ai_edge_litert.interpreter import Interpreter

from splitdeconv import SplitDeconvError
from splitdeconv.toolchains.cpu import (
    litert as litert_run,
)
from splitdeconv.toolchains.models import benchmark as models, tflite as litert


def test_what_is_delegated_is_found_between_the_delegates_borders(files):
    native, split = (litert_run.describe(files[form]) for form in ("native", "split"))
    assert (native["ops"], native["delegated"], native["delegates"], native["left"]) == (
        1,
        1,
        1,
        "",
    )
    assert split["ops"] == split["delegated"] > 5
    assert split["bytes"] == len(files["split"])
    assert split["arena"] > native["arena"] >= 4 * (6 * 5 * 3 + 12 * 10 * 4)


def test_what_xnnpack_leaves_is_named():
    keras.utils.set_random_seed(0)
    stride = keras.Sequential(
        [keras.Input((6, 6, 3)), keras.layers.Conv2DTranspose(2, 16, 8, "valid")]
    )
    split = models.rewritten(litert.export(stride), "split")[0]
    found = litert_run.describe(split)
    # A row joins eight phases: more than XNNPACK's concatenation takes.
    assert found["left"] == f"CONCATENATION {found['ops'] - found['delegated']}"
    assert found["delegates"] == 2
    interpreter = Interpreter(model_content=split, num_threads=1)
    interpreter.allocate_tensors()
    listed = interpreter._get_ops_details()
    assert len(listed) == found["ops"] + found["delegates"]


def test_operators_told_otherwise_are_refused(files, monkeypatch):
    monkeypatch.setattr(Interpreter, "_get_ops_details", lambda self: [{"name": "CONV_2D"}])
    with pytest.raises(SplitDeconvError, match="list of operators has an unknown format"):
        litert_run.describe(files["native"])
