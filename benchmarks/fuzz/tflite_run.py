"""TFLite files in LiteRT, with each of its families of kernels."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from benchmarks.fuzz.program import FailedError, Port
from benchmarks.fuzz.tflite_border import near

FAMILIES = ("default", "optimized", "reference")
_RESOLVERS = {
    "default": OpResolverType.AUTO,
    "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}
_ERRORS = (ValueError, RuntimeError, TypeError, KeyError, IndexError, OverflowError)


class TFLiteProgram:
    """The main graph of a model that LiteRT has loaded."""

    epsilon = 2.0**-18

    def __init__(self, data, family):
        self._data, self._family = data, family
        try:
            self._run = self._load()
            details = self._run.get_input_details()
        except _ERRORS as error:
            raise FailedError(_short(error)) from None
        graph = schema.Model.GetRootAs(data).Subgraphs(0)
        stored = [self._stored(data, graph, detail) for detail in details]
        self._indices = {f"{i}": detail["index"] for i, detail in enumerate(details)}
        self.ports = [
            _port(f"{i}", d, s) for i, (d, s) in enumerate(zip(details, stored, strict=True))
        ]

    def _load(self):
        return Interpreter(
            # A copy: what is set for a constant is written into the file's own bytes.
            model_content=bytes(bytearray(self._data)),
            num_threads=1,
            experimental_op_resolver_type=_RESOLVERS[self._family],
        )

    def __call__(self, feed):
        try:
            # A constant that has been set once would stay so.
            run = self._load() if any(port.optional for port in self.ports) else self._run
            for name, value in feed.items():
                run.resize_tensor_input(self._indices[name], value.shape)
            run.allocate_tensors()
            for name, value in feed.items():
                run.set_tensor(self._indices[name], value)
            run.invoke()
            details = run.get_output_details()
            return {f"{i}": run.get_tensor(d["index"]) for i, d in enumerate(details)}
        except _ERRORS as error:
            raise FailedError(_short(error)) from None

    def ties(self, feed):
        """How many values kernels may round to either of two steps."""
        try:
            return near(self._data, feed)
        except _ERRORS:  # the plainest kernels do not run it: unknown
            return 1

    @staticmethod
    def _stored(data, graph, detail):
        """Whether an input has values of its own; LiteRT ignores a buffer of another size."""
        model = schema.Model.GetRootAs(data)
        buffer = graph.Tensors(detail["index"]).Buffer()
        needed = int(np.prod(detail["shape"], dtype=float)) * np.dtype(detail["dtype"]).itemsize
        return buffer < model.BuffersLength() and 0 < model.Buffers(buffer).DataLength() == needed


def loader(folder):
    """A function that loads files; nothing lies beside them."""
    return TFLiteProgram


def _port(name, detail, stored):
    dtype = np.dtype(detail["dtype"])
    if dtype.kind not in "fiub":
        raise FailedError(f"an input of type {dtype}")
    signature = detail.get("shape_signature", detail["shape"])
    shape = signature if len(signature) == len(detail["shape"]) else detail["shape"]
    lengths = tuple(int(n) if n >= 0 else None for n in shape)
    return Port(name, dtype, lengths, detail["quantization"][0] != 0, stored)


def _short(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
