"""ONNX protocol buffers."""
