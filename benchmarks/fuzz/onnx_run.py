"""ONNX files in ONNX Runtime, optimized and not."""

from functools import cached_property

import numpy as np
import onnx
import onnxruntime as ort

from benchmarks.fuzz.program import FailedError, Port

FAMILIES = ("optimized", "plain")
_LEVELS = {
    "optimized": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "plain": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_NAMES = {"float": "f4", "double": "f8", "float16": "f2", "bool": "?"}


class OnnxProgram:
    """A model that ONNX Runtime has loaded.

    Args:
        data: the file.
        folder: where its other files are.
        family: of kernels.
    """

    def __init__(self, data, folder, family):
        self._data, self._folder = data, folder
        self._session = _session(data, folder, family)
        try:
            stored = {port.name for port in self._session.get_overridable_initializers()}
            both = (*self._session.get_inputs(), *self._session.get_overridable_initializers())
            self.ports = [_port(port, port.name in stored) for port in both]
        except UnicodeDecodeError as error:  # of a name
            raise FailedError(_short(error)) from None
        #: How much inputs are changed to see what rounding does.
        self.epsilon = 2.0**-9 if b"float16" in data or self._half else 2.0**-18

    @property
    def _half(self):
        half = onnx.TensorProto.FLOAT16
        model = onnx.ModelProto.FromString(self._data)
        kinds = (a.i for node in model.graph.node for a in node.attribute if a.name == "to")
        return half in kinds and any(
            i.type.tensor_type.elem_type == half for i in model.graph.input
        )

    def __call__(self, feed):
        values = _run(self._session, feed)
        names = [port.name for port in self._session.get_outputs()]
        pairs = zip(names, values, strict=True)
        return {name: value for name, value in pairs if isinstance(value, np.ndarray)}

    def ties(self, feed):
        """How many values lie on the border between two steps of a quantizer; one if hidden."""
        count = int(self._inner_quantizers)
        probe, pairs = self._probe
        if probe is None or not pairs:
            return count
        values = dict(zip([p.name for p in probe.get_outputs()], _run(probe, feed), strict=True))
        for x, scale in pairs:
            with np.errstate(all="ignore"):
                steps = values[x].astype("f8") / np.max(np.abs(values[scale]))
            steps = steps[np.isfinite(steps)]
            near = 2.0**-16 * np.max(np.abs(steps), initial=1)
            count += int((np.abs(steps - np.floor(steps) - 0.5) < near).sum())
            count += np.size(values[scale]) > 1
        return count

    @cached_property
    def _inner_quantizers(self):
        model = onnx.ModelProto.FromString(self._data)
        inner = [node for function in model.functions for node in function.node]
        inner += [n for node in model.graph.node for a in node.attribute for n in a.g.node]
        kinds = {node.op_type for node in (*inner, *model.graph.node)}
        return "DynamicQuantizeLinear" in kinds or any("QuantizeLinear" in n.op_type for n in inner)

    @cached_property
    def _probe(self):
        """The original, with what goes into its quantizers as outputs."""
        model = onnx.ModelProto.FromString(self._data)
        pairs = [node.input[:2] for node in model.graph.node if node.op_type == "QuantizeLinear"]
        there = {port.name for port in model.graph.output}
        for name in dict.fromkeys(name for pair in pairs for name in pair if name not in there):
            model.graph.output.add(name=name)
        try:
            return _session(model.SerializeToString(), self._folder, "plain"), pairs
        except FailedError:
            return None, pairs


def _session(data, folder, family):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = _LEVELS[family]
    if folder:
        key = "session.model_external_initializers_file_folder_path"
        options.add_session_config_entry(key, str(folder))
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base but this
        raise FailedError(_short(error)) from None


def _run(session, feed):
    try:
        return session.run(None, feed)
    except Exception as error:  # as above
        raise FailedError(_short(error)) from None


def _port(port, optional):
    kind = port.type.removeprefix("tensor(").removesuffix(")")
    try:
        dtype = np.dtype(_NAMES.get(kind, kind))
    except TypeError:
        raise FailedError(f"an input of type {port.type}") from None
    if dtype.kind not in "fiub":
        raise FailedError(f"an input of type {port.type}")
    shape = tuple(n if isinstance(n, (int, str)) else None for n in port.shape or ())
    return Port(port.name, dtype, shape, optional=optional)


def _short(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def loader(folder):
    """A function that loads files of a folder."""
    return lambda data, family: OnnxProgram(data, folder, family)
