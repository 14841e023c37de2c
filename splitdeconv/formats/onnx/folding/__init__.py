"""Fold what follows a transposed convolution into its filters and bias."""
