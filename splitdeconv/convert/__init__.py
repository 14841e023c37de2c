"""Model files with every transposed convolution split: the same format out, and a proof by value."""
