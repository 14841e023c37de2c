"""Programs to test with, and their exact values."""

import warnings

import torch
from torch import nn

AUTO = torch.export.Dim.AUTO


def layer(case, dtype=torch.float32, bias=True):
    """A transposed convolution of PyTorch with small whole numbers as weights."""
    cin, cout, kernel, stride, pad, longer, dilation, groups = case
    kind = getattr(nn, f"ConvTranspose{len(kernel)}d")
    made = kind(cin, cout, kernel, stride, pad, longer, groups, bias, dilation, dtype=dtype)
    whole(made)
    return made


def whole(module, seed=0):
    """Fill all weights with asymmetric whole numbers, so that sums are exact in any order."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randint(-4, 6, weight.shape))
    return module


def numbers(*shape, dtype=torch.float32, seed=1):
    """An input of asymmetric whole numbers."""
    torch.manual_seed(seed)
    return torch.randint(-5, 8, shape).to(dtype)


def export(module, *inputs, open_axes=(), decomposed=False):
    """The program of a module in evaluation mode; `open_axes` of the first input stay open."""
    shapes = tuple(dict.fromkeys(open_axes if i == 0 else (), AUTO) for i in range(len(inputs)))
    shapes = tuple(s if hasattr(x, "dim") else None for s, x in zip(shapes, inputs, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, of its own
        program = torch.export.export(module.eval(), inputs, dynamic_shapes=shapes, strict=False)
        return program.run_decompositions() if decomposed else program


def run(program, *inputs):
    """The result of a program."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return program.module()(*inputs)


def kinds(program):
    """The operators of a program's main graph, each once."""
    return {str(node.target) for node in program.graph.nodes if node.op == "call_function"}


def is_plain(program):
    """Whether no transposed convolution is left."""
    return not any(
        "transpose" in str(node.target)
        or (str(node.target) == "aten.convolution.default" and node.args[6])
        for node in program.graph.nodes
    )


class Decoder(nn.Module):
    """Two transposed convolutions, a batch normalization behind the first."""

    def __init__(self):
        super().__init__()
        self.first = nn.ConvTranspose2d(6, 4, 4, 2, 1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.ConvTranspose2d(4, 3, 5, 3, 1, output_padding=1)
        torch.manual_seed(3)
        for name, value in self.named_buffers():
            if value.dtype.is_floating_point:
                value.copy_(torch.rand_like(value) + (0.5 if "var" in name else -0.3))

    def forward(self, x):
        return torch.tanh(self.second(torch.relu(self.norm(self.first(x)))))
