"""A plan as channels-first operators, for every format that has them: ONNX, ATen."""
