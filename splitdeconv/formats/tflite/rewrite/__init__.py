"""A plan written into a flatbuffer."""
