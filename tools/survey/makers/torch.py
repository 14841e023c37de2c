"""Files of PyTorch modules: torch.export, both exporters of ONNX, and ONNX Runtime's quantizer."""

import warnings
from functools import partial

import numpy as np
import torch

from splitdeconv.provenance import installed

from ..inputs import draw
from ..modules import module
from . import SAMPLES, Made
from .quantized import quantize

#: The opset that the exporter prefers.
_OPSET = 18


def make(entry, folder):
    """Write one file of a PyTorch network; the expected outputs are those of the module."""
    network = module(entry)
    values = {name: draw(spec, name, SAMPLES) for name, spec in entry.inputs.items()}
    kind = entry.export.split()
    half = "float16" in kind
    if half:
        network = network.half()
        values = {name: _half(value) for name, value in values.items()}
    samples = [
        tuple(torch.from_numpy(value[n]) for value in values.values()) for n in range(SAMPLES)
    ]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' and the exporters', on code of others
        expected = np.stack([network(*sample).numpy() for sample in samples])
        path = folder / f"{entry.name}.{'pt2' if kind == ['pt2'] else 'onnx'}"
        # torch.export calls the arguments of a module with any number of them so.
        names = [f"values_{index}" for index in range(len(values))]
        _writer(kind)(network, samples[0], names, path)
    inputs = dict(zip(names, values.values(), strict=True))
    if "int8" in kind:
        quantize(path, kind, inputs)
    library = entry.make.split(":")[0].split(".")[0]
    return Made(path, inputs, expected, f"{library} {installed(library) or 'of this repository'}")


def _writer(kind):
    if kind == ["pt2"]:
        return _pt2
    if "legacy" in kind:
        opset = next((int(word) for word in kind if word.isdigit()), 17)
        return partial(_legacy, opset=opset, dynamic="dynamic" in kind)
    return partial(_onnx, dynamic="dynamic" in kind)


def _pt2(network, sample, names, path):
    torch.export.save(torch.export.export(network, sample, strict=False), path)


def _onnx(network, sample, names, path, dynamic):
    """The exporter that starts from torch.export; a dynamic one leaves all batches open."""
    shapes = None
    if dynamic:
        shapes = (tuple({0: torch.export.Dim.DYNAMIC} for _ in sample),)
        # A size of 1 would be taken for a constant.
        sample = tuple(torch.cat([value, value]) for value in sample)
    program = torch.onnx.export(
        network,
        sample,
        dynamo=True,
        opset_version=_OPSET,
        input_names=names,
        dynamic_shapes=shapes,
        verbose=False,
    )
    program.save(path, external_data=False)


def _legacy(network, sample, names, path, opset, dynamic):
    """The exporter that traces; a dynamic one leaves the batch and the last axis open."""
    axes = {
        name: {0: "batch", value.ndim - 1: f"{name}_last"}
        for name, value in zip(names, sample, strict=True)
    }
    torch.onnx.export(
        network,
        sample,
        path,
        dynamo=False,
        opset_version=opset,
        input_names=names,
        output_names=["output"],
        dynamic_axes=axes if dynamic else None,
    )


def _half(value):
    return value.astype(np.float16) if value.dtype == np.float32 else value
