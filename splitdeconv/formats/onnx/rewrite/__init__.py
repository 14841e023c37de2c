"""Write a plan into an ONNX graph."""
