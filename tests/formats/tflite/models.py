"""TFLite files for tests, made by benchmarks/fuzz: changed, converted, run."""

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from benchmarks.fuzz.tflite_builder import Builder, change, pack, unpack
from benchmarks.fuzz.tflite_models import Deconv, deconv_model
from splitdeconv.formats.input_shapes import requested_shapes
from splitdeconv.formats.site import Decision
from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel

__all__ = ["Builder", "Deconv", "change", "deconv_model", "make", "pack", "schema", "unpack"]

XNNPACK = OpResolverType.BUILTIN
REFERENCE = OpResolverType.BUILTIN_REF
OPTIMIZED = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def edit(data, how):
    """A file after `how(model, subgraph)` has changed its model."""
    model = unpack(data)
    how(model, model.subgraphs[0])
    return pack(model)


def convert(data, form="split", interleave="concat", batch=None, kernels=None):
    """The file with every convertible site rewritten in one form."""
    model = TFLiteModel.parse(data)
    if batch is not None:
        model.fix(requested_shapes(None, batch, model.inputs()))
    model.apply(
        [
            Decision(s, "refuse" if s.problem else "convert", form, interleave, "", kernels=kernels)
            for s in model.sites()
        ]
    )
    return model.serialize()


def run(data, *inputs, kernels=XNNPACK, signature=None):
    """The first output of a model, computed by one family of kernels."""
    interpreter = Interpreter(
        model_content=data, experimental_op_resolver_type=kernels, num_threads=1
    )
    if signature is not None:
        return interpreter.get_signature_runner(signature)(*inputs)
    ports = interpreter.get_input_details()
    for port, x in zip(ports, inputs, strict=True):
        if tuple(port["shape"]) != x.shape:
            interpreter.resize_tensor_input(port["index"], x.shape)
    interpreter.allocate_tensors()
    for port, x in zip(ports, inputs, strict=True):
        interpreter.set_tensor(port["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def on_xnnpack(data):
    """Whether the default interpreter hands operators to XNNPACK at all."""
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    return any(detail["op_name"] == "DELEGATE" for detail in interpreter._get_ops_details())


def operators(data):
    """Names of a file's operators, in order."""
    return [name for name, _ in TFLiteModel.parse(data).operators()]
