"""Large tensors, inside a model and in files beside it, without copies."""
