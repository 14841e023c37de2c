"""PyTorch as a runtime: programs in .pt2 files are timed in turn, and rejected in words."""

import pandas as pd
import pytest
import torch
from torch import nn

from splitdeconv.formats.pt2.archive import file
from splitdeconv.toolchains import cpu
from tests.formats.pt2.programs_torch import Decoder, export

FEW = {"threads": (1,), "turns": 3, "budget": 1.0}


@pytest.fixture(scope="module")
def native():
    return file.save(export(Decoder(), torch.randn(1, 6, 4, 5)))


def test_programs_are_timed_and_compared(native):
    other = Decoder()
    with torch.no_grad():
        other.second.bias += 1
    changed = file.save(export(other, torch.randn(1, 6, 4, 5)))
    rows = cpu.measure("torch", {"native": native, "same": native + b"", "other": changed}, **FEW)
    rows = rows.set_index("form")
    assert rows["complete"].all(), rows["skipped"].tolist()
    assert (rows["seconds"] > 0).all()
    assert rows["version"].str.startswith("torch 2.").all()
    assert rows["error"]["native"] == rows["error"]["same"] == 0
    assert rows["error"]["other"] > 0.01


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_kept_to(native, threads):
    from splitdeconv.toolchains.cpu import child, torch as runtime

    before = torch.get_num_threads()
    try:
        run, outputs = runtime.load(native, threads, lambda *given: child.draw(0, *given))
        assert torch.get_num_threads() == threads
        run()
        (made,) = outputs()
        assert made.shape == (1, 3, 25, 31)
    finally:
        torch.set_num_threads(before)


def test_what_cannot_be_run_has_a_reason(native):
    opened = file.save(export(Decoder(), torch.randn(2, 6, 4, 5), open_axes=(0,)))
    rows = cpu.measure("torch", {"native": native, "open": opened, "none": b"no model"}, **FEW)
    skipped = rows.set_index("form")["skipped"]
    assert pd.isna(skipped["native"])
    assert "must have a fixed shape" in skipped["open"]
    assert "?x6x4x5" in skipped["open"]
    assert skipped["none"]


def test_inputs_of_every_type_are_drawn():
    class Mixed(nn.Module):
        def forward(self, x, index, mask):
            return x.index_select(0, index.remainder(2)) * mask

    inputs = (torch.randn(2, 3, dtype=torch.bfloat16), torch.arange(4), torch.ones(3).bool())
    rows = cpu.measure("torch", {"native": file.save(export(Mixed(), *inputs))}, **FEW)
    assert rows["complete"].all(), rows["skipped"].tolist()
