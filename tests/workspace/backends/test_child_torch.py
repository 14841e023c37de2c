"""What counts as accepted: the right values of the right shape, and nothing that was raised."""

import pytest
import torch

from tools.backends import __main__ as table, child
from tools.backends.cases import cases

CASE = cases()[1]


@pytest.mark.parametrize(
    ("change", "accepted", "remark"),
    [
        (lambda y: y, True, "ran"),
        (lambda y: y * (1 + 1e-7), True, "ran"),
        (lambda y: y + y.abs().max() * 1e-3, False, "wrong values; ran"),
        (lambda y: y[..., :-1], False, "shape [1, 3, 10, 9] instead of [1, 3, 10, 10]; ran"),
    ],
)
@pytest.mark.parametrize("converted", [False, True])
def test_values_and_shapes_are_compared(monkeypatch, change, accepted, remark, converted):
    seen = []

    def end(program, x):
        seen.extend(str(node.target) for node in program.graph.nodes)
        return change(program.module()(x)), "ran"

    monkeypatch.setitem(child.ENDS, "a back end", ("torch", end, 1e-5))
    answer = child.answer({"case": CASE, "end": "a back end", "converted": converted})
    assert (answer["accepted"], answer["remark"]) == (accepted, remark)
    assert any("conv_transpose" in name for name in seen) is not converted


def test_an_error_is_an_answer(monkeypatch):
    def end(program, x):
        raise RuntimeError("no kernel\nin /usr/lib/here/kernels.py for 1/2 of this")

    monkeypatch.setitem(child.ENDS, "a back end", ("torch", end, 1e-5))
    answer = child.answer({"case": CASE, "end": "a back end", "converted": False})
    assert answer == {
        "accepted": False,
        "remark": "RuntimeError: no kernel in kernels.py for 1/2 of this",
        "error": None,
    }


def test_bfloat16_is_given_its_rounding(monkeypatch):
    (rounded,) = [case for case in cases() if case["dtype"] == "bfloat16"]

    def end(program, x):
        assert x.dtype == torch.bfloat16
        return program.module()(x), ""

    monkeypatch.setitem(child.ENDS, "a back end", ("torch", end, 1e-5))
    assert child.answer({"case": rounded, "end": "a back end", "converted": True})["accepted"]


def test_a_process_that_is_lost_has_not_accepted():
    assert not table.answered({"reason": "the process was killed"})["accepted"]
