"""Hand-made ONNX models, and runs of the original and of the converted model."""

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.site import Decision


def tensor(name, array):
    return numpy_helper.from_array(np.ascontiguousarray(array), name)


def value(name, dtype, shape):
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
    )


def model(
    nodes, inputs, outputs, weights=(), *, opset=17, ir_version=8, functions=(), domains=(), **more
):
    """A model of nodes; `weights` is a dict of arrays, `inputs` and `outputs` are value infos."""
    tensors = [tensor(n, a) for n, a in dict(weights).items()]
    if ir_version < 4:
        inputs = [*inputs, *(value(n, a.dtype, a.shape) for n, a in dict(weights).items())]
    graph = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), tensors, **more)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(
        graph, opset_imports=imports, ir_version=ir_version, functions=list(functions)
    )


def single(x, w, bias=None, *, shape=None, opset=17, ir_version=8, **attributes):
    """A model of one ConvTranspose "up" with stored weights; `shape` is declared of its input."""
    up = helper.make_node(
        "ConvTranspose", ["x", "w"] + ["b"] * (bias is not None), ["y"], name="up", **attributes
    )
    weights = {"w": w} | ({} if bias is None else {"b": bias})
    inputs = [value("x", x.dtype, x.shape if shape is None else shape)]
    return model(
        [up],
        inputs,
        [value("y", x.dtype, [None] * x.ndim)],
        weights,
        opset=opset,
        ir_version=ir_version,
    )


def run(source, feeds, *, optimized=True):
    """All outputs, by ONNX Runtime on one thread."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    data = source if isinstance(source, bytes) else source.SerializeToString()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run(None, feeds)


def convert(source, form="split", interleave="concat", *, path=None, checked=True, kernels=None):
    """The converted ModelProto; every site is converted and the result passes ONNX' checker."""
    parsed = OnnxModel.parse(source, path=path)
    sites = parsed.sites()
    assert sites
    assert [s.problem for s in sites] == [None] * len(sites)
    parsed.apply(
        [Decision(site, "convert", form, interleave, "test", kernels=kernels) for site in sites]
    )
    result = onnx.load_model_from_string(parsed.serialize())
    if checked:
        onnx.checker.check_model(result, full_check=True)
    assert "ConvTranspose" not in kinds(result)
    return result


def kinds(source):
    """Names of the operators in the main graph."""
    return [one.op_type for one in source.graph.node]


def problem(source, **how):
    """Why the only site cannot be converted."""
    (site,) = OnnxModel.parse(source, **how).sites()
    return site.problem


def arrays(seed, sizes, kernel, groups, per_group, dtype=np.float32):
    """Input, filters and bias of one ConvTranspose: signed, and no two alike."""
    rng = np.random.default_rng(seed)
    cin, cout = groups * per_group[0], per_group[1]
    shapes = (2, cin, *sizes), (cin, cout, *kernel), (cout * groups,)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def node(kind, inputs, output, **attributes):
    """A node of one output, named after it."""
    return helper.make_node(kind, list(inputs), [output], name=output, **attributes)


def initializers(source):
    """The initializers, by name."""
    return {t.name: numpy_helper.to_array(t) for t in source.graph.initializer}


def same(source, form, feeds):
    """The converted model, whose outputs are those of the original to the last bit."""
    converted = convert(source, form)
    for expected, got in zip(run(source, feeds), run(converted, feeds), strict=True):
        np.testing.assert_array_equal(got, expected)
    return converted
