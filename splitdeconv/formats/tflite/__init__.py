"""TensorFlow Lite flatbuffers."""
