"""The notebook on PyTorch runs with PyTorch; elsewhere, `make reproduce` runs it without."""

import os
import re
import sys
from pathlib import Path

import nbformat
import papermill

ROOT = Path(__file__).resolve().parents[2]


def test_the_live_cells_run(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLITDECONV_FIGURES", str(tmp_path / "figures"))
    monkeypatch.setenv("SPLITDECONV_COSTS", str(tmp_path / "costs"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    done = tmp_path / "16_pytorch.ipynb"
    papermill.execute_notebook(
        ROOT / "notebooks" / "16_pytorch.ipynb",
        done,
        parameters={"quick": True},
        kernel_name="python3",
        cwd=ROOT / "notebooks",
        progress_bar=False,
    )
    cells = nbformat.read(done, as_version=4).cells
    texts = [
        str(output.get("text") or output.get("data", {}).get("text/plain"))
        for cell in cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    printed = "\n".join(texts)
    assert "the live cells run in torch 2." in printed
    # Ten in a million cross the edge of a grey level in float32; there are 49,152.
    assert int(re.search(r"(\d+) of as many 8-bit values differ", printed)[1]) < 5
    assert "SplitConvTranspose2d" in printed
    assert "in ONNX: " in printed
    assert (tmp_path / "figures" / "16_layers.png").is_file()
