"""What a transposed convolution can be turned into: every variant as a file, or predicted."""
