"""Types and shapes of the values in an ONNX model: inferred, fixed, corrected."""
