"""Models that can be run: one small class per runtime, all called with arrays by name."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from ...extras import require
from ...formats.content import content, for_litert, for_onnxruntime
from ...limits import allowance

_BYTES = (np.dtype(np.int8), np.dtype(np.uint8))
#: No kernels of a runtime's: an ONNX operator computed by its definition; see `verify_definition`.
DEFINITION = "definition"
_LARGE = 1 << 30  # bytes in other files that are not held twice
KERNELS = ("default", "reference", "builtin")  # each runtime's fastest, its plainest, and those between


class RejectedError(Exception):
    """A runtime does not load a model, or does not take an input. No refusal of ours: other inputs may be tried."""


@dataclass(frozen=True)
class Input:
    """One input of a model.

    Args:
        name: as the model names it.
        dtype: NumPy type; None for strings, sequences and the like.
        shape: lengths, None where dynamic; None altogether where not even the rank is known.
        quantized: integers that stand for real numbers.
        default: whether the model has a value for it, which a caller may replace.
        rows: how many rows the table has that it is looked up in; None where that is not known.
        lengths: whether it says how many steps of other inputs are no padding.
    """

    name: str
    dtype: np.dtype | None
    shape: tuple[int | None, ...] | None
    quantized: bool = False
    default: bool = False
    rows: int | None = None
    lengths: bool = False


def load(kind, model, path=None, kernels="default", native=False, threads=None) -> dict:
    """The entry points of a model, each ready to run.

    Args:
        kind: "tflite", "onnx", "keras" or "layer".
        model: bytes, the path of a file, a `keras.Model`, or (a Keras layer, its input's shape).
        path: where the bytes came from, for external data.
        kernels: one of KERNELS, or DEFINITION for .onnx; Keras has only the first.
        native: compute split Keras layers as Keras' own.
        threads: of a .tflite's or .onnx' kernels; None for all of the machine's.

    Returns:
        By entry point (a signature's name, or ""), objects with ``inputs`` and a call from arrays by name to arrays
        by name.

    Raises:
        RejectedError: the runtime does not take the model.
    """
    if kernels == DEFINITION:
        from ...formats.onnx.definition import Defined

        loaded = {"": Defined(content(model), path)}
    elif kind in ("keras", "layer"):
        loaded = {"": {"keras": _Keras, "layer": _Layer}[kind](model, native)}
    else:
        loaded = {"tflite": _load_tflite, "onnx": _load_onnx}[kind](model, path, kernels, threads)
    return {name: Loaded(run.inputs, allowance.watched(run)) for name, run in loaded.items()}


@dataclass(frozen=True)
class Loaded:
    """An entry point of a model, ready to run.

    Args:
        inputs: one `Input` each.
        run: from arrays by name to arrays by name.
    """

    inputs: tuple[Input, ...]
    run: Callable

    def __call__(self, feed):
        """The outputs for the inputs `feed`."""
        return self.run(feed)


def _load_tflite(model, _, kernels, threads):
    interpreter = require("ai_edge_litert.interpreter", "tflite")
    resolvers = interpreter.OpResolverType
    try:
        loaded = interpreter.Interpreter(
            **for_litert(model),
            num_threads=threads or os.cpu_count(),
            experimental_op_resolver_type={
                "default": resolvers.AUTO,
                "reference": resolvers.BUILTIN_REF,
                "builtin": resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            }[kernels],
        )
        signatures = loaded.get_signature_list()
        if not signatures:
            loaded.allocate_tensors()
            return {"": _TFLite(loaded)}
        return {name: _Signature(loaded.get_signature_runner(name), ports) for name, ports in signatures.items()}
    except (ValueError, RuntimeError, TypeError) as error:
        raise RejectedError(short(error)) from None


class _TFLite:
    """A model without signatures: its main subgraph."""

    def __init__(self, interpreter):
        self._interpreter = interpreter
        self._ports = dict(_named(interpreter.get_input_details()))
        self._shapes = {name: tuple(detail["shape"]) for name, detail in self._ports.items()}
        self.inputs = tuple(_tflite_input(name, detail) for name, detail in self._ports.items())

    def __call__(self, feed):
        run = self._interpreter
        try:
            for name, detail in self._ports.items():
                if self._shapes[name] != feed[name].shape:
                    self._shapes[name] = feed[name].shape
                    run.resize_tensor_input(detail["index"], feed[name].shape)
            run.allocate_tensors()
            for name, detail in self._ports.items():
                run.set_tensor(detail["index"], feed[name])
            run.invoke()
            return {name: run.get_tensor(detail["index"]) for name, detail in _named(run.get_output_details())}
        except (ValueError, RuntimeError, TypeError, KeyError) as error:
            raise RejectedError(short(error)) from None


class _Signature:
    """One signature of a TFLite model."""

    def __init__(self, runner, _):
        self._runner = runner
        self.inputs = tuple(_tflite_input(name, detail) for name, detail in runner.get_input_details().items())

    def __call__(self, feed):
        try:
            return {name: np.array(value) for name, value in self._runner(**feed).items()}
        except (ValueError, RuntimeError, TypeError, KeyError) as error:
            raise RejectedError(short(error)) from None


def _named(details):
    """Details with their names; numbered where the file repeats a name or has none."""
    names = [detail["name"] for detail in details]
    unique = len(set(names)) == len(names) and all(names)
    return [
        (name if unique else f"{i}:{name}", detail) for i, (name, detail) in enumerate(zip(names, details, strict=True))
    ]


def _tflite_input(name, detail):
    shape = tuple(None if n < 0 else int(n) for n in detail.get("shape_signature", detail["shape"]))
    if len(shape) == 0 and len(detail["shape"]):
        shape = tuple(int(n) for n in detail["shape"])
    return Input(name, _dtype(detail["dtype"]), shape, detail["quantization"][0] != 0)


def _load_onnx(model, path, kernels, threads):
    ort = require("onnxruntime", "onnx")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or os.cpu_count()
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = {
        "default": levels.ORT_ENABLE_ALL,
        "reference": levels.ORT_DISABLE_ALL,
        "builtin": levels.ORT_ENABLE_BASIC,
    }[kernels]
    if threads is None and allowance.bytes_outside() > _LARGE:  # nothing is timed: no copies in another order
        options.add_session_config_entry("session.disable_prepacking", "1")
    source, folder = for_onnxruntime(model, path)
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    try:
        return {"": _Onnx(ort.InferenceSession(source, options, providers=["CPUExecutionProvider"]))}
    except Exception as error:  # ONNX Runtime's exceptions share no base but this
        raise rejected(error) from None


class _Onnx:
    """An ONNX model in ONNX Runtime on the CPU."""

    def __init__(self, session):
        self._session = session
        self.inputs = tuple(
            Input(port.name, dtype, _onnx_shape(port), dtype in _BYTES, default)
            for default, ports in (
                (False, session.get_inputs()),
                (True, session.get_overridable_initializers()),
            )
            for port, dtype in ((port, _onnx_dtype(port.type)) for port in ports)
        )

    def __call__(self, feed):
        try:
            values = self._session.run(None, feed)
        except Exception as error:  # as above
            raise rejected(error) from None
        names = [port.name for port in self._session.get_outputs()]
        return {name: value for name, value in zip(names, values, strict=True) if isinstance(value, np.ndarray)}


def _onnx_shape(port):
    return tuple(n if isinstance(n, int) else None for n in port.shape or ())


def _onnx_dtype(text):
    names = {"float": "float32", "double": "float64"}
    inner = text[7:-1] if text.startswith("tensor(") else None
    return None if inner in (None, "string") else _dtype(names.get(inner, inner))


class _Keras:
    """A Keras model, run eagerly: what it has compiled before plays no part."""

    def __init__(self, model, native):
        from ...formats.keras.model import input_names, inputs_of

        self._model, self._native, self._struct = model, native, inputs_of(model)
        if self._struct is None:
            raise RejectedError("it does not say what its inputs are")
        tensors = require("keras", "tensorflow").tree.flatten(self._struct)
        named = zip(input_names(tensors), tensors, strict=True)
        self.inputs = tuple(Input(name, _dtype(x.dtype), tuple(x.shape)) for name, x in named)

    def __call__(self, feed):
        from ...formats.keras.model import natively

        keras = require("keras", "tensorflow")
        # Keras names inputs by a count of its own: a model that was built again has others at the same places.
        arrays = [feed.get(port.name, value) for port, value in zip(self.inputs, feed.values(), strict=True)]
        try:
            with natively(self._model) if self._native else nullcontext():
                y = self._model(keras.tree.pack_sequence_as(self._struct, arrays), training=False)
        except Exception as error:  # a layer's code may raise anything
            raise rejected(error) from None
        parts = keras.tree.flatten_with_path(y)
        return {"/".join(map(str, path)) or "output": _numpy(value) for path, value in parts}


class _Layer:
    """One Keras layer, run by itself."""

    def __init__(self, part, native):
        (self._layer, shape), self._native = part, native
        self.inputs = (Input("x", _dtype(self._layer.compute_dtype) or np.dtype(np.float32), shape),)

    def __call__(self, feed):
        from ...formats.keras.model import natively

        try:
            with natively(self._layer) if self._native else nullcontext():
                y = self._layer(feed["x"])
        except Exception as error:  # as above: TensorFlow has no kernel for some geometries
            raise rejected(error) from None
        return {"y": _numpy(y)}


def _numpy(tensor):
    """A tensor's values; bfloat16, which NumPy does not count among the floats, widened without loss."""
    values = np.asarray(require("keras", "tensorflow").ops.convert_to_numpy(tensor))
    return values.astype(np.float32) if values.dtype.kind == "V" else values


def _dtype(name):
    """A NumPy type; None for what NumPy cannot hold."""
    try:
        dtype = np.dtype(name)
    except TypeError:
        return None
    return dtype if dtype.kind in "fiub" else None


def rejected(error) -> RejectedError:
    """What a runtime raised, as an exception of ours; running out of memory stays what it is.

    Raises:
        MemoryError: the error itself.
    """
    if isinstance(error, MemoryError):
        raise error
    return RejectedError(short(error))


def short(error) -> str:
    """What a runtime raised, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
