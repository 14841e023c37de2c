"""PyTorch modules as their libraries define them, from configurations, with seeded weights."""

import importlib.util
import operator
import re
import zlib

import torch

from .inputs import draw

_LAYERS = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)


class Adapted(torch.nn.Module):
    """A network with positional arguments and one tensor as output, as exporters like it."""

    def __init__(self, network, names, call, take):
        super().__init__()
        self.network = network
        self._names, self._call, self._take = names, call, take

    def forward(self, *values):
        """Call the network by the names of its arguments."""
        function = getattr(self.network, self._call) if self._call else self.network
        # A name that is a number is a position.
        placed = [value for name, value in zip(self._names, values, strict=True) if name.isdigit()]
        named = {
            name: value
            for name, value in zip(self._names, values, strict=True)
            if not name.isdigit()
        }
        return _first(function(*placed, **named), self._take)


def module(entry):
    """The network of an entry in evaluation mode."""
    torch.manual_seed(zlib.crc32(entry.network.encode()))
    import_torchvision()  # transformers, timm and others do so, too
    library, path = entry.make.split(":")
    kind = operator.attrgetter(path)(importlib.import_module(library))
    made = kind(**_configured(kind, entry.config)).eval()
    if entry.part:
        made = operator.attrgetter(entry.part)(made)
    network = Adapted(made, list(entry.inputs), entry.call, entry.take)
    network.eval().requires_grad_(False)
    settle(network, [torch.from_numpy(draw(*item[::-1], 1)[0]) for item in entry.inputs.items()])
    return network


def import_torchvision():
    """Import torchvision, also beside a PyTorch for which it has no compiled operators.

    PyPI's wheels of it are compiled for the CUDA build of PyTorch. Beside another build, the import
    fails where it describes such an operator: each is declared here. No network here calls one.
    """
    while importlib.util.find_spec("torchvision") is not None:
        try:
            importlib.import_module("torchvision")
            return
        except RuntimeError as error:
            lacking = re.search(r"operator (torchvision::\w+) does not exist", str(error))
            if lacking is None:
                raise
            torch.library.define(lacking[1], "(Tensor given) -> Tensor")


def settle(network, values):
    """Give normalizations statistics that differ, and each layer outputs of deviation 1.

    The weights that libraries start from are meant to be trained: a deep network of them gives
    nothing but rounding, or saturates. Source of the scaling: Mishkin and Matas, "All you need is a
    good init", ICLR 2016.

    Args:
        network: with its initial weights.
        values: inputs, in the order of its arguments.
    """
    for layer in network.modules():
        if getattr(layer, "running_var", None) is not None:
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            if layer.weight is not None:
                torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
                torch.nn.init.normal_(layer.bias, 0, 0.1)
    layers = [layer for layer in network.modules() if isinstance(layer, _LAYERS)]
    hooks = [layer.register_forward_hook(_scale) for layer in layers]
    network(*values)
    for hook in hooks:
        hook.remove()


def _scale(layer, _, output):
    """Scale the weights by what brings the output to a deviation of 1."""
    deviation = output.std()
    if "weight" in layer._parameters and deviation > 0:  # not one computed from other parameters
        layer.weight /= deviation
        output = output / deviation
        if layer.bias is not None:
            layer.bias /= deviation
    return output


def _configured(kind, config):
    """The arguments of a class: its configuration, where it takes one, as in transformers."""
    of = getattr(kind, "config_class", None)
    return dict(config) if of is None else {"config": of(**config)}


def _first(outputs, take):
    """The output that is taken: by name, by index, or the first tensor."""
    if take is not None:
        outputs = outputs[take]
    while not isinstance(outputs, torch.Tensor):
        outputs = next(value for value in _values(outputs) if value is not None)
    return outputs


def _values(outputs):
    return outputs.values() if hasattr(outputs, "values") else outputs
