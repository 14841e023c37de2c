"""A plan written into an ONNX graph."""
