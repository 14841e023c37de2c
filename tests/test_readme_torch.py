"""The README's lines for PyTorch do what it says."""

import re
from pathlib import Path

import torch

from tests.formats.pt2.programs_torch import Decoder, is_plain

README = Path(__file__).parents[1] / "README.md"


def test_five_lines_make_a_program_without_transposed_convolutions(tmp_path, monkeypatch):
    section = README.read_text().split("\n## PyTorch\n")[1]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    lines = [line for line in code.splitlines() if line]
    assert len(lines) <= 5
    monkeypatch.chdir(tmp_path)
    module, example = Decoder().eval(), torch.randn(2, 6, 4, 5)
    exec(code, {"model": module, "example": example})
    program = torch.export.load("split.pt2")
    assert is_plain(program)
    torch.testing.assert_close(program.module()(example), module(example), rtol=1e-5, atol=1e-5)
