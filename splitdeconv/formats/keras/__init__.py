"""Keras models, in memory and as .keras files."""
