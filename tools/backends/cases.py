"""The layers that public threads are about, as exported programs with whole-number weights."""

import warnings
from pathlib import Path

import pandas as pd
import torch

TABLE = Path(__file__).resolve().parents[2] / "data" / "reference" / "refused.csv"


def cases():
    """The rows of data/reference/refused.csv, as dictionaries."""
    return pd.read_csv(TABLE).to_dict("records")


def program(case):
    """(exported program of the layer, its input): asymmetric whole numbers."""
    kind = getattr(torch.nn, f"ConvTranspose{case['axes']}d")
    names = ("kernel", "stride", "padding", "output_padding", "groups")
    sizes = [case[name] for name in names]
    dtype = getattr(torch, case["dtype"])
    module = kind(case["c_in"], case["c_out"], *sizes, True, case["dilation"], dtype=dtype).eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in module.parameters():
            weights.copy_(torch.randint(-4, 6, weights.shape, generator=draw))
    shape = (1, case["c_in"], *[case["length"]] * case["axes"])
    x = torch.randint(-5, 8, shape, generator=draw).to(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, on its own code
        return torch.export.export(module, (x,)), x
