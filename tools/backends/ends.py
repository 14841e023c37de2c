"""The back ends: each takes an exported program and an input, and returns its result and remarks.

They import what they need when they are called, and raise whatever they raise.
"""

import torch

#: Operators of a graph that compute nothing.
_PLUMBING = ("getitem", "executorch_call_delegate")


def executorch_xnnpack(program, x):
    """ExecuTorch with XNNPACK; what that does not take runs in portable kernels."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.runtime import Runtime

    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    graph = edge.exported_program().graph
    names = [_name(node) for node in graph.nodes if node.op == "call_function"]
    left = [name for name in names if name not in _PLUMBING]
    made = Runtime.get().load_program(edge.to_executorch().buffer)
    (y,) = made.load_method("forward").execute((x,))
    return y, "left to portable kernels: " + (", ".join(left) if left else "nothing")


def litert_torch(program, x):
    """LiteRT Torch, and LiteRT's kernels; the file's operators are the remark."""
    import tempfile
    from pathlib import Path

    import litert_torch as converter
    from ai_edge_litert.interpreter import Interpreter

    made = converter.convert(program.module(), (x,))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        made.export(str(path))
        content = path.read_bytes()
    interpreter = Interpreter(model_content=content, num_threads=1)
    kinds = [one["op_name"] for one in interpreter._get_ops_details()]
    (y,) = (made(x),)
    shown = ", ".join(f"{kind} {kinds.count(kind)}" for kind in sorted(set(kinds)))
    return torch.as_tensor(y), shown


def pt2e(program, x):
    """Quantize by torchao to int8, filters per channel.

    Raises:
        ValueError: no convolution was quantized so.
    """
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(program.module(), quantizer)
    prepared(x)
    made = convert_pt2e(prepared)
    nodes = [node for node in made.graph.nodes if node.op == "call_function"]
    convolutions = [node for node in nodes if "conv" in _name(node)]
    quantized = [node for node in convolutions if "per_channel" in _name(node.all_input_nodes[1])]
    remark = f"{len(quantized)} of {len(convolutions)} convolutions have filters per channel"
    if not quantized:
        raise ValueError(remark)
    return made(x), remark


def _name(node):
    """The name of a node's operator."""
    return getattr(node.target, "__name__", str(node.target))


#: By name: the distribution whose version counts, the function, and the largest error, relative to
#: the largest value, that counts as the same: float32 rounding, or steps of 8 bits.
ENDS = {
    "ExecuTorch, XNNPACK": ("executorch", executorch_xnnpack, 1e-5),
    "LiteRT Torch": ("litert-torch", litert_torch, 1e-5),
    "torchao PT2E": ("torchao", pt2e, 0.05),
}
