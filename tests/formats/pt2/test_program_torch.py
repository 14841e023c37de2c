"""What becomes of a converted program: other tools read it, sizes are fixed, refusals."""

import shutil
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import splitdeconv as sd
from tests.formats.pt2.programs_torch import (
    AUTO,
    Decoder,
    export,
    kinds,
    run,
)
from tests.refusals import refused


def test_the_result_decomposes_and_unflattens():
    program = export(Decoder(), torch.randn(2, 6, 4, 5), open_axes=(0, 2))
    made, x = sd.convert(program).model, torch.randn(3, 6, 7, 5)
    expected = run(program, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat = made.run_decompositions()
        tree = torch.export.unflatten(made)
        y = tree(x).detach()
    torch.testing.assert_close(run(flat, x), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)


def test_the_result_exports_again_and_to_onnx(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    program = export(Decoder(), torch.randn(2, 6, 4, 5), open_axes=(0, 2))
    made = sd.convert(program).model
    x = torch.randn(2, 6, 7, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = torch.export.export(made.module(), (x,), dynamic_shapes=({0: AUTO, 2: AUTO},))
        torch.onnx.export(made, (), tmp_path / "made.onnx", dynamo=True, verbose=False)
    torch.testing.assert_close(run(again, x), run(program, x), rtol=1e-5, atol=1e-5)
    session = onnxruntime.InferenceSession(tmp_path / "made.onnx")
    y = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    np.testing.assert_allclose(y, run(program, x), rtol=1e-4, atol=1e-5)
    import onnx

    nodes = {node.op_type for node in onnx.load(tmp_path / "made.onnx").graph.node}
    assert "ConvTranspose" not in nodes
    assert "Conv" in nodes


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="AOTInductor needs a C++ compiler")
def test_the_result_is_compiled_ahead_of_time(tmp_path, monkeypatch):
    from torch._inductor import aoti_compile_and_package, aoti_load_package

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    program = export(Decoder(), torch.randn(2, 6, 4, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = sd.convert(program).model
        path = aoti_compile_and_package(made, package_path=str(tmp_path / "made.pt2"))
        compiled = aoti_load_package(path)
    x = torch.randn(2, 6, 4, 5)
    torch.testing.assert_close(compiled(x), run(program, x), rtol=1e-5, atol=1e-5)


def test_sizes_are_fixed_on_request():
    program = export(Decoder(), torch.randn(2, 6, 4, 5), open_axes=(0, 2))
    result = sd.convert(program, input_shape=(3, 6, 9, 5))
    assert result.report.verification
    x = torch.randn(3, 6, 9, 5)
    torch.testing.assert_close(run(result.model, x), run(program, x), rtol=1e-5, atol=1e-5)
    assert not any("sym_size" in name for name in kinds(result.model))
    one = sd.convert(program, static_batch=1)
    assert one.model.graph_signature.user_inputs == program.graph_signature.user_inputs
    with refused("some lengths of this input are fixed"):
        sd.convert(program, input_shape=(3, 5, 9, 5))


def test_a_branch_is_not_rewritten_and_said_to_be():
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(3, 2, 3, 2)
            self.other = nn.ConvTranspose2d(3, 2, 3, 2)

        def forward(self, x):
            y = torch.cond(x.sum() > 0, lambda v: self.up(v), lambda v: self.other(v) * 2, (x,))
            return y, self.up(x)

    program = export(Branch(), torch.randn(1, 3, 4, 4))
    rows = sd.inspect(program)
    assert sorted(rows["verdict"]) == ["convert", "refuse", "refuse"]
    assert rows["reason"].str.contains("in a branch or a loop").sum() == 2
    assert sd.convert(program).report.converted == 1


def test_complex_numbers_are_refused():
    class Complex(nn.Module):
        def forward(self, x, w):
            return nn.functional.conv_transpose1d(x, w, stride=2)

    x, w = (torch.randn(*s, dtype=torch.complex64) for s in ((1, 2, 5), (2, 3, 4)))
    with refused("no transposed convolution of the model can be converted") as caught:
        sd.convert(export(Complex(), x, w))
    assert "it computes in complex64" in caught.value.got


def test_filters_without_elements_are_refused_alone():
    class Empty(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose1d(2, 3, 4, 2)

        def forward(self, x, w):
            return self.up(x), nn.functional.conv_transpose1d(x, w, stride=2)

    x = torch.randn(1, 2, 5)
    program = export(Empty(), x, torch.randn(2, 0, 4))
    rows = sd.inspect(program)
    assert sorted(rows["verdict"]) == ["convert", "refuse"]
    assert "its filters have no elements" in set(rows["reason"])
    # PyTorch itself does not run the program, so that the other layer is verified alone.
    verification = sd.convert(program).report.verification
    assert verification
    assert [output.name for output in verification.outputs] == ["conv_transpose1d"]


def test_a_program_without_transposed_convolutions_is_returned_as_it_is():
    program = export(nn.Linear(3, 2), torch.randn(1, 3))
    result = sd.convert(program)
    assert result.model is program
    assert any("nothing to convert" in note for note in result.report.notes)
