"""Large tensors inside a model and in external files, handled without copies."""
