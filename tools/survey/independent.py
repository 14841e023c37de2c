"""Compare two model files by running them here, sharing nothing with `splitdeconv.verify`.

A runtime is called as its documentation shows, on inputs that `splitdeconv` has not drawn, and the
comparison is one line of NumPy.
"""

import numpy as np


def outputs(path, inputs):
    """Run a model file on every sample.

    Args:
        path: of a .onnx, .tflite, .keras or .pt2 file.
        inputs: by name, with the samples along the first axis.

    Returns:
        A list over samples of lists over outputs.
    """
    run = {".onnx": _onnx, ".tflite": _tflite, ".keras": _keras, ".pt2": _pt2}[path.suffix](path)
    count = len(next(iter(inputs.values())))
    samples = [{name: values[n] for name, values in inputs.items()} for n in range(count)]
    return [[np.asarray(value) for value in run(sample)] for sample in samples]


def difference(one, other):
    """The largest difference, over the largest value of the first; NaN counts as infinite.

    Of whole numbers, as quantized outputs are, it is the steps over all steps that their type has.
    """
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        for x, y in zip(a, b, strict=True):
            if x.shape != y.shape:
                return float("inf")
            scale = _scale(x)
            x, y = x.astype(np.float64), y.astype(np.float64)
            other_than = (x != y) & ~(np.isnan(x) & np.isnan(y))
            apart = np.nan_to_num(np.abs(x[other_than] - y[other_than]), nan=np.inf)
            worst = max(worst, float(apart.max(initial=0.0)) / scale)
    return worst


def _scale(values):
    """What differences of these values are set against."""
    if np.issubdtype(values.dtype, np.integer):
        return float(np.iinfo(values.dtype).max) - float(np.iinfo(values.dtype).min)
    finite = values[np.isfinite(values)].astype(np.float64)
    return float(np.abs(finite).max(initial=0.0)) or 1.0


def _onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    taken = {port.name for port in session.get_inputs()}
    return lambda sample: session.run(None, {k: v for k, v in sample.items() if k in taken})


def _tflite(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    if interpreter.get_signature_list():
        runner = interpreter.get_signature_runner()
        return lambda sample: list(runner(**sample).values())
    interpreter.allocate_tensors()
    places = {about["name"]: about["index"] for about in interpreter.get_input_details()}

    def run(sample):
        for name, value in sample.items():
            interpreter.set_tensor(places[name], value)
        interpreter.invoke()
        return [interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()]

    return run


def _keras(path):
    import keras

    import splitdeconv.layers  # noqa: F401 - registers the layers of converted files

    model = keras.models.load_model(path)
    # A model with one input takes it alone.
    return lambda sample: [
        keras.ops.convert_to_numpy(
            model(sample if len(sample) > 1 else next(iter(sample.values())))
        )
    ]


def _pt2(path):
    import torch

    module = torch.export.load(path).module()
    with torch.no_grad():
        return lambda sample: [module(*map(torch.from_numpy, sample.values())).numpy()]
