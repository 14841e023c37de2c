"""Benchmark networks and Keras models as .tflite and .onnx files."""
