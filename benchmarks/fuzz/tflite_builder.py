"""TFLite files built straight from the schema, tensor by tensor."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from splitdeconv.formats.tflite.flatbuffer.bounds import make

TYPES = {
    "f4": "FLOAT32",
    "f2": "FLOAT16",
    "i4": "INT32",
    "i8": "INT64",
    "i2": "INT16",
    "i1": "INT8",
    "u1": "UINT8",
}


class Builder:
    """A model of one subgraph, tensor by tensor."""

    def __init__(self):
        self.model = make(
            "Model",
            version=3,
            operatorCodes=[],
            buffers=[make("Buffer")],
            description=b"made to test",
        )
        self.graph = make("SubGraph", tensors=[], operators=[], name=b"main")
        self.model.subgraphs = [self.graph]

    def tensor(self, name, shape, dtype, scale=None, zero=None, dynamic=False, open_image=False):
        """An activation tensor; scale and zero may be numbers or one per channel of dimension 0.

        What is open is stated as 1, as TensorFlow's converter does.
        """
        shape = (shape[0], 1, 1, shape[3]) if open_image else shape
        tensor = make(
            "Tensor",
            name=name.encode(),
            shape=np.array(shape, "<i4"),
            type=_type(dtype),
            hasRank=True,
        )
        if dynamic or open_image:
            batch, image = -1 if dynamic else shape[0], (-1, -1) if open_image else shape[1:3]
            signature = [batch, *image, *shape[3:]]
            tensor.shapeSignature = np.array(signature, "<i4")
        if scale is not None:
            scale, zero = np.broadcast_arrays(np.float32(scale), np.int64(zero))
            tensor.quantization = make(
                "QuantizationParameters",
                scale=scale.reshape(-1).copy(),
                zeroPoint=zero.reshape(-1).copy(),
            )
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, name, values, scale=None, zero=0):
        index = self.tensor(name, values.shape, values.dtype.str[1:], scale, zero)
        self.model.buffers.append(make("Buffer", data=np.frombuffer(values.tobytes(), np.uint8)))
        self.graph.tensors[index].buffer = len(self.model.buffers) - 1
        return index

    def operator(self, name, inputs, outputs, options=None, version=1, custom=None):
        """`name` of a builtin, or of a custom operator with `custom` bytes as its options."""
        kind = getattr(schema.BuiltinOperator, name if custom is None else "CUSTOM")
        code = make(
            "OperatorCode",
            deprecatedBuiltinCode=min(kind, 127),
            builtinCode=kind,
            version=version,
            customCode=name.encode() if custom is not None else None,
        )
        self.model.operatorCodes.append(code)
        operator = make(
            "Operator",
            opcodeIndex=len(self.model.operatorCodes) - 1,
            inputs=np.array(inputs, "<i4"),
            outputs=np.array(outputs, "<i4"),
            builtinOptions=options,
        )
        if options is not None:
            kind = type(options).__name__[:-1]
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        if custom is not None:
            operator.customOptions = np.frombuffer(custom, np.uint8)
        self.graph.operators.append(operator)

    def build(self, inputs, outputs):
        self.graph.inputs, self.graph.outputs = np.array(inputs, "<i4"), np.array(outputs, "<i4")
        return pack(self.model)


def pack(model):
    """Bytes of a ModelT, with aligned buffers."""

    class Aligned(flatbuffers.Builder):
        def StartVector(self, size, count, alignment):  # noqa: N802
            return super().StartVector(size, count, 16 if size == 1 else alignment)

    builder = Aligned(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def unpack(data):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))


def change(part, **fields):
    """Set fields of a part of a model."""
    for name, value in fields.items():
        setattr(part, name, value)


def _type(dtype):
    return getattr(schema.TensorType, TYPES[dtype])
