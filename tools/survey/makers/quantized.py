"""Quantize an .onnx file with ONNX Runtime's own quantizer."""

import onnx
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process


def quantize(path, kind, inputs):
    """Replace a float32 file by its int8 version.

    Args:
        path: of the file.
        kind: words: "weights" for dynamic quantization, which leaves activations in float32;
            "operators" for quantized operators in place of QuantizeLinear and DequantizeLinear.
        inputs: by name, with the samples along a new first axis.
    """
    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    if "weights" in kind:
        # A transposed convolution has no dynamically quantized operator; what else has one changes.
        quantization.quantize_dynamic(prepared, path, weight_type=quantization.QuantType.QInt8)
    else:
        form = quantization.QuantFormat
        quantization.quantize_static(
            prepared,
            path,
            Reader(inputs),
            quant_format=form.QOperator if "operators" in kind else form.QDQ,
            op_types_to_quantize=["Conv", "ConvTranspose", "Relu", "Add", "MatMul", "Concat"],
            per_channel="operators" not in kind,
        )
    prepared.unlink()
    onnx.checker.check_model(path)


class Reader(quantization.CalibrationDataReader):
    """The samples, one after the other."""

    def __init__(self, inputs):
        count = len(next(iter(inputs.values())))
        self._samples = iter([{k: v[n] for k, v in inputs.items()} for n in range(count)])

    def get_next(self):
        """The next sample; None at the end."""
        return next(self._samples, None)
