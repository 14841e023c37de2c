"""The transposed convolutions of a TFLite model: location, geometry, and obstacles to conversion.

Two operators are supported. The builtin TRANSPOSE_CONV takes (output shape, weights, input[,
bias]). MediaPipe's custom Convolution2DTransposeBias takes (input, weights, bias) and has padding
and strides in its options, three int32: padding (1 SAME, 2 VALID), stride of the width, stride of
the height (TfLiteTransposeConvParams, as read by
mediapipe/util/tflite/operations/transpose_conv_bias.cc). Weights are (Cout, kh, kw, Cin) in both. A
third operator, CONV_3D_TRANSPOSE, is found but not converted.
"""

import re
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ...core.geometry import LONGEST_KERNEL, MOST_PHASES, Axis, resolve
from ...errors import SplitDeconvError
from ..finite import describe
from ..site import Site
from .flow import changeable_buffers
from .graph import dimensions, names, operator_name, ports, type_name
from .hybrid import DTYPE as HYBRID
from .quantization import hybrid_obstacle, obstacle, real_values
from .rewrite.join import interleaves
from .shapes.constants import Constants
from .shapes.inputs import COMPUTED, EXPORT
from .shapes.lengths import Length

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
_MOST_ELEMENTS = 2**30  # a limit for malicious files, far above any real model
_NOT_FIXED = "not fixed: an input or a variable of the model uses the same memory"
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


class _ObstacleError(Exception):
    """Why a site cannot be converted, as text for the user."""


def find_sites(model) -> list[Site]:
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


def _is_dilated(operator, name):
    """Whether this is StableHLO's convolution over an input with zeros between its values."""
    dilation = getattr(operator.builtinOptions2, "lhsDilation", None)
    return (
        name == "STABLEHLO_CONVOLUTION"
        and dilation is not None
        and any(int(n) > 1 for n in dilation)
    )


def _foreign(name, position):
    """The site of a transposed convolution that is not a TFLite operator."""
    kind = "StableHLO" if name.startswith("STABLEHLO") else "TensorFlow"
    problem = f"an operator of {kind}: first convert the model to TFLite's own (TFLITE_BUILTINS)"
    return Site(f"{name} {position}", name, None, 1, None, None, "unknown", None, problem)


def _site(model, graph, constants, operator, name, place):
    """One site, with everything that is known about it up to the first obstacle."""
    site = Site(f"{name} {place[1]}", name, None, 1, None, None, "unknown", None)
    try:
        if name == "CONV_3D_TRANSPOSE":
            raise _ObstacleError("it has three dimensions: convert the Keras or ONNX model instead")
        shape, handle = _arrange(operator, name, place)
        x, weights, output = (graph.tensors[i] for i in (handle.x, handle.weights, handle.output))
        site = replace(site, name=_label(output, weights), dtype=type_name(x).lower())
        if output.isVariable:
            raise _ObstacleError("its output is a variable of the model")
        padding, strides, handle = _options(operator, name, handle)
        sizes, filters = dimensions(x), dimensions(weights)
        if len(sizes) != 4 or len(filters) != 4 or None in filters:
            raise _ObstacleError(
                f"input and weights must have 4 known dimensions, not {sizes} and {filters}"
            )
        site = replace(site, batch=sizes[0], in_channels=filters[3], out_channels=filters[0])
        source = constants.source(handle.x)
        # The batch may be open in only one of them.
        if len(source) != 4 or source[1:] != sizes[1:] or len({source[0], sizes[0], None}) > 2:
            raise _ObstacleError(f"its input is declared as {sizes} but computed as {source}")
        wanted, result = _wanted(constants, shape), dimensions(output)
        tails = _tails(constants, handle.x, sizes, result, wanted, strides)
        wanted = wanted and [None if isinstance(n, Length) else n for n in wanted]
        site = replace(site, axes=_axes(sizes, filters, result, wanted, padding, strides, tails))
        if None in (source[0], *result[:1], *(wanted or ())[:1]):
            site = replace(site, batch=None)
        site, handle = _types(graph, constants, site, handle)
        site = replace(site, interleaves=interleaves(site))
        _check_values(model, graph, handle, site.dtype)
    except _ObstacleError as why:
        return replace(site, problem=str(why))
    return replace(site, key=handle)


def _arrange(operator, name, place):
    """The tensor of the output shape, if the operator has one, and a handle on the others."""
    inputs, outputs = ports(operator.inputs), ports(operator.outputs)
    order = ("shape", "weights", "x") if name == "TRANSPOSE_CONV" else ("x", "weights")
    given = dict(zip((*order, "bias"), inputs, strict=False))
    if (
        not len(order) <= len(inputs) <= len(order) + 1
        or len(outputs) != 1
        or any(given[part] < 0 for part in order)
    ):
        raise _ObstacleError(f"its inputs {inputs} and outputs {outputs} do not fit {name}")
    bias = given.get("bias", -1)
    handle = Handle(*place, given["x"], outputs[0], given["weights"], None if bias < 0 else bias)
    return given.get("shape"), handle


def _label(output, weights):
    """The name of the output, or of the weights if a converter generated the output's name."""
    output, weights = (
        (tensor.name or b"").decode(errors="replace") for tensor in (output, weights)
    )
    return weights if weights and (not output or _SAYS_NOTHING.fullmatch(output)) else output


def _options(operator, name, handle):
    """Padding, strides (height, width) and the handle with the other options."""
    if name == CUSTOM:
        raw = (
            np.zeros(0, np.uint8)
            if operator.customOptions is None
            else np.asarray(operator.customOptions, np.uint8)
        )
        if len(raw) < 12:
            raise _ObstacleError(f"its options have {len(raw)} bytes instead of 12")
        padding, width, height = (int(v) for v in raw[:12].view("<i4"))
        padding = {1: "SAME", 2: "VALID"}.get(padding)
    else:
        options = operator.builtinOptions
        if type(options).__name__ != "TransposeConvOptionsT":
            raise _ObstacleError("it has no options, so its strides are unknown")
        padding, width, height = (
            names("Padding").get(options.padding),
            options.strideW,
            options.strideH,
        )
        activation = getattr(options, "fusedActivationFunction", 0)
        if names("ActivationFunctionType").get(activation) not in _ACTIVATIONS:
            raise _ObstacleError(f"unsupported fused activation {activation}")
        handle = replace(
            handle, activation=activation, bias_type=getattr(options, "quantizedBiasType", 0)
        )
    if padding is None or min(width, height) < 1:
        raise _ObstacleError(f"unsupported options: padding {padding}, strides {(height, width)}")
    return padding, (height, width), handle


def _wanted(constants, index):
    """The output shape that the operator requests.

    A dimension is None if it is open, and a `Length` if it follows from another one. The result is
    None for an operator without a shape input.
    """
    if index is None:
        return None
    if constants.changes(index):
        raise _ObstacleError(f"its output shape is {_NOT_FIXED}")
    wanted = constants.lengths(index)
    if wanted is None:
        raise _ObstacleError(COMPUTED)
    return wanted


def _types(graph, constants, site, handle):
    """The site with its type, the handle with its constants."""
    tensors = graph.tensors
    kinds = tuple(type_name(tensors[i]) for i in (handle.x, handle.weights, handle.output))
    if kinds not in _KINDS:
        raise _ObstacleError(
            f"input {kinds[0]}, weights {kinds[1]}, output {kinds[2]}: no equivalent CONV_2D kernel"
        )
    dtype, biases = _KINDS[kinds]
    if dtype == HYBRID and site.operator == CUSTOM:
        raise _ObstacleError(
            "int8 weights with float32 activations, which its kernel does not support"
        )
    weights = _stored(graph, constants, handle.weights, "weights are")
    dtype = "float16" if type_name(tensors[weights]) == "FLOAT16" else dtype
    bias = None
    if handle.bias is not None:
        if type_name(tensors[handle.bias]) not in biases:
            raise _ObstacleError(
                f"its bias has type {type_name(tensors[handle.bias])}, not {' or '.join(biases)}"
            )
        bias = _stored(graph, constants, handle.bias, "bias is")
        if (shape := dimensions(tensors[bias])) != [site.out_channels]:
            raise _ObstacleError(f"its bias has shape {shape}, not [{site.out_channels}]")
    return replace(site, dtype=dtype), replace(handle, stored_weights=weights, stored_bias=bias)


def _stored(graph, constants, index, subject):
    """The constant behind the weights or the bias, in the shape that the operator reads."""
    found, tensor = constants.stored(index), graph.tensors[index]
    if found is None:
        why = "sparse" if tensor.sparsity is not None else "computed at run time"
        raise _ObstacleError(f"its {subject} {_NOT_FIXED if constants.changes(index) else why}")
    if found != index and index in ports(graph.outputs):
        # XNNPACK only computes such an output for readers that it also computes.
        raise _ObstacleError(f"its {subject} unpacked into an output of the model")
    shape, used = dimensions(graph.tensors[found]), dimensions(tensor)
    if shape != used:
        raise _ObstacleError(f"its {subject} stored as {shape} but used as {used}")
    return found


def _check_values(model, graph, handle, dtype):
    """Reject scales and values that a rewritten convolution may handle differently."""
    indices = handle.x, handle.stored_weights, handle.output, handle.stored_bias
    x, weights, output, bias = (None if i is None else graph.tensors[i] for i in indices)
    found = obstacle(x, weights, output, bias)
    if found is None and dtype == HYBRID:
        found = hybrid_obstacle(weights)
    if found is None and type_name(x) == "FLOAT32":
        offsets = None if bias is None else real_values(model, bias)
        found = describe(real_values(model, weights), offsets)
    if found is not None:
        raise _ObstacleError(found)


def _tails(constants, x, sizes, output, wanted, strides):
    """The difference between output length and input length times stride, for each open axis.

    It is only known if the requested shape is computed this way.
    """
    tails = {}
    for axis, stride in zip((1, 2), strides, strict=True):
        if sizes[axis] is not None or wanted is None or len(wanted) != 4:
            continue
        asked = wanted[axis]
        follows = isinstance(asked, Length) and (asked.tensor, asked.axis) == constants.origin(
            x, axis
        )
        if follows and asked.factor == stride and output[axis : axis + 1] == [None]:
            tails[axis] = asked.offset
    return tails


def _axes(x, filters, output, wanted, padding, strides, tails) -> tuple[Axis, ...]:
    """The geometry, from the shapes of the tensors and the requested output shape.

    Args:
        tails: for open axes, by the index of the dimension; see `_tails`.
    """
    if x[3] != filters[3]:
        raise _ObstacleError(f"its input has {x[3]} channels, its weights {filters[3]}")
    if wanted is not None:
        if len(wanted) != 4:
            raise _ObstacleError(f"its output shape has {len(wanted)} numbers")
        output = output if len(output) == 4 else wanted
        if any(
            None not in pair and len(set(pair)) > 1 for pair in zip(output, wanted, strict=True)
        ):
            raise _ObstacleError(f"its output has shape {output}, but shape {wanted} is requested")
        output = [b if a is None else a for a, b in zip(output, wanted, strict=True)]
    if len(output) != 4 or output[3] not in (filters[0], None) or len({x[0], output[0], None}) > 2:
        raise _ObstacleError(f"its output has shape {output}, its input {x}, its weights {filters}")
    opened = [axis for axis in (1, 2) if None in (x[axis], output[axis])]
    if any(axis not in tails for axis in opened):
        raise _ObstacleError(
            f"height or width are known only at run time (input {x}, output {output}), and the output "
            f"is not computed as the input times the stride, plus a constant; {EXPORT}"
        )
    if max(filters[1:3]) > LONGEST_KERNEL or strides[0] * strides[1] > MOST_PHASES:
        raise _ObstacleError(
            f"kernel {filters[1:3]} with strides {list(strides)} needs too many operators"
        )
    if 0 in (*x, *filters, *output):
        raise _ObstacleError(f"a dimension is 0 (input {x}, weights {filters}, output {output})")
    if any(prod(n or 1 for n in shape) > _MOST_ELEMENTS for shape in (x, output)):
        raise _ObstacleError(f"a tensor has more than 2**30 elements (input {x}, output {output})")
    # The geometry relative to an open length is the same for every length.
    lengths = [x[axis] or filters[axis] + abs(tails[axis]) + 1 for axis in (1, 2)]
    asked = [
        output[a] or n * s + tails[a] for a, n, s in zip((1, 2), lengths, strides, strict=True)
    ]
    try:
        axes = resolve(tuple(lengths), tuple(filters[1:3]), strides, padding, tuple(asked))
        return tuple(replace(a, n=None) if i in opened else a for i, a in enumerate(axes, start=1))
    except SplitDeconvError as error:
        raise _ObstacleError(
            f"{error.problem}: {error.where}, expected {error.expected}, got {error.got}"
        ) from None
