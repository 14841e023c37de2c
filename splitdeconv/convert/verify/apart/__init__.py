"""Take quantized models apart, to find out whether they differ only by steps of a quantizer."""
