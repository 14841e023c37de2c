"""Decoders of published networks as PyTorch modules and exported programs.

Importing this loads no framework; making a module or a program imports PyTorch.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ... import pretrained
from ...errors import SplitDeconvError, check_choice
from ...extras import require
from ...pretrained import registry

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram
    from torch.nn import Module

_TABLE = Path(__file__).with_name("decoders.csv")
_TRAINED = ("face_dcgan",)


def decoders() -> pd.DataFrame:
    """The transposed convolutions of generators, vocoders and segmentation decoders.

    Returns:
        One row per layer: ``network`` and its ``title``, ``layer``, ``axes`` (1 to 3), ``c_in``,
        ``c_out``, and along each axis ``kernel``, ``stride``, ``padding`` and ``length`` of the
        input, with ``source``.
    """
    return pd.read_csv(_TABLE)


def layer(network: str, name: str, *, seed: int = 0) -> tuple[Module, Tensor]:
    """One transposed convolution of `decoders` with random weights, and an input for it.

    Args:
        network, name: columns network and layer of `decoders`.
        seed: of weights and input.

    Returns:
        (a `torch.nn.ConvTranspose1d`, 2d or 3d in evaluation mode, a float32 tensor of one image).

    Raises:
        SplitDeconvError: no such network or layer, or PyTorch is missing.
    """
    table = decoders()
    check_choice(network, tuple(dict.fromkeys(table["network"])), "network")
    table = table[table["network"] == network].set_index("layer")
    check_choice(name, tuple(table.index), f"layer of {network}", "name")
    row = table.loc[name]
    torch = require("torch", "torch")
    draw = torch.Generator().manual_seed(seed)
    kind = getattr(torch.nn, f"ConvTranspose{row['axes']}d")
    sizes = (int(row[key]) for key in ("c_in", "c_out", "kernel", "stride", "padding"))
    made = kind(*sizes).eval()
    with torch.no_grad():
        for weights in made.parameters():
            scale = float(row["c_in"] * row["kernel"]) ** -0.5
            weights.copy_(torch.randn(weights.shape, generator=draw) * scale)
    lengths = [int(row["length"])] * int(row["axes"])
    return made, torch.randn(1, int(row["c_in"]), *lengths, generator=draw)


def generator(name: str = "face_dcgan") -> Module:
    """A trained DCGAN generator as PyTorch's tutorial defines it, with its own weights.

    Args:
        name: a generator of `splitdeconv.pretrained` with that structure: "face_dcgan".

    Returns:
        A `torch.nn.Sequential` in evaluation mode: (batch, 100, 1, 1) -> (batch, 3, 64, 64), images
        in [-1, 1].

    Raises:
        SplitDeconvError: no such generator, PyTorch is missing, or the weights cannot be fetched or
            do not fit.
    """
    check_choice(name, _TRAINED, "generator")
    torch = require("torch", "torch")
    content = pretrained.read_checkpoint(pretrained.fetch(name))
    state = {
        key.removeprefix("main."): torch.from_numpy(values)
        for key, values in content[str(registry.generator(name).state)].items()
    }
    places = [int(key.partition(".")[0]) for key, values in state.items() if values.ndim == 4]
    parts: list[Any] = []
    for place in sorted(places):
        c_in, c_out, *kernel = state[f"{place}.weight"].shape
        stride, padding = (1, 0) if not parts else (2, 1)
        parts.append(torch.nn.ConvTranspose2d(c_in, c_out, kernel, stride, padding, bias=False))
        if place != max(places):
            parts += [torch.nn.BatchNorm2d(c_out), torch.nn.ReLU()]
    module: Module = torch.nn.Sequential(*parts, torch.nn.Tanh())
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise SplitDeconvError(
            "the weights do not fit the generator",
            where=name,
            expected="transposed convolutions, each but the last with a BatchNorm and a ReLU",
            got=re.sub(r"\s+", " ", str(error))[:200],
        ) from None
    return module.eval()


def program(module: Module, *inputs: Tensor) -> bytes:
    """The .pt2 file of a module, exported at the sizes of its inputs.

    Raises:
        SplitDeconvError: PyTorch is missing.
    """
    from ...formats.pt2.archive import file

    torch = require("torch", "torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, on its own code
        return file.save(torch.export.export(module, inputs))


def operators(program: ExportedProgram) -> pd.Series:
    """How often each operator occurs in the main graph of a program, by its name."""
    nodes = (node for node in program.graph.nodes if node.op == "call_function")
    return pd.Series([str(node.target) for node in nodes], dtype="str").value_counts(sort=False)
