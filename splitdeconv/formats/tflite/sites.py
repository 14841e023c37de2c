"""The transposed convolutions of a TFLite model: location, types, and obstacles to conversion.

Two operators are supported. The builtin TRANSPOSE_CONV takes (output shape, weights, input[,
bias]). MediaPipe's custom Convolution2DTransposeBias takes (input, weights, bias) and has padding
and strides in its options, three int32: padding (1 SAME, 2 VALID), stride of the width, stride of
the height (TfLiteTransposeConvParams, as read by
mediapipe/util/tflite/operations/transpose_conv_bias.cc). Weights are (Cout, kh, kw, Cin) in both. A
third operator, CONV_3D_TRANSPOSE, is found but not converted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..finite import describe
from ..site import Site
from .flow import changeable_buffers
from .graph import dimensions, names, operator_name, ports, type_name
from .hybrid import DTYPE as HYBRID
from .quantization import hybrid_obstacle, obstacle, real_values
from .rewrite.join import interleaves
from .shapes.constants import Constants
from .shapes.geometry import NOT_FIXED, ObstacleError, axes_of, requested, tails_of
from .shapes.lengths import known_lengths

if TYPE_CHECKING:
    from .flatbuffer.objects import ModelT, OperatorT, SubGraphT, TensorT

CUSTOM = "Convolution2DTransposeBias"
#: TensorFlow operators that a converter was allowed to leave in the file.
_TENSORFLOW = ("FlexConv2DBackpropInput", "FlexConv3DBackpropInput", "FlexConv3DBackpropInputV2")
# (input, weights, output): the type's name, and the bias types that CONV_2D kernels accept.
_KINDS = {
    ("FLOAT32", "FLOAT32", "FLOAT32"): ("float32", ("FLOAT32",)),
    ("FLOAT32", "INT8", "FLOAT32"): (HYBRID, ("FLOAT32",)),
    ("INT8", "INT8", "INT8"): ("int8", ("INT32",)),
    ("UINT8", "UINT8", "UINT8"): ("uint8", ("INT32",)),
    ("INT16", "INT8", "INT16"): ("int16x8", ("INT64", "INT32")),
}
# The kernels' CalculateActivationRange silently ignores the others.
_ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")
# Names that converters give to graph outputs, which do not describe the layer.
_SAYS_NOTHING = re.compile(r"((Stateful)?PartitionedCall|Identity)(_\d+)?(:\d+)?")


@dataclass(frozen=True)
class Handle:
    """The location of a site in its model: indices of the subgraph, the operator and its tensors.

    Args:
        weights, bias: the tensors that the operator reads; bias None if there is none.
        stored_weights, stored_bias: their constants, which differ if there is a DEQUANTIZE between.
        activation: the number of the fused activation.
        bias_type: quantizedBiasType from the options.
        place: the subgraph if operators call it, such as the branches of an IF; 0 if users do.
    """

    subgraph: int
    operator: int
    x: int
    output: int
    weights: int
    bias: int | None
    stored_weights: int | None = None
    stored_bias: int | None = None
    activation: int = 0
    bias_type: int = 0
    place: int = 0


def find_sites(model: ModelT) -> list[Site]:
    """All transposed convolutions, in the order of the file, with the reason if not convertible."""
    sites, changeable = [], changeable_buffers(model)
    entries = {0, *(signature.subgraphIndex for signature in model.signatureDefs or ())}
    for number, graph in enumerate(model.subgraphs):
        constants = Constants(model, graph, changeable)
        for position, operator in enumerate(graph.operators or ()):
            name = operator_name(model, operator)
            if name in ("TRANSPOSE_CONV", CUSTOM, "CONV_3D_TRANSPOSE"):
                site = _site(model, graph, constants, operator, name, (number, position))
                called = site.key is not None and number not in entries
                sites.append(replace(site, key=replace(site.key, place=number)) if called else site)
            elif name in _TENSORFLOW or _is_dilated(operator, name):
                sites.append(_foreign(name, position))
    return sites


def _is_dilated(operator: OperatorT, name: str) -> bool:
    """Whether this is StableHLO's convolution over an input with zeros between its values."""
    dilation = getattr(operator.builtinOptions2, "lhsDilation", None)
    if name != "STABLEHLO_CONVOLUTION" or dilation is None:
        return False
    return any(int(n) > 1 for n in dilation)


def _foreign(name: str, position: int) -> Site:
    """The site of a transposed convolution that is not a TFLite operator."""
    kind = "StableHLO" if name.startswith("STABLEHLO") else "TensorFlow"
    problem = f"an operator of {kind}: first convert the model to TFLite's own (TFLITE_BUILTINS)"
    return Site(f"{name} {position}", name, None, 1, None, None, "unknown", None, problem)


def _site(
    model: ModelT,
    graph: SubGraphT,
    constants: Constants,
    operator: OperatorT,
    name: str,
    place: tuple[int, int],
) -> Site:
    """One site, with everything that is known about it up to the first obstacle."""
    site = Site(f"{name} {place[1]}", name, None, 1, None, None, "unknown", None)
    try:
        if name == "CONV_3D_TRANSPOSE":
            raise ObstacleError("it has three dimensions: convert the Keras or ONNX model instead")
        shape, handle = _arrange(operator, name, place)
        x, weights, output = (graph.tensors[i] for i in (handle.x, handle.weights, handle.output))
        site = replace(site, name=_label(output, weights), dtype=type_name(x).lower())
        if output.isVariable:
            raise ObstacleError("its output is a variable of the model")
        padding, strides, handle = _options(operator, name, handle)
        sizes, declared = dimensions(x), dimensions(weights)
        filters = [n for n in declared if n is not None]
        if len(sizes) != 4 or len(declared) != 4 or len(filters) != 4:
            raise ObstacleError(
                f"input and weights must have 4 known dimensions, not {sizes} and {declared}"
            )
        site = replace(site, batch=sizes[0], in_channels=filters[3], out_channels=filters[0])
        source = constants.source(handle.x)
        # The batch may be open in only one of them.
        if len(source) != 4 or source[1:] != sizes[1:] or len({source[0], sizes[0], None}) > 2:
            raise ObstacleError(f"its input is declared as {sizes} but computed as {source}")
        numbers, result = requested(constants, shape), dimensions(output)
        tails = tails_of(constants, handle.x, sizes, result, numbers, strides)
        asked = None if numbers is None else known_lengths(numbers)
        site = replace(site, axes=axes_of(sizes, filters, result, asked, padding, strides, tails))
        if None in (source[0], *result[:1], *(asked or ())[:1]):
            site = replace(site, batch=None)
        site, handle = _types(graph, constants, site, handle)
        site = replace(site, interleaves=interleaves(site))
        _check_values(model, graph, handle, site.dtype)
    except ObstacleError as why:
        return replace(site, problem=str(why))
    return replace(site, key=handle)


def _arrange(operator: OperatorT, name: str, place: tuple[int, int]) -> tuple[int | None, Handle]:
    """The tensor of the output shape, if the operator has one, and a handle on the others."""
    inputs, outputs = ports(operator.inputs), ports(operator.outputs)
    order = ("shape", "weights", "x") if name == "TRANSPOSE_CONV" else ("x", "weights")
    given = dict(zip((*order, "bias"), inputs, strict=False))
    fits = len(order) <= len(inputs) <= len(order) + 1 and len(outputs) == 1
    if not fits or any(given[part] < 0 for part in order):
        raise ObstacleError(f"its inputs {inputs} and outputs {outputs} do not fit {name}")
    bias = given.get("bias", -1)
    handle = Handle(*place, given["x"], outputs[0], given["weights"], None if bias < 0 else bias)
    return given.get("shape"), handle


def _label(output: TensorT, weights: TensorT) -> str:
    """The name of the output, or of the weights if a converter generated the output's name."""
    name, other = ((tensor.name or b"").decode(errors="replace") for tensor in (output, weights))
    return other if other and (not name or _SAYS_NOTHING.fullmatch(name)) else name


def _options(operator: OperatorT, name: str, handle: Handle) -> tuple[str, tuple[int, int], Handle]:
    """Padding, strides (height, width) and the handle with the other options."""
    if name == CUSTOM:
        stored = operator.customOptions
        raw = np.asarray([] if stored is None else stored, np.uint8)
        if len(raw) < 12:
            raise ObstacleError(f"its options have {len(raw)} bytes instead of 12")
        mode, width, height = (int(v) for v in raw[:12].view("<i4"))
        padding = {1: "SAME", 2: "VALID"}.get(mode)
    else:
        options = operator.builtinOptions
        if type(options).__name__ != "TransposeConvOptionsT":
            raise ObstacleError("it has no options, so its strides are unknown")
        padding = names("Padding").get(options.padding)
        width, height = options.strideW, options.strideH
        activation = getattr(options, "fusedActivationFunction", 0)
        if names("ActivationFunctionType").get(activation) not in _ACTIVATIONS:
            raise ObstacleError(f"unsupported fused activation {activation}")
        bias_type = getattr(options, "quantizedBiasType", 0)
        handle = replace(handle, activation=activation, bias_type=bias_type)
    if padding is None or min(width, height) < 1:
        raise ObstacleError(f"unsupported options: padding {padding}, strides {(height, width)}")
    return padding, (height, width), handle


def _types(
    graph: SubGraphT, constants: Constants, site: Site, handle: Handle
) -> tuple[Site, Handle]:
    """The site with its type, the handle with its constants."""
    tensors = graph.tensors
    kinds = tuple(type_name(tensors[i]) for i in (handle.x, handle.weights, handle.output))
    if kinds not in _KINDS:
        raise ObstacleError(
            f"input {kinds[0]}, weights {kinds[1]}, output {kinds[2]}: no equivalent CONV_2D kernel"
        )
    dtype, biases = _KINDS[kinds]
    if dtype == HYBRID and site.operator == CUSTOM:
        raise ObstacleError(
            "int8 weights with float32 activations, which its kernel does not support"
        )
    weights = _stored(graph, constants, handle.weights, "weights are")
    dtype = "float16" if type_name(tensors[weights]) == "FLOAT16" else dtype
    bias = None
    if handle.bias is not None:
        if type_name(tensors[handle.bias]) not in biases:
            kind = type_name(tensors[handle.bias])
            raise ObstacleError(f"its bias has type {kind}, not {' or '.join(biases)}")
        bias = _stored(graph, constants, handle.bias, "bias is")
        if (shape := dimensions(tensors[bias])) != [site.out_channels]:
            raise ObstacleError(f"its bias has shape {shape}, not [{site.out_channels}]")
    return replace(site, dtype=dtype), replace(handle, stored_weights=weights, stored_bias=bias)


def _stored(graph: SubGraphT, constants: Constants, index: int, subject: str) -> int:
    """The constant behind the weights or the bias, in the shape that the operator reads."""
    source, tensor = constants.stored(index), graph.tensors[index]
    if source is None:
        why = "sparse" if tensor.sparsity is not None else "computed at run time"
        raise ObstacleError(f"its {subject} {NOT_FIXED if constants.changes(index) else why}")
    if source != index and index in ports(graph.outputs):
        # XNNPACK only computes such an output for readers that it also computes.
        raise ObstacleError(f"its {subject} unpacked into an output of the model")
    shape, used = dimensions(graph.tensors[source]), dimensions(tensor)
    if shape != used:
        raise ObstacleError(f"its {subject} stored as {shape} but used as {used}")
    return source


def _check_values(model: ModelT, graph: SubGraphT, handle: Handle, dtype: str) -> None:
    """Reject scales and values that a rewritten convolution may handle differently."""
    tensors = graph.tensors
    assert handle.stored_weights is not None  # `_types` has set it
    x, weights, output = (tensors[i] for i in (handle.x, handle.stored_weights, handle.output))
    bias = None if handle.stored_bias is None else tensors[handle.stored_bias]
    problem = obstacle(x, weights, output, bias)
    if problem is None and dtype == HYBRID:
        problem = hybrid_obstacle(weights)
    if problem is None and type_name(x) == "FLOAT32":
        offsets = None if bias is None else real_values(model, bias)
        problem = describe(real_values(model, weights), offsets)
    if problem is not None:
        raise ObstacleError(problem)
