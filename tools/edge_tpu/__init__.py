"""Files of the benchmark networks for an Edge TPU, and what its host needs to time them."""
