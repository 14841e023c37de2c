"""Bytes of a .tflite file to objects and back, checked before they are read."""
