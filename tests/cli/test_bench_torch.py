"""The command `bench` on programs of PyTorch."""

import json

import torch

from splitdeconv.formats.pt2.archive import file
from tests.formats.pt2.programs_torch import Decoder, export


def test_a_program_is_timed_before_and_after(run, tmp_path):
    path = tmp_path / "model.pt2"
    path.write_bytes(file.save(export(Decoder(), torch.randn(1, 6, 4, 5))))
    code, out, err = run("bench", path, "--turns", 2, "--threads", 1, "--json")
    assert code == 0, err
    times = json.loads(out)["times"]
    assert [row["form"] for row in times] == ["original", "converted"]
    assert all(row["seconds"] > 0 for row in times)
    assert times[0]["inputs"] == "x 1x6x4x5"
