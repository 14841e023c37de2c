"""How near the sums of quantized transposed convolutions come to the border between two steps."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from benchmarks.fuzz.definition import Definition

_INTEGERS = (schema.TensorType.INT8, schema.TensorType.UINT8, schema.TensorType.INT16)


def near(data, feed):
    """How many sums lie so near the border between two steps that either side may be right.

    TFLite multiplies a sum by 31 bits of the scales' ratio M, rounds, and rounds again when it
    drops the last s bits, where M is between 2**-(s + 1) and 2**-s: what lies within 2**-(s + 1) of
    the border goes either way. XNNPACK computes the same product in float32.

    Args:
        data: a .tflite file.
        feed: inputs by their place, as text.

    Returns:
        The number of such sums among those of quantized transposed convolutions, and of values that
        QUANTIZE rounds;
        one where these are in another graph than the main one.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    graph = model.subgraphs[0]
    run = Interpreter(
        model_content=bytes(
            bytearray(data)
        ),  # a copy, for constants that are set are written into it
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    indices = [detail["index"] for detail in run.get_input_details()]
    for name, value in feed.items():
        run.resize_tensor_input(indices[int(name)], value.shape)
    run.allocate_tensors()
    for name, value in feed.items():
        run.set_tensor(indices[int(name)], value)
    run.invoke()
    count = int(any(t.type in _INTEGERS for g in model.subgraphs[1:] for t in g.tensors))
    for operator in graph.operators:
        kind = model.operatorCodes[operator.opcodeIndex]
        code = max(kind.builtinCode, kind.deprecatedBuiltinCode)
        y = graph.tensors[int(operator.outputs[0])]
        if code == schema.BuiltinOperator.TRANSPOSE_CONV and y.type in _INTEGERS:
            count += _count(*_sums(graph, operator, run.get_tensor))
        elif code == schema.BuiltinOperator.QUANTIZE and y.quantization.scale is not None:
            with np.errstate(all="ignore"):
                steps = (
                    run.get_tensor(int(operator.inputs[0])).astype("f8") / y.quantization.scale[0]
                )
            count += _count(steps, np.zeros(1))
    return count


def _count(steps, border):
    """How many finite numbers of steps lie within a border of the middle between two."""
    largest = np.max(np.abs(steps), where=np.isfinite(steps), initial=1)
    return int((np.abs(steps - np.floor(steps) - 0.5) < border + 2.0**-16 * largest).sum())


def _sums(graph, operator, read):
    """The sums of one operator in steps of its output, float64; the border's width by channel."""
    _, w, x, *bias = (int(n) for n in operator.inputs)
    tensors = [graph.tensors[n] for n in (x, w, int(operator.outputs[0]))]
    scales = [t.quantization and t.quantization.scale for t in tensors]
    if any(s is None or not len(s) for s in scales):
        return np.zeros(0), np.zeros(1)
    zero_x, zero_w = (int(t.quantization.zeroPoint[0]) for t in tensors[:2])
    images = np.moveaxis(read(x).astype("f8") - zero_x, -1, 1)
    filters = np.transpose(read(w).astype("f8") - zero_w, (3, 0, 1, 2))
    options = operator.builtinOptions
    strides = (options.strideH, options.strideW)
    outputs = read(int(operator.outputs[0])).shape[1:3]
    firsts = [0, 0]
    if options.padding == schema.Padding.SAME:
        # The crop of the convolution that leads back: half of what its windows reach beyond.
        sizes = zip(images.shape[2:], strides, filters.shape[2:], outputs, strict=True)
        firsts = [max(0, (n - 1) * s + k - o) // 2 for n, s, k, o in sizes]
    b = read(bias[0]).astype("f8") if bias and bias[0] >= 0 else None
    site = Definition(filters, b, 1, strides, (1, 1), firsts, list(outputs))
    sums, _ = site(images)
    unit = scales[0][0].astype("f8") * scales[1].astype("f8") / scales[2][0]
    border = 2.0 ** (np.ceil(np.log2(np.maximum(unit, 1e-30))) - 1)
    return sums * unit.reshape(-1, 1, 1), border.reshape(-1, 1, 1)
