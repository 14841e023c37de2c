"""Write a plan into a flatbuffer."""
