"""Convert the bytes of a .tflite file to objects and back, checking them before they are read."""
