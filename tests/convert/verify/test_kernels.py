"""Kernels that round differently, for integers too, are neither a fault nor an excuse."""

from collections import Counter

import numpy as np
import pytest

from splitdeconv.convert.verify import entry as verify_entry
from splitdeconv.convert.verify.compare import compare
from splitdeconv.convert.verify.run import load
from tests.convert.verify.test_compare import spoiled
from tests.formats.tflite import models as tflite_models
from tests.formats.tflite.cases import CASES
from tests.formats.tflite.models import Deconv, deconv_model, make, pack, unpack

CASE = Deconv(sizes=(6, 5), kernel=(5, 4), cin=5, cout=6)


def test_kernels_that_differ_on_the_original_are_no_fault_of_the_conversion():
    # The shape that is computed keeps XNNPACK from the original, not from the converted model.
    model = deconv_model(
        Deconv(sizes=(9, 8), kernel=(5, 5), cin=16, cout=8, kind="int8", dynamic=True)
    )
    verification = compare("tflite", model, tflite_models.convert(model))
    assert verification
    assert set(verification.outputs[0].lsb) == {0, 1}
    assert "other kernels agree on both models" in verification.outputs[0].finding
    assert not compare("tflite", model, spoiled(tflite_models.convert(model), "i1"))


def beside(first, second):
    """A file with two models as entry points "first" and "second"."""
    model, other = unpack(first), unpack(second)
    for tensor in other.subgraphs[0].tensors:
        tensor.buffer += len(model.buffers)
    for operator in other.subgraphs[0].operators:
        operator.opcodeIndex += len(model.operatorCodes)
    model.buffers += other.buffers
    model.operatorCodes += other.operatorCodes
    model.subgraphs += other.subgraphs
    model.signatureDefs = [
        make(
            "SignatureDef",
            signatureKey=key,
            subgraphIndex=number,
            inputs=[make("TensorMap", name=b"in", tensorIndex=int(graph.inputs[0]))],
            outputs=[make("TensorMap", name=b"out", tensorIndex=int(graph.outputs[0]))],
        )
        for number, (key, graph) in enumerate(
            zip((b"first", b"second"), model.subgraphs, strict=True)
        )
    ]
    return pack(model)


def test_kernels_may_round_integers_next_to_an_operator_in_floats(faulty):
    case = Deconv(sizes=(9, 8), kernel=(5, 5), cin=16, cout=8, kind="int8")
    floats = deconv_model(Deconv(sizes=(7, 4), kernel=(3, 2), cin=3, cout=5))
    model = beside(deconv_model(case), floats)
    converted = tflite_models.convert(model)
    assert compare("tflite", model, converted)
    assert compare("tflite", model, faulty(converted, 1, "i"), samples=1)
    assert not compare("tflite", model, faulty(converted, 4, "i"), samples=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_integers_of_an_unknown_batch_agree_on_every_geometry(kind):
    """In most cases XNNPACK runs only the converted model, and rounds some value differently."""
    lsb = Counter()
    for index, case in enumerate(CASES[:40]):
        model = deconv_model(case.with_(kind=kind, dynamic=True))
        form = ("split", "rows", "stacked")[index % 3]
        verification = compare("tflite", model, tflite_models.convert(model, form), samples=3)
        assert verification, case
        lsb.update(verification.outputs[0].lsb)
    assert set(lsb) == {0, 1}
    assert lsb[1] < 0.002 * lsb[0]


@pytest.fixture
def faulty(monkeypatch):
    """Converters from (original, converted) to a model whose default kernels are off by steps."""

    def fault(converted, steps, kinds="fiu"):
        def odd(kind, model, path=None, kernels="default", **more):
            entries = load(kind, model, path, kernels, **more)
            if kernels != "default" or "TRANSPOSE_CONV" in tflite_models.operators(model):
                return entries
            return {name: _Off(run, steps, kinds) for name, run in entries.items()}

        monkeypatch.setattr(verify_entry, "load", odd)
        return converted

    return fault


class _Off:
    """A model whose first value is wrong, if it is of certain kinds of types."""

    def __init__(self, run, steps, kinds):
        self._run, self.inputs, self._steps, self._kinds = run, run.inputs, steps, kinds

    def __call__(self, feed):
        outputs = {name: np.array(y) for name, y in self._run(feed).items()}
        for y in (y for y in outputs.values() if y.dtype.kind in self._kinds):
            y.flat[0] += self._steps if y.flat[0] < 100 else -self._steps
        return outputs


def test_a_fault_of_the_fastest_kernels_is_seen(faulty):
    model = deconv_model(CASE.with_(kind="int8"))
    converted = tflite_models.convert(model)
    # One step is what rounding does to a value halfway between two.
    assert compare("tflite", model, faulty(converted, 1), samples=1)
    bad = compare("tflite", model, faulty(converted, 3), samples=1)
    assert not bad
    assert bad.method == "model and operators"
    assert "the runtime's kernels round output 'picture' differently" in bad.notes[0]
    assert [output.passed for output in bad.outputs] == [True, False]
    # Floats have a tolerance; beyond it nothing is rounding.
    model = deconv_model(CASE)
    bad = compare("tflite", model, faulty(tflite_models.convert(model), 3), samples=1)
    assert (bool(bad), bad.method) == (False, "model")
